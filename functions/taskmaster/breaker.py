"""A breaker: a host that was slow lately is not given every thread, so that it holds up nobody else."""

import time
from collections import Counter
from threading import Lock

TROUBLE_SECONDS = 30.0  # how long a slow answer is remembered
MOST_IN_TROUBLE = 2  # calls at once to a host in trouble
MOST_AT_ONCE = 16  # calls at once to any one host


class Breaker:
    """Of one process, for all hosts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_flight: Counter[str] = Counter()
        self._troubled: dict[str, float] = {}

    def enter(self, host: str) -> bool:
        """Whether the host may be called now; if so, `leave` must follow."""
        with self._lock:
            troubled = self._troubled.get(host, 0.0) > time.monotonic()
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
                self._troubled = {name: until for name, until in self._troubled.items() if until > now}
                self._troubled[host] = now + TROUBLE_SECONDS
            else:
                self._troubled.pop(host, None)
