"""How often the sources of one broker ask it for records.

A broker answers a fetch when there are records, or when its wait is over. The embedded broker does not wake for a
record: it looks again within that wait, so a record is a tenth of a second late, at most a quarter. Soon after a record
a source therefore asks more often. A fetch takes up to a millisecond of the processor, which the functions need as
well: so the more sources are busy, the less often each of them asks.
"""

from __future__ import annotations

import time

IDLE_MS = 500
BUSY_MS = 15  # of a source that is busy with at most one other
_SHARE_MS = 7.5  # for each busy source: all together fetch no more than 133 times a second
_BUSY_SECONDS = 2.0  # after a record


class FetchPace:
    """Shared by the threads of all sources."""

    def __init__(self) -> None:
        self._busy_until: dict[str, float] = {}  # by source, monotonic seconds

    def note_records(self, source: str) -> None:
        """A fetch of this source brought records."""
        self._busy_until[source] = time.monotonic() + _BUSY_SECONDS

    def wait_ms(self, source: str) -> int:
        """How long the broker may wait for records of this source."""
        now = time.monotonic()
        if self._busy_until.get(source, 0.0) <= now:
            return IDLE_MS
        busy = sum(until > now for until in list(self._busy_until.values()))
        return max(BUSY_MS, int(busy * _SHARE_MS))
