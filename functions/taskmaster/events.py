"""CloudEvents on the wire: binary and structured HTTP in, binary Kafka out, and the original JSON envelope.

The binding is written against CloudEvents 1.0.2 (HTTP and Kafka protocol bindings) and against what Knative's
KafkaSource was seen to send. The cloudevents package gives the type; its own binding loses datacontenttype and
non-ASCII attributes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from pydantic_core import from_json

from taskmaster.ids import new_id
from taskmaster.routes import DEAD_LETTERS

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
PING = "dev.knative.sources.ping"
WRAPPED = "dev.knative.kafka.event"  # how KafkaSource hands over a record that is no CloudEvent
_FROM_KAFKA = "knativekafkaoffset"  # an attribute that it adds to every event

# The envelope of the original schema, field by field, as CloudEvents attributes.
_ENVELOPE = {
    "event_id": "id",
    "event_type": "type",
    "timestamp": "time",
    "user_id": "userid",
    "correlation_id": "correlationid",
}
_ENVELOPE_METADATA = {"source": "source", "trace_id": "traceparent"}
_REQUIRED = ("id", "source", "type")
_NAME = re.compile(r"[a-z0-9]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ATTRIBUTE_LIMIT = 2048


class Malformed(Exception):
    """What arrived is not an event. Retrying cannot help: an event door answers 400 and it goes to the dead letters."""


def is_event(headers: Mapping[str, str]) -> bool:
    return "ce-specversion" in headers or media_type(headers) == STRUCTURED


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def attributes(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The ce-* headers of a binary event, names without the prefix, percent-decoded (HTTP binding 3.1.3.2).

    KafkaSource encodes nothing, so what comes from one is taken as it is: its ids a%2Fb and a/b are two.
    """
    found = {name[3:].lower(): _utf8(value) for name, value in headers if name[:3].lower() == "ce-"}
    if _FROM_KAFKA in found:
        return found
    return {name: unquote(value) for name, value in found.items()}


