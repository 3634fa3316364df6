"""Requests whose turn has not come: they wait in memory, and none of the server's threads waits with them.

The application asks for it by `environ["bounded_waitress.postpone"](seconds)`, which does not return. Later it is
called again with the same request, and then finds in `environ["bounded_waitress.waited"]` how many seconds that was.
"""

import heapq
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread
from typing import Any, NoReturn


class Postponed(BaseException):
    """Leaves an application whose request is to come again. No handler of errors takes it: it is none."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def postpone(seconds: float) -> NoReturn:
    """Have this request come again after so many seconds. Nothing of its answer may have been started."""
    raise Postponed(seconds)


class WaitingRoom:
    """Hands tasks to the server's threads when their time has come. Its own thread starts with the first of them."""

    def __init__(self, add_task: Callable[[Any], None]) -> None:
        self._add_task = add_task
        self._waiting: list[tuple[float, int, Any]] = []
        self._numbers = count()
        self._changed = Condition()
        self._thread: Thread | None = None

    def add(self, task: Any, seconds: float) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), task))
            if self._thread is None:
                self._thread = Thread(target=self._hand_over, name="postponed", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _hand_over(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or (seconds := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(seconds if self._waiting else None)
                _, _, task = heapq.heappop(self._waiting)
            self._add_task(task)
