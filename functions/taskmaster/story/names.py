"""By what the parts of a story are known, and when they were made."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from taskmaster.events.cloudevent import WRAPPED
from taskmaster.events.outgoing import ENCODED
from taskmaster.story.event import Event

_WRAPPED = WRAPPED.encode()
_AS_IT_IS = (b"\x1cce_specversion",)  # a CloudEvent in binary mode has this header, behind its length
_PACK = "taskmaster"  # the user of what the pack says to itself


@dataclass(slots=True)
class Names:
    """The names of a story; it grows by the events that turn out to be of it."""

    correlations: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)  # tasks/17
    causes: set[str] = field(default_factory=set)  # ids of events that others of the story say they follow from
    _written: set[bytes] = field(default_factory=set)  # the names as headers have them
    _written_count: int = 0
    _sought: tuple[bytes, ...] = ()  # these, and what says that a record is to be looked into

    @property
    def count(self) -> int:
        return len(self.correlations) + len(self.events) + len(self.subjects)

    @property
    def moments(self) -> Iterator[datetime]:
        """When something of the story was made, as far as its ids say: real time, UTC."""
        for name in self.correlations | self.events | self.causes:
            if moment := made_at(name):
                yield moment

    def may_concern(self, record: Any) -> bool:
        """Whether a look at a record is worth it: most are of other stories, and this is cheaper than reading them."""
        if self._written_count != self.count:
            names = (*self.correlations, *self.events, *self.subjects)
            self._written, self._written_count = {each.encode("utf-8", "replace") for each in names}, self.count
            self._sought = (*self._written, ENCODED.encode(), _WRAPPED)
        # The bytes of its headers tell of most that it is of another story: a CloudEvent as it is, without our names.
        holds_none: Callable[[Iterable[bytes]], bool] | None = getattr(record, "holds_none", None)
        if holds_none is not None and holds_none(self._sought) and not holds_none(_AS_IT_IS):
            return False
        if any(value in self._written for _, value in record.headers):
            return True
        headers = {name.lower(): value for name, value in record.headers}
        if "ce_specversion" not in headers or f"ce_{ENCODED}" in headers:
            return True  # what it is known by is in its value, or written in another way
        return headers.get("ce_type") == _WRAPPED

    def take(self, event: Event) -> bool:
        """Whether an event is of the story; its correlation then is, too."""
        known = event.correlation in self.correlations or event.id in self.correlations
        if known or event.id in self.events or event.subject in self.subjects:
            if event.correlation and event.user_id != _PACK:  # of what the pack says to itself there is no story
                self.correlations.add(event.correlation)
            if event.cause:
                self.causes.add(event.cause)
            return True
        return False


def made_at(identifier: str) -> datetime | None:
    """When an id was made, real time, UTC; None where it is no UUIDv7 (RFC 9562, 5.7), or of no year that there is."""
    try:
        parsed = UUID(identifier)
        return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC) if parsed.version == 7 else None
    except (ValueError, OverflowError):
        return None
