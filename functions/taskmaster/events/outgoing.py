"""CloudEvents that leave: Kafka's binary mode, and the dead letter of one that could not be handled.

Nothing leaves that a KafkaSource could not pass on as it is: see header_values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel

from taskmaster.events import header_values
from taskmaster.events.ids import new_id
from taskmaster.events.routes import DEAD_LETTERS, topics_of

JSON = "application/json"
OURS = "/taskmaster/"  # how the source of every event begins that the pack makes

# What a dead letter says of its own attributes, whose names are listed with commas.
ENCODED = "percentencoded"  # values that no header carries as they are
UNDECODED = "undecoded"  # values that came as no percent-encoded UTF-8 and are kept as they came


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
    header_values.check(headers.items())
    return Outgoing(key=key, topics=topics, headers=headers, value=data.model_dump_json().encode())


def dead_letter(attrs: Mapping[str, str], content_type: str, body: bytes, **why: str) -> Outgoing:
    """The event as it came, with why it failed as further attributes, on its way to the dead letters.

    What no header carries as it is gets percent-encoded, and its name into the attribute `percentencoded`: a letter is
    sendable whatever failed, and no two are the same that were not.
    """
    headers = {f"ce_{name}": value for name, value in {**attrs, **why}.items() if name != ENCODED}
    if content_type:
        headers["content-type"] = content_type
    encoded = {name: header_values.sent(value) for name, value in headers.items() if header_values.obstacle(value)}
    headers |= encoded
    if encoded:
        headers[f"ce_{ENCODED}"] = ",".join(name.removeprefix("ce_") for name in encoded)
    return Outgoing(key=key_of(attrs), topics=(DEAD_LETTERS,), headers=headers, value=body)


def without_data(letter: Outgoing) -> Outgoing:
    """A dead letter cut to its attributes; `datacut` says how many bytes of data there were."""
    headers = {**letter.headers, "ce_datacut": str(len(letter.value))}
    return replace(letter, headers=headers, value=b"")


def key_of(attrs: Mapping[str, str]) -> str:
    """The key of a record for somebody else's event: its partition key, or what comes nearest to one."""
    key = (attrs.get("partitionkey") or attrs.get("userid") or attrs.get("id", ""))[:128]
    return header_values.sent(key)[:128] if header_values.obstacle(key) else key
