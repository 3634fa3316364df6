"""Records of the topics as a story knows them: whose event each is, and where it lies."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from taskmaster.broker.window import read_window
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.events import routes
from taskmaster.events.outgoing import OURS
from taskmaster.settings import Settings

QUIET = timedelta(minutes=10)  # after the last event of a story: what comes later is another one, or asked for
_SKEW = timedelta(seconds=10)  # between the clocks of those who make ids and of the broker
_PASSES = 4  # over the topics: each may find the name of an earlier part of the story


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one copy of an event lies. `at` is real time, UTC."""

    topic: str
    partition: int
    offset: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(slots=True, kw_only=True)
class Event:
    """One event, with every place where it was seen; a repeat of it is the same event. None: it waits in the outbox."""

    id: str
    type: str
    source: str
    user_id: str
    correlation: str
    cause: str  # the id of the event that was being handled; '' where it was a call, or nobody says
    subject: str
    traceparent: str
    data: bytes
    places: list[Place] = field(default_factory=list)
    waits_since: datetime | None = None
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def function(self) -> str:
        """The function of ours that says it; '' for somebody else's."""
        return self.source.removeprefix(OURS) if self.source.startswith(OURS) else ""

    @property
    def at(self) -> datetime | None:
        """When it was seen first, real time."""
        return min((place.at for place in self.places), default=self.waits_since)

    @property
    def is_whole(self) -> bool:
        """Whether it was seen itself, and not only as a dead letter."""
        return bool(self.places) or self.waits_since is not None


@dataclass(slots=True)
class Names:
    """By what the parts of a story are known."""

    correlations: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)  # tasks/17
    _encoded: set[bytes] | None = None

    @property
    def count(self) -> int:
        return len(self.correlations | self.events | self.subjects)

    def may_concern(self, record: Any) -> bool:
        """Whether a look at a record is worth it: most are of other stories, and this is cheaper than reading them."""
        values = {value for _, value in record.headers}
        if not values.isdisjoint(self._written):
            return True
        return not any(name.lower() == "ce_specversion" for name, _ in record.headers)

    @property
    def _written(self) -> set[bytes]:
        """The names as headers have them."""
        if self._encoded is None or len(self._encoded) != self.count:
            self._encoded = {each.encode() for each in (*self.correlations, *self.events, *self.subjects)}
        return self._encoded

    def take(self, event: Event) -> bool:
        """Whether an event is of the story; its correlation then is, too."""
        known = event.correlation in self.correlations or event.id in self.correlations
        if known or event.id in self.events or event.subject in self.subjects:
            if event.correlation and event.user_id != "taskmaster":  # of what the pack says to itself there is no story
                self.correlations.add(event.correlation)
            return True
        return False


def made_at(identifier: str) -> datetime | None:
    """When an id was made, if it is a UUIDv7 (RFC 9562, 5.7)."""
    try:
        parsed = UUID(identifier)
    except ValueError:
        return None
    if parsed.version != 7:
        return None
    return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC)


def read_events(settings: Settings, names: Names, *, since: datetime | None, until: datetime | None) -> list[Event]:
    """The events of a story, in the order in which they were first seen. `names` grows by what they are known by.

    Topics are read from `since` until QUIET after the last event found; with `until`, up to that moment at least.
    Raises kafka's errors and OSError.
    """
    found: dict[tuple[str, str], Event] = {}
    for _ in range(_PASSES):
        before = names.count
        start = min([each for each in (since, *map(made_at, names.correlations)) if each], default=None)
        found = _pass(settings, names, start - _SKEW if start else None, until)
        if names.count == before:
            break
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(found.values(), key=lambda each: each.at or never)


def _pass(
    settings: Settings, names: Names, start: datetime | None, until: datetime | None
) -> dict[tuple[str, str], Event]:
    found: dict[tuple[str, str], Event] = {}
    last = max(until or start, start) if start else None
    letters = settings.topic(routes.DEAD_LETTERS)

    def is_over(record: Any) -> bool:
        return last is not None and record.timestamp > (last + QUIET).timestamp() * 1000

    for record in read_window(settings, map(settings.topic, routes.TOPICS), since=start, is_over=is_over):
        if not names.may_concern(record):
            continue
        event = event_of(record, is_letter=record.topic == letters)
        if not names.take(event):
            continue
        place = Place(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        )
        if last is not None:
            last = max(last, place.at)
        known = found.setdefault((event.source, event.id), event)
        if record.topic == letters:
            known.letters.append(DeadLetter.read(record))
        else:
            if not known.is_whole:  # a letter of it came first
                known.data, known.cause, known.subject = event.data, event.cause, event.subject
            known.places.append(place)
    return found


def event_of(record: Any, *, is_letter: bool = False) -> Event:
    """The event that a record is, whatever it holds: a CloudEvent, the original envelope, or neither."""
    said = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    if "ce_specversion" in said:
        attrs = {name.removeprefix("ce_"): value for name, value in said.items()}
        if is_letter and attrs.get("type") == "dev.knative.kafka.event":
            return _enveloped(record, attrs.get("source", ""), f"{attrs.get('id', '')}@{attrs.get('time', '')}")
    else:
        return _enveloped(record, "", f"partition:{record.partition}/offset:{record.offset}@{_knative_time(record)}")
    return _event(attrs, record.value or b"")


def _knative_time(record: Any) -> str:
    """The time that a KafkaSource gives to a record that is no CloudEvent: RFC 3339 as Go writes it."""
    text = datetime.fromtimestamp(record.timestamp / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def _enveloped(record: Any, source: str, position: str) -> Event:
    """The event in the original envelope: known by its event_id, or by its place."""
    try:
        envelope = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        envelope = {}
    envelope = envelope if isinstance(envelope, dict) else {}
    metadata: Any = envelope.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    attrs = {
        "id": envelope.get("event_id") or position,
        "type": envelope.get("event_type"),
        "source": metadata.get("source") or source,
        "userid": envelope.get("user_id"),
        "correlationid": envelope.get("correlation_id"),
        "traceparent": metadata.get("trace_id"),
    }
    return _event({name: text for name, text in attrs.items() if isinstance(text, str)}, record.value or b"")


def _event(attrs: dict[str, str], data: bytes) -> Event:
    identifier = attrs.get("id", "")
    return Event(
        id=identifier,
        type=attrs.get("type", ""),
        source=attrs.get("source", ""),
        user_id=attrs.get("userid", ""),
        correlation=attrs.get("correlationid") or identifier,
        cause=attrs.get("causationid", ""),
        subject=attrs.get("subject", ""),
        traceparent=attrs.get("traceparent", ""),
        data=data,
    )


def waiting(rows: Iterable[tuple[dict[str, str], list[str], datetime]]) -> list[Event]:
    """The events of rows of the outbox, which no topic has yet."""
    events = []
    for headers, _, since in rows:
        event = _event({name.removeprefix("ce_"): value for name, value in headers.items()}, b"")
        event.waits_since = since.astimezone(UTC)
        events.append(event)
    return events
