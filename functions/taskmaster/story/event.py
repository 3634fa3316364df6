"""An event of a story, and how a record is read as one, whatever it holds."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.events.cloudevent import WRAPPED
from taskmaster.events.outgoing import OURS

_LAST_MS = 253_402_300_799_000  # the last second of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one copy of an event lies. `at` is the record's timestamp: real time, UTC."""

    topic: str
    partition: int
    offset: int | str
    at: datetime

    @classmethod
    def of(cls, record: Any) -> "Place":
        return cls(topic=record.topic, partition=record.partition, offset=record.offset, at=_moment(record))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(slots=True, kw_only=True)
class Event:
    """One event, with every place where it was seen; a repeat of it is the same event."""

    id: str
    type: str
    source: str  # '' where a record that is no CloudEvent says none
    user_id: str
    correlation: str
    cause: str  # the id of the event that was being handled; '' where it was a call, or nobody says
    subject: str
    traceparent: str
    data: bytes
    places: list[Place] = field(default_factory=list)
    waits_since: datetime | None = None  # in the outbox, real time; None: it does not wait there
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it one event (CloudEvents 1.0.2, section 3.1: source and id)."""
        return self.source, self.id

    @property
    def function(self) -> str:
        """The function of ours that says it; '' for somebody else's."""
        return self.source.removeprefix(OURS) if self.source.startswith(OURS) else ""

    @property
    def task_id(self) -> int | None:
        """The task that an event of ours is about; None where it says none."""
        kind, _, number = self.subject.partition("/")
        return int(number) if self.function and kind == "tasks" and number.isdecimal() else None

    @property
    def at(self) -> datetime | None:
        """When it was seen first, real time; None where only a dead letter of it is left."""
        return min((place.at for place in self.places), default=self.waits_since)

    @property
    def is_whole(self) -> bool:
        """Whether it was seen itself, and not only as a dead letter."""
        return bool(self.places) or self.waits_since is not None


def of_record(record: Any) -> Event:
    """The event of a record on a topic of ours: a CloudEvent, the original envelope, or neither."""
    headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    value = record.value or b""
    if "ce_specversion" in headers:
        return of_attributes(_attributes(headers), value)
    return _of_envelope(f"partition:{record.partition}/offset:{record.offset}@{_knative_time(record)}", value)


def of_letter(letter: DeadLetter) -> Event:
    """The event that a dead letter is about. Raises nothing: whatever could not be handled may lie there."""
    attributes = letter.attributes
    if "specversion" not in attributes or attributes.get("type") == WRAPPED:
        return _of_envelope(f"{attributes.get('id', '')}@{attributes.get('time', '')}", letter.value)
    return of_attributes(attributes, letter.value)


def of_headers(headers: dict[str, str], *, waits_since: datetime) -> Event:
    """The event of a row of the outbox, which no topic has yet."""
    event = of_attributes(_attributes(headers), b"")
    event.waits_since = waits_since.astimezone(UTC)
    return event


def of_attributes(attributes: dict[str, str], data: bytes) -> Event:
    """The event of a CloudEvent's attributes, names without a prefix. One without a correlation begins one."""
    identifier = attributes.get("id", "")
    return Event(
        id=identifier,
        type=attributes.get("type", ""),
        source=attributes.get("source", ""),
        user_id=attributes.get("userid", ""),
        correlation=attributes.get("correlationid") or identifier,
        cause=attributes.get("causationid", ""),
        subject=attributes.get("subject", ""),
        traceparent=attributes.get("traceparent", ""),
        data=data,
    )


def _attributes(headers: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("ce_"): value for name, value in headers.items()}


def _of_envelope(position: str, value: bytes) -> Event:
    """The event in the original envelope: known by its event_id, or by its position on the topic.

    Where it names no source, its KafkaSource has given it one that no record on the topic has, so it is left empty.
    """
    try:
        envelope = json.loads(value)
    except (ValueError, RecursionError):
        envelope = {}
    envelope = envelope if isinstance(envelope, dict) else {}
    metadata: Any = envelope.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    attributes = {
        "id": envelope.get("event_id") or position,
        "type": envelope.get("event_type"),
        "source": metadata.get("source"),
        "userid": envelope.get("user_id"),
        "correlationid": envelope.get("correlation_id"),
        "traceparent": metadata.get("trace_id"),
    }
    return of_attributes({name: text for name, text in attributes.items() if isinstance(text, str)}, value)


def _knative_time(record: Any) -> str:
    """The time that a KafkaSource gives to a record that is no CloudEvent: RFC 3339 as Go writes it."""
    text = _moment(record).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def _moment(record: Any) -> datetime:
    """A record's timestamp, which whoever produced it chose; what is no year that there is becomes the nearest one."""
    return datetime.fromtimestamp(min(max(record.timestamp, 0), _LAST_MS) / 1000, UTC)