def _utf8(value: str) -> str:
    """WSGI hands headers over as Latin-1 (PEP 3333), while KafkaSource puts UTF-8 there as it is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def decode(headers: Mapping[str, str], body: bytes) -> "CloudEvent":
    """The event of one HTTP request: `data` is the decoded JSON, or None where there is none.

    A wrapped record is unwrapped. Raises Malformed with a sentence for the sender.
    """
    if media_type(headers) == STRUCTURED and "ce-specversion" not in headers:
        return _structured(body)
    attrs = attributes(cast(Iterable[tuple[str, str]], headers.items()))
    if media_type(headers) == STRUCTURED:
        raise Malformed("the record says application/cloudevents+json but is not a CloudEvent in JSON")
    content_type = media_type(headers)
    if content_type and content_type != JSON and not content_type.endswith("+json"):
        raise Malformed(f"data must be {JSON}, not {content_type}")
    data = _json(body, "data") if body else None
    if attrs.get("type") == WRAPPED:
        return _unwrap(attrs, data)
    return _event(attrs, data)


def _structured(body: bytes) -> "CloudEvent":
    whole = _json(body, "the event")
    if not isinstance(whole, dict):
        raise Malformed("a structured event must be a JSON object")
    if "data_base64" in whole:
        raise Malformed("data must be JSON, not data_base64")
    data = whole.pop("data", None)
    attrs = {}
    for name, value in whole.items():
        if value is None:
            continue  # CloudEvents JSON format 3.1: null is the same as absent
        if not isinstance(value, str | int | bool):
            raise Malformed(f"attribute {name[:64]!r} must be a text, a number or a boolean")
        attrs[name] = str(value).lower() if isinstance(value, bool) else str(value)
    content_type = attrs.pop("datacontenttype", JSON).partition(";")[0].strip().lower()
    if content_type != JSON and not content_type.endswith("+json"):
        raise Malformed(f"datacontenttype must be {JSON}, not {content_type[:64]}")
    return _event(attrs, data)


def _unwrap(attrs: dict[str, str], envelope: Any) -> "CloudEvent":
    """The original JSON envelope inside a record, by the field table of docs/architecture.md."""
    if not isinstance(envelope, dict):
        raise Malformed("the record is neither a CloudEvent nor a JSON envelope with event_type, user_id and data")
    metadata = envelope.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Malformed("metadata must be an object")
    known = {
        **{attr: envelope.get(field) for field, attr in _ENVELOPE.items()},
        **{attr: metadata.get(field) for field, attr in _ENVELOPE_METADATA.items()},
    }
    for name, value in known.items():
        if value is not None and not isinstance(value, str):
            raise Malformed(f"the envelope's field for {name} must be a text")
    if not known["type"]:
        raise Malformed("the envelope has no event_type")
    unwrapped = {name: value for name, value in known.items() if value}
    # A record without an event_id is told from the next by its place; its time tells it from a topic made anew.
    unwrapped.setdefault("id", place(attrs))
    unwrapped.setdefault("source", attrs.get("source", ""))
    if not _TRACEPARENT.fullmatch(unwrapped.get("traceparent", "")):
        unwrapped.pop("traceparent", None)
    unwrapped["specversion"] = "1.0"
    unwrapped["wrapped"] = "true"
    return _event(unwrapped, envelope.get("data"))


def time_of(attrs: Mapping[str, str]) -> datetime | None:
    """When the event happened, if it says so; a time without an offset says nothing."""
    moment = datetime.fromisoformat(attrs["time"]) if "time" in attrs else None
    return moment if moment and moment.tzinfo else None


def place(attrs: Mapping[str, str]) -> str:
    """The id of a wrapped record: partition/offset@time."""
    return f"{attrs.get('id', '')}@{attrs.get('time', '')}"


def _event(attrs: dict[str, str], data: Any) -> "CloudEvent":
    if attrs.get("specversion") != "1.0":
        raise Malformed(f"specversion must be 1.0, not {attrs.get('specversion', 'absent')[:16]}")
    for name in _REQUIRED:
        if not attrs.get(name):
            raise Malformed(f"attribute {name} is missing")
    for name, value in attrs.items():
        if not _NAME.fullmatch(name):
            raise Malformed(f"attribute name {name[:64]!r} must be lower-case letters and digits")
        if len(value) > _ATTRIBUTE_LIMIT or "\x00" in value:
            raise Malformed(f"attribute {name} is too long or holds U+0000")
    if "time" in attrs:
        try:
            datetime.fromisoformat(attrs["time"])
        except ValueError:
            raise Malformed("attribute time must be RFC 3339, such as 2026-11-24T09:00:00Z") from None
    from cloudevents.http import CloudEvent

    event = CloudEvent(attrs, data)
    if "time" not in attrs:
        del event["time"]  # the package makes one up, of the machine's clock
    return event


def _json(body: bytes, what: str) -> Any:
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Malformed(f"{what} is not JSON: {error}") from None


def is_traceparent(value: str) -> bool:
    return bool(_TRACEPARENT.fullmatch(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An event on its way out: what one outbox row holds and each of its topics receives."""

    key: str  # the partition key: the task id for facts, the user id for commands and their refusals
    topics: tuple[str, ...]
    headers: dict[str, str]
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an outgoing event inherits from the request it follows from."""

    function: str
    user_id: str
    correlation_id: str
    traceparent: str | None = None


def outgoing(
    event_type: str,
    data: bytes,
    *,
    origin: Origin,
    at: datetime,
    key: str,
    topics: tuple[str, ...],
    subject: str | None = None,
) -> Outgoing:
    """A new event in Kafka's binary mode. `data` is JSON; `at` is business time."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": new_id(),
        "ce_source": f"/taskmaster/{origin.function}",
        "ce_type": event_type,
        "ce_time": at.isoformat().replace("+00:00", "Z"),
        "ce_dataschema": f"urn:taskmaster:schema:{event_type}:1.0",
        "ce_partitionkey": key,
        "ce_userid": origin.user_id,
        "ce_correlationid": origin.correlation_id,
        "content-type": JSON,
    }
    if subject:
        headers["ce_subject"] = subject
    if origin.traceparent:
        headers["ce_traceparent"] = origin.traceparent
    return Outgoing(key=key, topics=topics, headers=headers, value=data)


def dead_letter(attrs: Mapping[str, str], content_type: str, body: bytes, **why: str) -> Outgoing:
    """The event as it came, with why it failed as further attributes, on its way to the dead letters."""
    headers = {f"ce_{name}": value for name, value in {**attrs, **why}.items()}
    if content_type:
        headers["content-type"] = content_type
    headers = {name: value.replace("\x00", "") for name, value in headers.items()}  # the outbox could not keep it
    return Outgoing(key=key_of(attrs), topics=(DEAD_LETTERS,), headers=headers, value=body)


def without_data(letter: Outgoing) -> Outgoing:
    """A dead letter cut to its attributes; `datacut` says how many bytes of data there were."""
    headers = {**letter.headers, "ce_datacut": str(len(letter.value))}
    return replace(letter, headers=headers, value=b"")


def key_of(attrs: Mapping[str, str]) -> str:
    """The key of a record for somebody else's event: its partition key, or what comes nearest to one."""
    return (attrs.get("partitionkey") or attrs.get("userid") or attrs.get("id", ""))[:128].replace("\x00", "")
