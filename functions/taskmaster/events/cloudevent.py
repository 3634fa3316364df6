"""CloudEvents that arrive: binary and structured HTTP, and the original JSON envelope inside a Kafka record.

The binding is written against CloudEvents 1.0.2 (HTTP and Kafka protocol bindings, JSON event format) and against what
Knative's KafkaSource was seen to send. The cloudevents package gives the type; its own binding loses datacontenttype
and non-ASCII attributes.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from taskmaster import rfc3339
from taskmaster.errors import TaskmasterError
from taskmaster.events import header_values
from taskmaster.events.outgoing import OURS, UNDECODED, Outgoing, dead_letter
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PING = "dev.knative.sources.ping"
WRAPPED = "dev.knative.kafka.event"  # the type that KafkaSource gives a record that is no CloudEvent
_FROM_KAFKA = "knativekafkaoffset"  # an attribute that KafkaSource adds to every event

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
_TAKEN_OVER = ("id", "source", "userid", "correlationid")  # into keys of the inbox, and into what follows from it
_ATTRIBUTE_LIMIT = 2048


class Malformed(TaskmasterError):
    """A request that is no valid event. Retrying cannot help: the answer is 400, and it goes to the dead letters."""


def is_event(headers: Mapping[str, str]) -> bool:
    return "ce-specversion" in headers or media_type(headers) == STRUCTURED


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def attributes(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The ce-* headers of a binary event, names without the prefix, unquoted and decoded (HTTP binding 3.1.3.2).

    KafkaSource encodes and quotes nothing and writes Latin-1, so attributes from one are not decoded: its ids a%2Fb
    and a/b are two. Raises Malformed for what is no percent-encoded UTF-8.
    """
    found, undecoded = _decoded(headers)
    if undecoded:
        name, why = next(iter(undecoded.items()))
        raise Malformed(f"attribute {name[:64]} {why}")
    return found


