"""From a Kafka record to the CloudEvent that KafkaSource makes of it, and from there to an HTTP request.

This is CloudEvents 1.0 (Kafka protocol binding, JSON event format, HTTP protocol binding) as Knative's
KafkaSource does it, its habits included: the request is always in binary content mode, and what is no valid
CloudEvent is not refused but wrapped, as type dev.knative.kafka.event with the record's value as data.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

WRAPPED_TYPE = "dev.knative.kafka.event"

_REQUIRED = ("id", "source", "type")
_EXTENSION_NAME = re.compile(r"[a-z0-9]+")
# What java.net.URI, which KafkaSource parses with, refuses.
_URI = re.compile(r'(?:[^\x00-\x20\x7f<>"{}|\\^`%]|%[0-9A-Fa-f]{2})*')
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


# What Vert.x, its HTTP client, takes: no control character but the tab, and a line break only where it folds.
_SENDABLE = re.compile(rb"(?:[^\x00-\x08\x0a-\x1f\x7f]|\r?\n[\t ])*")


class NotACloudEventError(ValueError):
    """The record does not follow the Kafka protocol binding."""


class Record(Protocol):
    """What is used of a consumer's record; kafka-python's has it all."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


@dataclass(frozen=True)
class CloudEvent:
    """Attributes by name (specversion, required, optional and extensions alike), content type and data."""

    attributes: Mapping[str, str]
    content_type: str | None
    data: bytes

    def extended(self, extensions: Mapping[str, str]) -> CloudEvent:
        return replace(self, attributes={**self.attributes, **extensions})

    def http_headers(self) -> dict[str, bytes]:
        """Headers in binary mode: trimmed, Latin-1, not percent-encoded; a `?` for each UTF-16 unit beyond Latin-1."""
        headers = {f"ce-{name}": value for name, value in self.attributes.items()}
        if self.content_type is not None:
            headers["content-type"] = self.content_type
        return {name: _latin_1(value).strip(b" \t") for name, value in headers.items()}

    def unsendable(self) -> str:
        """The name of a header that KafkaSource's HTTP client refuses, so that no request is ever made; or ''."""
        headers = self.http_headers()
        return next((name for name, value in headers.items() if not _SENDABLE.fullmatch(value)), "")


def from_record(
    record: Record, *, namespace: str, name: str, extensions: Mapping[str, str] | None = None
) -> CloudEvent:
    """The event that the KafkaSource `name` in `namespace` sends for the record."""
    try:
        event = _bound(record)
    except NotACloudEventError:
        event = _wrapped(record, namespace, name)
    place = {"knativekafkapartition": str(record.partition), "knativekafkaoffset": str(record.offset)}
    return event.extended({**place, **(extensions or {})})


def rfc3339(moment: datetime) -> str:
    """A moment in UTC without needless digits, as Java writes it: 10:00:00.5Z, 10:00:00Z."""
    return _timestamp(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def _bound(record: Record) -> CloudEvent:
    headers = {name: _text(value) for name, value in record.headers if value is not None}
    content_type = headers.get("content-type")
    if content_type and content_type.partition(";")[0].strip().lower() == "application/cloudevents+json":
        return _structured(record.value or b"")
    attributes = {name[3:].lower(): value for name, value in headers.items() if name.lower().startswith("ce_")}
    return _valid(CloudEvent(attributes, content_type, record.value or b""))


def _structured(value: bytes) -> CloudEvent:
    try:
        members = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotACloudEventError("the value is not JSON") from None
    if not isinstance(members, dict):
        raise NotACloudEventError("the value is not a JSON object")
    content_type = members.pop("datacontenttype", None)
    if not isinstance(content_type, str | None):
        raise NotACloudEventError("datacontenttype is not a string")
    data = _structured_data(members, content_type)
    attributes = {name: _attribute(value) for name, value in members.items() if value is not None}
    return _valid(CloudEvent(attributes, content_type, data))


def _structured_data(members: dict[str, Any], content_type: str | None) -> bytes:
    """Take data or data_base64 out of the members."""
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    if encoded is not None:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise NotACloudEventError("data_base64 is not Base64") from None
    if data is None:
        return b""
    if content_type is None or re.search(r"[/+]json\b", content_type):
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    if not isinstance(data, str):
        raise NotACloudEventError("data that are not JSON have to be a string")
    return data.encode("utf-8", "replace")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _attribute(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise NotACloudEventError("an attribute is neither text, number nor boolean")


def _valid(event: CloudEvent) -> CloudEvent:
    attributes = dict(event.attributes)
    if attributes.get("specversion") != "1.0":
        raise NotACloudEventError("specversion is not 1.0")
    if missing := [name for name in _REQUIRED if name not in attributes]:
        raise NotACloudEventError(f"{', '.join(missing)} missing")
    if not all(_EXTENSION_NAME.fullmatch(name) for name in attributes):
        raise NotACloudEventError("an attribute's name is not lower-case letters and digits")
    if not all(_URI.fullmatch(attributes.get(name, "")) for name in ("source", "dataschema")):
        raise NotACloudEventError("source or dataschema is not a URI")
    if "time" in attributes:
        attributes["time"] = _timestamp(attributes["time"])
    return replace(event, attributes=attributes)


def _timestamp(text: str) -> str:
    match = _TIMESTAMP.fullmatch(text)
    try:
        seconds, fraction, zone = match.groups(default="")  # type: ignore[union-attr]
        datetime.fromisoformat(seconds)
    except (AttributeError, ValueError):
        raise NotACloudEventError("time is not an RFC 3339 timestamp") from None
    return seconds + fraction.rstrip("0").rstrip(".") + ("Z" if zone == "+00:00" else zone)


def _wrapped(record: Record, namespace: str, name: str) -> CloudEvent:
    attributes = {
        "specversion": "1.0",
        "id": f"partition:{record.partition}/offset:{record.offset}",
        "source": f"/apis/v1/namespaces/{namespace}/kafkasources/{name}#{record.topic}",
        "type": WRAPPED_TYPE,
        "subject": f"partition:{record.partition}#{record.offset}",
        "time": rfc3339(datetime.fromtimestamp(record.timestamp / 1000, UTC)),
    }
    if record.key:
        attributes["key"] = attributes["partitionkey"] = _text(record.key)
    content_type = None
    for header, value in record.headers:
        if value is None:
            continue
        if header.lower() == "content-type":
            content_type = _text(value).lower()
        else:
            attributes["kafkaheader" + re.sub(r"[^a-z0-9]", "", header.lower())] = _text(value)
    return CloudEvent(attributes, content_type, record.value or b"")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _latin_1(value: str) -> bytes:
    return "".join(each if each <= "\uffff" else "??" for each in value).encode("latin-1", "replace")
