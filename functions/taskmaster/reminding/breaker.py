"""A circuit breaker: a receiver that is slow several times is called by fewer threads, then by one, then after pauses.

One slow answer does not count: this process may have waited for its processor. Calls that were slow at the same time
count as one, and a receiver that is slow but answers is never paused. A refused call gets a time to try again, each one
a little after the one before, so that the waiting calls do not all come at once.
"""

import random
import time
from dataclasses import dataclass, field
from threading import Lock

SLOW_SECONDS = 2.0  # from here on a call is slow, also while it is still under way
SLOW_IN_A_ROW = 3  # slow calls, one after the other, after which there is trouble, until one is not slow
MOST_IN_TROUBLE = 2  # calls at once where there is trouble
HOPELESS_IN_A_ROW = 6  # slow calls in vain after which there is one call at a time, and a pause behind each
MOST_AT_ONCE = 24  # calls at once: half of what a KafkaSource has under way
PAUSE_SECONDS = (15.0, 300.0)  # the first pause, doubled by each further slow call; the longest
REMEMBERED_SECONDS = 60.0  # how long slow calls are remembered, at least
SOONEST_SECONDS = 1.0  # until something that was refused comes again
LATEST_SECONDS = 3600.0
_PACE_SECONDS = 0.02  # between two of those that come again, at least
_GUESS_SECONDS = 1.0  # that a call takes, before one has ended


@dataclass(slots=True)
class _Known:
    """The state of one key. Seconds are monotonic."""

    under_way: list[tuple[float, str]] = field(default_factory=list)  # since when, and for whom
    slow: int = 0  # in a row; several for the same user count once
    slow_for: set[str] = field(default_factory=set)
    in_vain: int = 0  # of these, since the last good answer
    noted: float = 0.0  # when the last of them was counted
    until: float = 0.0  # that counts
    not_before: float = 0.0  # the end of a pause
    queue: float = 0.0  # when the last of those that were refused comes again
    took: float = 0.0  # seconds of a call, of late


class Breaker:
    """Of one process. A key is a host, a user, or a channel of a user."""

    def __init__(self, *, most: int = MOST_AT_ONCE, watches: bool = True) -> None:
        """`watches` says whether slow calls count: without it only the limit counts."""
        self._most = most
        self._watches = watches
        self._lock = Lock()
        self._known: dict[str, _Known] = {}

    def enter(self, key: str, *, by: str = "") -> bool:
        """Whether a call may begin now; if so, `leave` must follow.

        `by` is the user: a host counts as slow when it is slow for several users, since one may own a slow receiver.
        """
        with self._lock:
            if not self._has_room(key):
                return False
            self._known.setdefault(key, _Known()).under_way.append((time.monotonic(), by))
            return True

    def leave(self, key: str, *, slow: bool | None, in_vain: bool = True, by: str = "") -> None:
        """A call has ended; `slow` is None where it was not made. `in_vain`: it had no good answer."""
        with self._lock:
            now = time.monotonic()
            known = self._known[key]
            since = next(each for each in known.under_way if each[1] == by)
            known.under_way.remove(since)
            if slow is not None:
                took = now - since[0]
                known.took = took if not known.took else 0.7 * known.took + 0.3 * took
            if slow and self._watches:
                self._note_slow(known, by, now, since=since[0], in_vain=in_vain)
            elif slow is not None:
                known.slow, known.in_vain, known.not_before = 0, 0, 0.0
                known.slow_for.clear()
            self._forget(now)

    def has_room(self, key: str) -> bool:
        """Whether `enter` would let a call begin, were it asked now."""
        with self._lock:
            return self._has_room(key)

    def is_in_trouble(self, key: str) -> bool:
        """Whether slow calls, and not many quick ones, are what leaves less room than there is otherwise."""
        with self._lock:
            known, now = self._known.get(key), time.monotonic()
            return known is not None and (now < known.not_before or self._allowed(known, now) < self._most)

    def seconds_until(self, key: str) -> float:
        """Seconds after which a refused call may try again. Each caller gets a later moment than the one before."""
        with self._lock:
            now = time.monotonic()
            known = self._known.setdefault(key, _Known())
            moment = max(now + SOONEST_SECONDS, known.not_before, known.queue)
            takes = max([known.took or _GUESS_SECONDS, *(now - since for since, _ in known.under_way)])
            pace = max(takes / self._allowed(known, now), _PACE_SECONDS)
            known.queue = min(moment + pace, now + LATEST_SECONDS)
            if moment >= now + LATEST_SECONDS / 2:
                return random.uniform(LATEST_SECONDS / 2, LATEST_SECONDS)
            return moment - now

    def _has_room(self, key: str) -> bool:
        known, now = self._known.get(key), time.monotonic()
        return known is None or (now >= known.not_before and len(known.under_way) < self._allowed(known, now))

    def _allowed(self, known: _Known, now: float) -> int:
        if not self._watches:
            return self._most
        stuck_for = [by for since, by in known.under_way if now - since > SLOW_SECONDS]
        stuck = len({by for by in stuck_for if by}) + stuck_for.count("")
        slow, in_vain = (known.slow, known.in_vain) if known.until > now else (0, 0)
        if in_vain + stuck >= HOPELESS_IN_A_ROW:
            return min(1, self._most)
        return min(MOST_IN_TROUBLE if slow + stuck >= SLOW_IN_A_ROW else self._most, self._most)

    def _note_slow(self, known: _Known, by: str, now: float, *, since: float, in_vain: bool) -> None:
        if known.until <= now:
            known.slow = known.in_vain = 0
            known.slow_for.clear()
        if by not in known.slow_for if by else since >= known.noted:
            known.slow += 1
            known.in_vain = known.in_vain + 1 if in_vain else 0
            known.slow_for.add(by)
            known.noted = now
        first, longest = PAUSE_SECONDS
        beyond = known.in_vain - HOPELESS_IN_A_ROW
        pause = min(first * 2.0 ** min(beyond, 10), longest) if beyond >= 0 else 0.0
        known.not_before = now + pause
        known.until = now + max(2 * pause, REMEMBERED_SECONDS)

    def _forget(self, now: float) -> None:
        """Drop the keys whose state no longer matters, where there are many."""
        if len(self._known) > 1000:
            self._known = {
                key: known
                for key, known in self._known.items()
                if known.under_way or max(known.until, known.queue) > now
            }
