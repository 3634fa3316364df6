"""Which offset of a partition may be committed, when its records are finished in any order."""

from __future__ import annotations

import threading
from collections import deque


class OffsetTracker:
    """Follows one partition. What may be committed is what lies before the first record that is not finished.

    Offsets may have gaps (compaction, transaction markers), so the order of arrival counts, not the numbers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unfinished: deque[int] = deque()
        self._finished: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None

    def received(self, offset: int) -> None:
        with self._lock:
            self._unfinished.append(offset)

    def finished(self, offset: int) -> None:
        with self._lock:
            self._finished.add(offset)
            while self._unfinished and self._unfinished[0] in self._finished:
                self._next = self._unfinished.popleft() + 1
                self._finished.discard(self._next - 1)

    def to_commit(self) -> int | None:
        """The offset to resume from, unless it is committed already."""
        with self._lock:
            return self._next if self._next != self._committed else None

    def committed(self, offset: int) -> None:
        with self._lock:
            self._committed = offset
