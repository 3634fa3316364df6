"""A dead letter: what a record on the topic dead-letters says, which event it is, and that event for its mailbox.

Without I/O. Whatever a record holds, reading it raises nothing: every event that could not be handled is on that topic.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.events import cloudevent, header_values
from taskmaster.events.cloudevent import Malformed
from taskmaster.events.outgoing import ENCODED, MISNAMED, UNDECODED, Outgoing, key_of
from taskmaster.events.routes import mailbox_of
from taskmaster.handling.idempotency import arrival_key, came_as, digest, event_key, is_same

# Attributes that KafkaSource and park-dead-letter add to an event that failed; they replace those of the same name.
_ERROR = {
    "knativeerrordest": "destination",
    "knativeerrorcode": "code",
    "knativeerrordata": "answer",
    "reason": "reason",
}
_POSITION = ("knativekafkapartition", "knativekafkaoffset")  # in its mailbox; a replayed record has another one
_KEPT_OF_AN_ANSWER = 1024  # bytes, by KafkaSource
_REPLAYED = "replay-dead-letter"  # the function in the inbox rows that say which dead letters were replayed


class ConsumerRecord(Protocol):
    """What is used of a consumer's record."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int | str: ...
    @property
    def timestamp(self) -> int: ...  # milliseconds since 1970
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One record of the topic.

    `type`, `id`, `user_id` and `task_id` are those of the event that its producer meant: of a wrapped record, those
    inside. `attributes` are those that its function received, without its position and the reason of its failure.
    """

    position: str  # partition/offset on dead-letters
    parked_at: datetime  # real time, UTC
    function: str  # that failed; '' where the record does not say
    attributes: dict[str, str]
    content_type: str
    value: bytes
    error: dict[str, str]
    type: str
    id: str
    user_id: str
    task_id: int | None
    keys: tuple[InboxKey, ...]  # its rows in the inbox, if it has an identity: that of the event is the last
    undecoded: tuple[str, ...]  # attributes that are no percent-encoded UTF-8 and are kept as received
    marker: InboxKey  # of the row that says that this dead letter was replayed

    @classmethod
    def read(cls, record: ConsumerRecord) -> Self:
        headers = [(name.lower(), (value or b"").decode("utf-8", "replace")) for name, value in record.headers]
        every = {name[3:]: value for name, value in headers if name.startswith("ce_")}
        every["content-type"] = dict(headers).get("content-type", "")
        for name in every.pop(ENCODED, "").split(","):
            if name in every:
                every[name] = header_values.restored(every[name])
        undecoded = tuple(filter(None, every.pop(UNDECODED, "").split(",")))
        content_type = every.pop("content-type")
        every = header_values.unlisted(every.pop(MISNAMED, "")) | every
        value = record.value or b""
        attributes = {name: text for name, text in every.items() if name not in (*_ERROR, *_POSITION)}
        error = {said: every[name] for name, said in _ERROR.items() if name in every}
        function = _function(error.get("destination", ""))
        meant, data = _meant(attributes, content_type, value)
        position = f"{record.partition}/{record.offset}"
        return cls(
            position=position,
            parked_at=datetime.fromtimestamp(min(max(record.timestamp, 0), _LAST_MS) / 1000, UTC),
            function=function,
            attributes=attributes,
            content_type=content_type,
            value=value,
            error=error,
            type=meant.get("type", ""),
            id=meant.get("id", ""),
            user_id=meant.get("userid", ""),
            task_id=_task_id(data),
            keys=() if undecoded else _keys(function, attributes, meant),
            undecoded=undecoded,
            marker=InboxKey(_REPLAYED, "", record.topic, f"{position}@{record.timestamp}"),
        )

    @property
    def event(self) -> InboxKey | None:
        """The key of the event; None for an event that has no identity, such as one without a user."""
        return self.keys[-1] if self.keys else None

    @property
    def identity(self) -> InboxKey | str:
        """The same for all dead letters of one event."""
        return self.event or self.position

    @property
    def code(self) -> int | None:
        """The status of the function's last answer; None where there was none, or the function sent it here itself."""
        text = self.error.get("code", "")
        return int(text) if text.isdecimal() else None

    @property
    def reason(self) -> str:
        """Why it failed, in one sentence."""
        if reason := self.error.get("reason") or _detail(self.answer[0]):
            return reason
        return f"status {self.code}" if self.code else "no answer"

    @property
    def answer(self) -> tuple[str, bool]:
        """The body of the answer, and whether KafkaSource cut it (it keeps 1,024 bytes)."""
        try:
            raw = base64.b64decode(self.error.get("answer", ""), validate=True)
        except (binascii.Error, ValueError):
            return self.error.get("answer", ""), False
        return raw.decode("utf-8", "replace"), len(raw) >= _KEPT_OF_AN_ANSWER

    @property
    def mailbox(self) -> str:
        """The topic, by the pack's own name for it, whose records wake its function."""
        return mailbox_of(self.function)

    @property
    def obstacle(self) -> str:
        """Why it cannot be replayed unchanged; '' where it can."""
        if not self.function:
            return "it does not say which function failed, so there is no telling its topic"
        if self.attributes.get("specversion") and cloudevent.media_type({"content-type": self.content_type}) == (
            cloudevent.STRUCTURED
        ):
            return "it says application/cloudevents+json and is none: correct it and produce it anew"
        if self.undecoded:
            return f"attribute {self.undecoded[0]} is not percent-encoded UTF-8: correct it and produce it anew"
        if misnamed := next((name for name in self.attributes if not header_values.is_name(name)), None):
            return f"{misnamed[:64]!r} is no name of an attribute: correct it and produce it anew"
        for name, value in {**self.attributes, "content-type": self.content_type}.items():
            if flaw := header_values.obstacle(value):
                return f"attribute {name} {flaw}: correct it and produce it anew"
        return ""

    def is_of(self, row: InboxRow) -> bool:
        """Whether an inbox row has the command of this dead letter. That of a structured event has other bytes."""
        if "specversion" not in self.attributes:
            return True
        return is_same(row, came_as(self.attributes, self.value), digest(self.value))

    def original_event(self, *, topic: str) -> Outgoing:
        """The event for its mailbox, with the id, source, type, user, time, key and data that its function received.

        A wrapped record is replayed as the event that KafkaSource made of it, position and time included: a plain
        record would be wrapped again, with another id, and be another command. Only where there is no `obstacle`.
        """
        headers = {f"ce_{name}": value for name, value in self.attributes.items()}
        if self.content_type:
            headers["content-type"] = self.content_type
        key = key_of({"userid": self.user_id, "id": self.id} | self.attributes)
        return Outgoing(key=key, topics=(topic,), headers=headers, value=self.value)


