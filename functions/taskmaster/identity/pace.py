"""How many calls a second one user makes of one pod, and for how long they occupy its threads.

So no user takes the processor time, the connections and the locks of all others. A call that takes longer than usual,
because it waits for a lock or the machine is busy, counts as several. Kept in memory, for each pod by itself: with
three pods of a function a user has three times the rate. Events are not counted, since one that is refused is sent
again, and its partition waits for it.
"""

import time
from threading import Lock

from taskmaster.errors import TaskmasterError

BURST_SECONDS = 5.0
THREAD_SHARE = 0.5  # of one thread, that a user's calls may occupy after the burst
# Of turns that a call costs at most: a slow database is slow for everybody, and eight clients of one user are not to be
# told to come again.
DEAREST_SECONDS = 0.2
_MANY_USERS = 10_000


class TooManyCalls(TaskmasterError):
    """A user's next turn is too far away. `seconds` until it comes."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the next turn is in {seconds:.1f} s")
        self.seconds = seconds


class Pace:
    """Turns at `rate` calls a second, after as many at once as come in BURST_SECONDS; a rate of 0 limits nothing.

    Whoever took a turn says with `charge` how long the call took.

    This is the generic cell rate algorithm, with a line in front of it.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._spent_until: dict[str, float] = {}  # by user: monotonic seconds at which all earlier calls are made good
        self._lock = Lock()

    def take_turn(self, user_id: str, *, longest: float) -> float:
        """Take the user's next turn: the seconds until it, 0 for now.

        Raises TooManyCalls, and takes none, where it is more than `longest` seconds away.
        """
        if not self._rate:
            return 0.0
        now = time.monotonic()
        with self._lock:
            if len(self._spent_until) > _MANY_USERS:
                self._spent_until = {user: until for user, until in self._spent_until.items() if until > now}
            until = self._until(user_id, now)
            seconds = max(0.0, until - now - BURST_SECONDS)
            if seconds > longest:
                raise TooManyCalls(seconds)
            self._spent_until[user_id] = until + 1 / self._rate
        return seconds

    def charge(self, user_id: str, seconds: float) -> None:
        """A call occupied a thread for so long: the user's next turns come later, where it was more than its share."""
        if not self._rate:
            return
        beyond = min(seconds / THREAD_SHARE, DEAREST_SECONDS) - 1 / self._rate
        if beyond > 0:
            with self._lock:
                self._spent_until[user_id] = self._until(user_id, time.monotonic()) + beyond

    def _until(self, user_id: str, now: float) -> float:
        return max(self._spent_until.get(user_id, now), now)
