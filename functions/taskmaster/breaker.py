"""A breaker: a host that is slow again and again is not given every thread, so that it holds up nobody else.

One slow answer says nothing: this process may have waited for its processor. Many users share a host, such as that of a
chat, so while it answers it may have half of the threads that send-reminder has.
"""

import time
from collections import Counter
from threading import Lock

TROUBLE_SECONDS = 30.0  # how long slow answers are remembered
SLOW_IN_A_ROW = 3  # answers after which a host is in trouble, until one is not slow
MOST_IN_TROUBLE = 2  # calls at once to a host in trouble
MOST_AT_ONCE = 32  # calls at once to any one host


class Breaker:
    """Of one process, for all hosts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_flight: Counter[str] = Counter()
        self._slow: dict[str, tuple[int, float]] = {}  # by host: slow answers in a row, and until when that counts

    def enter(self, host: str) -> bool:
        """Whether the host may be called now; if so, `leave` must follow."""
        with self._lock:
            in_a_row, until = self._slow.get(host, (0, 0.0))
            troubled = in_a_row >= SLOW_IN_A_ROW and until > time.monotonic()
            if self._in_flight[host] >= (MOST_IN_TROUBLE if troubled else MOST_AT_ONCE):
                return False
            self._in_flight[host] += 1
            return True

    def leave(self, host: str, *, slow: bool) -> None:
        with self._lock:
            self._in_flight[host] -= 1
            if not self._in_flight[host]:
                del self._in_flight[host]
            if slow:
                now = time.monotonic()
                self._slow = {name: known for name, known in self._slow.items() if known[1] > now}
                self._slow[host] = self._slow.get(host, (0, now))[0] + 1, now + TROUBLE_SECONDS
            else:
                self._slow.pop(host, None)
