"""What daprd delivers for a rawPayload subscription, and the record or event in it.

daprd wraps the value into an envelope, whose id is new each time and means nothing, and puts the record's headers into
headers of the request. On Kafka their values are escaped (escapeHeaders), and the position is there; on Redis neither
is so. The record's content type is lost on both: `ce_datacontenttype` has it where a producer gives one.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus

from knative_delivery.cloud_event import WRAPPED_TYPE, CloudEvent, from_record
from taskmaster.errors import TaskmasterError
from taskmaster.events import header_values

STRUCTURED = "application/cloudevents+json"
JSON = "application/json"
_CONTENT_TYPE = "ce_datacontenttype"
_POSITION = ("knativekafkapartition", "knativekafkaoffset")
# Of the request itself, or of Dapr's own making: not headers of the record.
_NOT_OF_THE_RECORD = frozenset({
    "accept-encoding", "connection", "content-length", "content-type", "dapr-api-token", "host", "partitionkey",
    "pubsubname", "rawpayload", "transfer-encoding", "user-agent",
})  # fmt: skip


class NotDelivered(TaskmasterError):
    """The request is not what daprd sends for a rawPayload subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as a consumer would have read it; on Redis it has no position: `offset` is -1."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes]]

    @property
    def has_position(self) -> bool:
        return self.offset >= 0


def record(topic: str, headers: Mapping[str, str], body: bytes) -> Record:
    """The record in one request of daprd's; `headers` have lower-case names and Latin-1 values. Raises NotDelivered."""
    value = _value(body)
    is_on_kafka = "__offset" in headers
    read = _unescaped if is_on_kafka else _as_it_is
    own = {
        name: read(text)
        for name, text in headers.items()
        if name not in _NOT_OF_THE_RECORD and not name.startswith("__")
    }
    content_type = own.pop(_CONTENT_TYPE, b"") or _guessed(own, value)
    key = headers.get("__key" if is_on_kafka else "partitionkey")
    return Record(
        topic=topic,
        partition=_number(headers.get("__partition"), 0),
        offset=_number(headers.get("__offset"), -1),
        timestamp=_number(headers.get("__timestamp"), 0),
        key=None if key is None else read(key),
        value=value,
        headers=[*own.items(), *([("content-type", content_type)] if content_type else [])],
    )


def event(record: Record, *, namespace: str, function: str) -> CloudEvent:
    """The event that the KafkaSource of this function sends for the record; on Redis without a position.

    There a record that is no CloudEvent is known by its bytes, and has no time: only the envelope inside can say more.
    """
    made = from_record(record, namespace=namespace, name=function)
    if record.has_position:
        return made
    made = without_position(made)
    if made.attributes["type"] != WRAPPED_TYPE:
        return made
    known = {name: text for name, text in made.attributes.items() if name not in ("subject", "time")}
    bytes_of_it = sha256(len(record.key or b"").to_bytes(4) + (record.key or b"") + record.value)
    return CloudEvent({**known, "id": f"sha256:{bytes_of_it.hexdigest()}"}, made.content_type, made.data)


def without_position(event: CloudEvent) -> CloudEvent:
    """The event without its place on Kafka, by which a function knows values that are not percent-encoded."""
    kept = {name: text for name, text in event.attributes.items() if name not in _POSITION}
    return CloudEvent(kept, event.content_type, event.data)


def encoded(event: CloudEvent) -> dict[str, bytes]:
    """The headers of an event without a position, as HTTP has them (CloudEvents HTTP binding, 3.1.3.2)."""
    headers = {f"ce-{name}": header_values.sent(text).replace('"', "%22") for name, text in event.attributes.items()}
    if event.content_type and event.content_type.isascii() and event.content_type.isprintable():
        headers["content-type"] = event.content_type
    return {name: text.encode("ascii") for name, text in headers.items()}


def _value(body: bytes) -> bytes:
    try:
        envelope: Any = json.loads(body)
        return b64decode(envelope["data_base64"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise NotDelivered("this is no event of a subscription with rawPayload") from None


def _guessed(headers: Mapping[str, bytes], value: bytes) -> bytes:
    """The content type that the record had, by what is left of it; JSON is what all functions take."""
    if any(name.startswith("ce_") for name in headers):
        return JSON.encode()
    try:
        members = json.loads(value)
    except (ValueError, RecursionError):
        return b""
    return STRUCTURED.encode() if isinstance(members, dict) and "specversion" in members else b""


def _unescaped(text: str) -> bytes:
    """Go's url.QueryEscape undone."""
    return unquote_plus(text, encoding="latin-1").encode("latin-1")


def _as_it_is(text: str) -> bytes:
    return text.encode("latin-1")


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else default
