"""Outgoing CloudEvents in Kafka's binary mode, and dead letters.

An event that a KafkaSource could not pass on unchanged is refused here: see header_values.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from taskmaster import rfc3339
from taskmaster.events import header_values
from taskmaster.events.ids import new_id
from taskmaster.events.routes import DEAD_LETTERS, topics_of
from taskmaster.telemetry.trace_context import TraceContext

JSON = "application/json"
OURS = "/taskmaster/"  # the prefix of the source of every event of the pack

# Attributes of a dead letter that list names of its other attributes, with commas.
ENCODED = "percentencoded"  # values that no header carries as they are
UNDECODED = "undecoded"  # values that were no percent-encoded UTF-8 and are kept as received
MISNAMED = "misnamed"  # NAME=VALUE, both percent-encoded, of attributes whose names are none, or one of these three
_LISTINGS = (ENCODED, UNDECODED, MISNAMED)


class Outgoing(NamedTuple):
    """An outgoing event: the content of one outbox row, which each of its topics receives."""

    key: str  # the partition key: the task id for facts, the user id for commands and their refusals
    topics: tuple[str, ...]
    headers: dict[str, str]
    value: bytes


class Origin(NamedTuple):
    """What an outgoing event inherits from the request it follows from."""

    function: str
    user_id: str
    correlation_id: str
    trace: TraceContext | None = None
    causation_id: str | None = None  # the id of the event that is being handled; None in a call


def outgoing(
    event_type: str,
    data: BaseModel,
    *,
    origin: Origin,
    at: datetime,
    key: str,
    topic: Callable[[str], str] = str,
    recurs: bool = False,
    subject: str | None = None,
) -> Outgoing:
    """A new event in Kafka's binary mode, for the topics of its type. Every event of the pack is made here.

    `at` is business time, `topic` gives the name that a topic has on this broker, `recurs` says whether it is about a
    task that recurs. Raises CannotTravel for what a KafkaSource could not pass on unchanged: every door refuses it.
    """
    topics = tuple(dict.fromkeys(map(topic, topics_of(event_type, recurs=recurs))))  # two may share a name
    headers = {
        "ce_specversion": "1.0",
        "ce_id": new_id(),
        "ce_source": f"{OURS}{origin.function}",
        "ce_type": event_type,
        "ce_time": rfc3339.written(at),
        "ce_dataschema": f"urn:taskmaster:schema:{event_type}:1.0",
        "ce_partitionkey": key,
        "ce_userid": origin.user_id,
        "ce_correlationid": origin.correlation_id,
        "content-type": JSON,
    }
    if subject:
        headers["ce_subject"] = subject
    if origin.causation_id:
        headers["ce_causationid"] = origin.causation_id
    if origin.trace:
        headers |= origin.trace.headers("ce_")
    header_values.check(headers.items())
    return Outgoing(key=key, topics=topics, headers=headers, value=data.model_dump_json().encode())


def dead_letter(attrs: Mapping[str, str], content_type: str, body: bytes, **why: str) -> Outgoing:
    """The event as received, with further attributes for why it failed, for the topic of dead letters.

    Values that no header carries unchanged are percent-encoded, and listed in the attribute `percentencoded`; an
    attribute whose name is none, or that of a listing, is kept in `misnamed`. So every dead letter is sendable, and
    different events stay different.
    """
    misnamed = {name: value for name, value in attrs.items() if name in _LISTINGS or not header_values.is_name(name)}
    headers = {f"ce_{name}": value for name, value in {**attrs, **why}.items() if name not in misnamed or name in why}
    if misnamed:
        headers[f"ce_{MISNAMED}"] = header_values.listed(misnamed)
    if content_type:
        headers["content-type"] = content_type
    encoded = {name: header_values.sent(value) for name, value in headers.items() if header_values.obstacle(value)}
    headers |= encoded
    if encoded:
        headers[f"ce_{ENCODED}"] = ",".join(name.removeprefix("ce_") for name in encoded)
    return Outgoing(key=key_of(attrs), topics=(DEAD_LETTERS,), headers=headers, value=body)


def without_data(event: Outgoing) -> Outgoing:
    """A dead letter without its data; `datacut` is how many bytes there were."""
    headers = {**event.headers, "ce_datacut": str(len(event.value))}
    return event._replace(headers=headers, value=b"")


def key_of(attrs: Mapping[str, str]) -> str:
    """The key of a record for an event of another producer: its partition key, else its user or id."""
    key = (attrs.get("partitionkey") or attrs.get("userid") or attrs.get("id", ""))[:128]
    return header_values.sent(key)[:128] if header_values.obstacle(key) else key