_LAST_MS = 253_402_300_799_000  # the last second of the year 9999


def _function(destination: str) -> str:
    """The NAME in http://NAME.NAMESPACE.svc.cluster.local/events, which KafkaSource writes; a function writes NAME."""
    try:
        host = urlsplit(destination).hostname or "" if "://" in destination else destination
    except ValueError:
        return ""
    return host.partition(".")[0]


def _meant(attributes: dict[str, str], content_type: str, value: bytes) -> tuple[dict[str, str], Any]:
    """The attributes and the data of the event that its producer meant; where it cannot be decoded, as received."""
    headers = {f"ce-{name}": header_values.sent(text) for name, text in attributes.items()}
    try:
        event = cloudevent.decode(headers | ({"content-type": content_type} if content_type else {}), value)
    except Malformed:
        return attributes, _json(value)
    return dict(event.get_attributes()), event.get_data()


def _keys(function: str, attributes: dict[str, str], meant: dict[str, str]) -> tuple[InboxKey, ...]:
    keys = []
    for inbox_key_of, attrs in ((arrival_key, attributes), (event_key, meant)):
        try:
            keys.append(inbox_key_of(function, attrs))
        except Malformed:
            continue
    return tuple(dict.fromkeys(keys))


def _task_id(data: Any) -> int | None:
    task_id = data.get("task_id") if isinstance(data, dict) else None
    return task_id if isinstance(task_id, int) and not isinstance(task_id, bool) else None


def _detail(answer: str) -> str:
    """The sentence of problem details (RFC 9457)."""
    problem = _json(answer.encode())
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""


def _json(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