def _decoded(headers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The attributes, and for those that stay undecoded, the reason."""
    found = {name[3:].lower(): value for name, value in headers if name[:3].lower() == "ce-"}
    undecoded = {}
    if _FROM_KAFKA not in found:
        for name, value in found.items():
            try:
                found[name] = header_values.received(value)
            except ValueError as error:
                undecoded[name] = str(error)
    return found, undecoded


class Received:
    """One request that carries an event, parsed once: its attributes as received, and the event.

    For a record that KafkaSource wrapped, the attributes are those of the record, and the event is the one inside.
    """

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @cached_property
    def is_structured(self) -> bool:
        """Decided by the media type (HTTP binding 3). From KafkaSource it is the producer's and means nothing."""
        return media_type(self.headers) == STRUCTURED and f"ce-{_FROM_KAFKA}" not in self.headers

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Decoded, and of a binary event not checked yet. Raises Malformed."""
        return dict(self._whole[0]) if self.is_structured else attributes(self.headers.items())

    @cached_property
    def checked(self) -> dict[str, str]:
        """The same, checked. Raises Malformed."""
        return checked(self.attributes)

    @cached_property
    def event(self) -> "CloudEvent":
        """Checked; `data` is the decoded JSON, or None where there is none. Raises Malformed with a sentence."""
        if self.is_structured:
            return _event(self.checked, self._whole[1])
        content_type = media_type(self.headers)
        if content_type == STRUCTURED:
            raise Malformed("the record says application/cloudevents+json but is not a CloudEvent in JSON")
        if content_type and not _is_json(content_type):
            raise Malformed(f"data must be {JSON}, not {content_type[:64]}")
        data = _json(self.body, "data") if self.body else None
        if self.attributes.get("type") == WRAPPED:
            _names_once(self.body, "the envelope")
            inside, data = _unwrap(self.attributes, data)
            return _event(checked(inside), data)
        return _event(self.checked, data)

    @cached_property
    def _whole(self) -> tuple[dict[str, str], Any]:
        return _structured(self.body)

    def as_dead_letter(self, **why: str) -> Outgoing:
        """The request as a dead letter in binary mode, with the attributes of `why`. Never raises."""
        if self.is_structured:
            try:
                attrs, data = self._whole
            except Malformed:
                return dead_letter({}, self.headers.get("content-type", ""), self.body, **why)
            return dead_letter(attrs, JSON, b"" if data is None else json.dumps(data).encode(), **why)
        attrs, undecoded = _decoded(self.headers.items())
        if undecoded:
            why[UNDECODED] = ",".join(undecoded)
        return dead_letter(attrs, self.headers.get("content-type", ""), self.body, **why)


def decode(headers: Mapping[str, str], body: bytes) -> "CloudEvent":
    """The event of one HTTP request: `data` is the decoded JSON, or None where there is none.

    A wrapped record is unwrapped. Raises Malformed with a sentence for the sender.
    """
    return Received(headers, body).event


def _is_json(content_type: str) -> bool:
    return not content_type.startswith("application/cloudevents") and (
        content_type == JSON or content_type.endswith("+json")
    )


def _structured(body: bytes) -> tuple[dict[str, str], Any]:
    whole = _json(body, "the event")
    if not isinstance(whole, dict):
        raise Malformed("a structured event must be a JSON object")
    _names_once(body, "the event")
    data, encoded = whole.pop("data", None), whole.pop("data_base64", None)
    attrs = {}
    for name, value in whole.items():
        if value is None:
            continue  # CloudEvents JSON format 2.2: null is the same as absent
        if not isinstance(value, str | int | bool):
            raise Malformed(f"attribute {name[:64]!r} must be a text, a number or a boolean")
        attrs[name] = str(value).lower() if isinstance(value, bool) else str(value)
    content_type = attrs.pop("datacontenttype", JSON).partition(";")[0].strip().lower()
    if not _is_json(content_type):
        raise Malformed(f"datacontenttype must be {JSON}, not {content_type[:64]}")
    if encoded is None:
        return attrs, data
    if data is not None:
        raise Malformed("an event has data or data_base64, not both")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Malformed("data_base64 is not Base64 (RFC 4648, 4)") from None
    return attrs, _json(raw, "data_base64") if raw else None


def _unwrap(attrs: dict[str, str], envelope: Any) -> tuple[dict[str, str], Any]:
    """The attributes and the data of the original JSON envelope in a record, by the table in docs/architecture.md."""
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
    if (
        not known["id"] and "time" not in attrs
    ):  # the bridge, for a record on Redis: events alike would be taken for one
        raise Malformed("the envelope has no event_id, and this transport gives records no position: add one")
    # A record without an event_id is identified by its position; its time distinguishes a topic that was created anew.
    unwrapped.setdefault("id", record_position(attrs))
    unwrapped.setdefault("source", attrs.get("source", ""))
    if not TraceContext.read(unwrapped.get("traceparent")):
        unwrapped.pop("traceparent", None)
    unwrapped["specversion"] = "1.0"
    unwrapped["wrapped"] = "true"
    return unwrapped, envelope.get("data")


def time_of(attrs: Mapping[str, str]) -> datetime | None:
    """When the event happened; None without a time, or where the time has no offset."""
    moment = rfc3339.timestamp_or_local(attrs["time"]) if "time" in attrs else None
    return moment if moment and moment.tzinfo else None


def record_position(attrs: Mapping[str, str]) -> str:
    """The id of a wrapped record: partition/offset@time."""
    return f"{attrs.get('id', '')}@{attrs.get('time', '')}"


def _event(attrs: dict[str, str], data: Any) -> "CloudEvent":
    from cloudevents.http import CloudEvent

    event = CloudEvent(attrs, data)
    if "time" not in attrs:
        del event["time"]  # the package adds one from the machine's clock
    return event


def checked(attrs: dict[str, str]) -> dict[str, str]:
    """The attributes, if they are those of a CloudEvent and the next hop can carry them. Raises Malformed."""
    if attrs.get("specversion") != "1.0":
        raise Malformed(f"specversion must be 1.0, not {attrs.get('specversion', 'absent')[:16]}")
    for name in _REQUIRED:
        if not attrs.get(name):
            raise Malformed(f"attribute {name} is missing")
    for name, value in attrs.items():
        if not header_values.is_name(name):
            raise Malformed(f"attribute name {name[:64]!r} must be lower-case letters and digits")
        if len(value) > _ATTRIBUTE_LIMIT:
            raise Malformed(f"attribute {name} is too long: it has at most {_ATTRIBUTE_LIMIT} characters")
        if said := header_values.obstacle(value) if name in _TAKEN_OVER else header_values.flaw(value):
            raise Malformed(f"attribute {name} {said}")
    if _FROM_KAFKA in attrs and not attrs["source"].startswith(OURS):
        for name in ("id", "userid"):
            if "?" in attrs.get(name, ""):
                raise Malformed(
                    f"attribute {name} holds a question mark, which may stand for any character beyond Latin-1 behind"
                    " a KafkaSource: use printable ASCII without it"
                )
    if "time" in attrs:
        try:
            rfc3339.timestamp_or_local(attrs["time"])
        except ValueError:
            raise Malformed("attribute time must be RFC 3339, such as 2026-11-24T09:00:00Z") from None
    return attrs


def _json(body: bytes, what: str) -> Any:
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise Malformed(f"{what} is not JSON: {error}") from None


def _names_once(body: bytes, what: str) -> None:
    """Refuse a JSON object that has a member twice: readers differ in which one they take."""
    pairs: list[tuple[str, Any]] = []

    def read(inner: list[tuple[str, Any]]) -> None:
        nonlocal pairs
        pairs = inner  # that of the outermost object comes last

    try:
        json.loads(body, object_pairs_hook=read)
    except (ValueError, RecursionError):
        raise Malformed(f"{what} is not JSON that every reader takes alike") from None
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None:
        raise Malformed(f"{what} has {twice[:64]!r} twice")


def trace_of(attrs: Mapping[str, Any]) -> TraceContext | None:
    """The trace that an event belongs to (CloudEvents extension Distributed Tracing), or None."""
    return TraceContext.read(attrs.get("traceparent"), attrs.get("tracestate"))
