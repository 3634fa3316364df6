"""The threads of a busy function keep to one processor, since they take turns at one interpreter.

Spread over two processors, each of those turns wakes a processor and leaves the caches of the other one behind. The
kernel spreads them, because it sees threads that could run at once. Here a process that answers much asks for the
processor on which it is being served anyway, and gives that up again and again, so that the kernel can choose a better
one when somebody else is busy there. What was forked before, as the publisher was, keeps its own choice.
"""

import os
import time
from threading import Lock

_ANSWERS = 16  # between two looks
_BUSY_SECONDS = 0.2  # sixteen answers within that: a function that has much to do
_KEPT_SECONDS = 1.0  # then the kernel chooses again, while sixteen answers are given


class OneProcessor:
    """Which processors the threads of this process may use. Where none can be chosen, the kernel goes on choosing."""

    def __init__(self, allowed: set[int]) -> None:
        """`allowed`: numbers of the processors that the process may use at all."""
        self.allowed = allowed
        self._answers = 0
        self._looked_at = -_BUSY_SECONDS
        self._kept_since: float | None = None
        self._choosing = Lock()
        self._can_choose = len(allowed) > 1

    @classmethod
    def of_this_process(cls) -> "OneProcessor":
        """With the processors that this process may use now. Systems other than Linux have no such choice."""
        return cls(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set())

    def look(self) -> None:
        """A thread has given an answer, and calls this on its processor."""
        self._answers += 1
        if self._answers < _ANSWERS or not self._can_choose or not self._choosing.acquire(blocking=False):
            return
        try:
            self._answers = 0
            self._choose(time.monotonic())
        except (OSError, ValueError, IndexError):  # a sandbox without these calls or without this part of /proc
            self._can_choose = False
        finally:
            self._choosing.release()

    def _choose(self, now: float) -> None:
        if self._kept_since is not None:
            if now - self._kept_since > _KEPT_SECONDS:
                self._kept_since = None
                _keep_all_threads_to(self.allowed)
        elif now - self._looked_at < _BUSY_SECONDS:
            self._kept_since = now
            _keep_all_threads_to({_processor_of_this_thread()})
        self._looked_at = now


def _processor_of_this_thread() -> int:
    """The field `processor` of proc_pid_stat(5), the 39th; the second one, a name in brackets, may hold blanks."""
    with open("/proc/thread-self/stat") as fields:
        return int(fields.read().rpartition(")")[2].split()[36])


def _keep_all_threads_to(processors: set[int]) -> None:
    """Of this process. A thread that is started later has those of the one that starts it."""
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), processors)
        except ProcessLookupError:
            continue  # it has ended meanwhile
