"""Where on the topics a story is looked for: spans of time, each read once unless it turns out to be longer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

QUIET = timedelta(minutes=10)  # after the last event that was found: what comes later is looked for by itself
_SKEW = timedelta(seconds=10)  # between the clocks of those who make ids and of the broker
_KEPT = 100_000  # records that a look keeps for the next turn, undecoded: about 100 MB
NEVER = datetime.max.replace(tzinfo=UTC)


class Reader(Protocol):
    """What is used of broker.transport.TopicReader."""

    def read(self, *, since: datetime | None, is_over: Callable[[Any], bool]) -> Iterator[Any]: ...


@dataclass(slots=True, kw_only=True)
class Look:
    """Records with timestamps from `since` (None: the oldest) to `until`, which an event that is found moves on."""

    since: datetime | None = None
    until: datetime = NEVER
    is_fixed: bool = False  # whether it ends at `until` whatever is found: another look begins there
    names: int = 0  # how many names the story had when the records were last compared with them
    _read_until: datetime | None = None  # where the first partition ended; None before it was read
    _kept: list[Any] | None = field(default_factory=list)  # None: they are too many

    @classmethod
    def around(cls, moment: datetime) -> "Look":
        return cls(since=moment - _SKEW, until=moment + QUIET)

    @property
    def is_whole(self) -> bool:
        """Whether every partition was read as far as it goes by now."""
        return self._read_until is not None and self._read_until >= self.until

    @classmethod
    def before(cls, looks: "list[Look]") -> "Look":
        """From the oldest record to where the first of these begins."""
        return cls(until=min(look.since or NEVER for look in looks), is_fixed=True)

    def covers(self, moment: datetime) -> bool:
        return (self.since is None or self.since <= moment) and moment <= self.until

    def go_on_after(self, moment: datetime) -> None:
        """There is an event of the story at this moment, and what follows from it comes later."""
        if not self.is_fixed:
            self.until = max(self.until, min(moment, NEVER - QUIET) + QUIET)

    def records(self, topics: Reader) -> Iterator[Any]:
        """Its records, as they were kept if they are. Raises Unreadable and TimeoutError."""
        if self._kept is not None and self.is_whole:
            yield from self._kept
            return
        kept: list[Any] = []
        self._read_until = NEVER
        for record in topics.read(since=self.since, is_over=self._is_over):
            if len(kept) <= _KEPT:
                kept.append(record)
            yield record
        self._kept = kept if len(kept) <= _KEPT else None

    def _is_over(self, record: Any) -> bool:
        if record.timestamp <= self.until.timestamp() * 1000:
            return False
        self._read_until = min(self._read_until or NEVER, self.until)
        return True
