"""What each function did: how often it was called and woken, how long that took, how long it slept."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

# Enough for a median; a stand-in that runs for weeks must not grow.
_SAMPLES = 10_000


@dataclass(frozen=True)
class FunctionReport:
    """One function's row; medians are None until there is something to take them of."""

    invocations: int
    # Pods that were started because somebody waited.
    cold_starts: int
    # From the arrival of the request to the head of its answer.
    median_cold_ms: float | None
    median_warm_ms: float | None
    seconds_awake: float
    seconds_at_zero: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Statistics:
    """Collects for one function, from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._awake_since: float | None = None
        self._awake = 0.0
        self._invocations = 0
        self._cold_starts = 0
        self._cold: deque[float] = deque(maxlen=_SAMPLES)
        self._warm: deque[float] = deque(maxlen=_SAMPLES)

    def invoked(self, seconds: float, *, cold: bool) -> None:
        with self._lock:
            self._invocations += 1
            (self._cold if cold else self._warm).append(seconds * 1000)

    def cold_start(self) -> None:
        with self._lock:
            self._cold_starts += 1

    def pods(self, count: int) -> None:
        """Told at every change of the number of pods, those that start or drain included."""
        now = time.monotonic()
        with self._lock:
            if count and self._awake_since is None:
                self._awake_since = now
            elif not count and self._awake_since is not None:
                self._awake += now - self._awake_since
                self._awake_since = None

    def report(self) -> FunctionReport:
        now = time.monotonic()
        with self._lock:
            awake = self._awake + (now - self._awake_since if self._awake_since is not None else 0)
            return FunctionReport(
                invocations=self._invocations,
                cold_starts=self._cold_starts,
                median_cold_ms=_median(self._cold),
                median_warm_ms=_median(self._warm),
                seconds_awake=round(awake, 1),
                seconds_at_zero=round(now - self._since - awake, 1),
            )


def _median(samples: deque[float]) -> float | None:
    return round(statistics.median(samples), 1) if samples else None
