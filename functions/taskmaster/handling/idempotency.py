"""What makes two deliveries the same command: the key of its row in the inbox, and how its first answer is read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.domain.task import Asked
from taskmaster.errors import TaskmasterError
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed, Received
from taskmaster.handling.answers import Answer
from taskmaster.identity import callers

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

KEEP_EVENTS = timedelta(days=8)  # a day longer than the topics keep their records
KEEP_CALLS = timedelta(hours=24)
_CALLS = "idempotency-key"  # the source of calls, which no event may claim
_BYTES = 32  # of one digest; a row has that of the body that came, and behind it that of the command, once it is known


class Mismatch(TaskmasterError):
    """The id of a command that was handled already, with another command behind it (422)."""


def digest(*parts: str | bytes) -> bytes:
    """What tells one command from another that comes under the same id."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.digest()


def digest_of(operation: str, command: Asked, preconditions: Mapping[str, Any] | None = None) -> bytes:
    """What tells one command from another under one id, whichever door it came by: SHA-256, 32 bytes.

    Of the operation, the validated command and its preconditions, such as an If-Match that is no field of the command.
    How they were written does not count: the order of members, whitespace, a moment's offset, a default that was
    spelled out. Of a merge patch it counts which fields were sent: an absent one stays, null clears (RFC 7396).
    """
    said = {
        "operation": operation,
        "command": command.model_dump(),
        "sent": sorted(command.model_fields_set) if command.is_patch else None,
        "preconditions": dict(preconditions or {}),
    }
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(canonical.encode()).digest()


def _plain(value: object) -> Any:
    """What JSON has no form for, as a text that is another one for another value."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"a command cannot hold {type(value).__name__}")


def inbox_key(function: str, user_id: str, source: str, identifier: str) -> InboxKey:
    """Raises Malformed for what is no key, or none that an index of PostgreSQL can hold (2,704 bytes)."""
    if source == _CALLS:
        raise Malformed(f"source {_CALLS} stands for people's calls: use another")
    if not source or not identifier or "\x00" in source + identifier or len((source + identifier).encode()) > 2_000:
        raise Malformed("source and id must be there, with at most 2000 bytes together")
    return InboxKey(function, user_id, source, identifier)


def event_key(function: str, attrs: Mapping[str, str]) -> InboxKey:
    """The key of an event, from its attributes. Raises Malformed."""
    user_id = attrs.get("userid", "")
    if not callers.is_user_id(user_id):
        raise Malformed("userid is missing or not a user id")
    return inbox_key(function, user_id, attrs.get("source", ""), attrs.get("id", ""))


def arrival_key(function: str, attrs: Mapping[str, str]) -> InboxKey:
    """The key under which an attempt is counted before the data is decoded. Raises Malformed.

    Whose a wrapped record is, it says inside; until then its place is its key.
    """
    if attrs.get("type") == cloudevent.WRAPPED:
        return inbox_key(function, "", attrs.get("source", ""), cloudevent.record_position(attrs))
    return event_key(function, attrs)


@dataclass(frozen=True)
class Arrival:
    """An event at the door of a function: what it says, its key and its digest, each found out once."""

    function: str
    received: Received

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """As they came. Raises Malformed."""
        return self.received.attributes

    @cached_property
    def key(self) -> InboxKey:
        """Under which an attempt is counted before the data is decoded. Raises Malformed."""
        return arrival_key(self.function, self.received.checked)

    @cached_property
    def digest(self) -> bytes:
        """Of the type and the body as they came."""
        return came_as(self.attributes, self.received.body)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """The same, and as it was before the type counted: rows of then are kept for eight days."""
        return self.digest, digest(self.received.body)

    @property
    def event(self) -> "CloudEvent":
        """Raises Malformed."""
        return self.received.event

    @cached_property
    def event_key(self) -> InboxKey:
        """The key of the event itself: of a wrapped record, of the one inside. Raises Malformed."""
        return event_key(self.function, self.event.get_attributes())


def came_as(attrs: Mapping[str, str], body: bytes) -> bytes:
    """What tells one delivery from another before anything of it is decoded."""
    return digest("event", attrs.get("type", ""), body)


def of_call(command: bytes) -> bytes:
    """What a row keeps of a call, which has the digest of its command from the beginning."""
    return bytes(_BYTES) + command


def is_same(receipt: InboxRow, *digests: bytes) -> bool:
    """Whether a delivery brings the command of a row, by any of its digests: of what came, of the command."""
    kept = bytes(receipt.digest)
    return any(kept[at : at + _BYTES] in digests for at in range(0, len(kept), _BYTES))


def is_understood(receipt: InboxRow) -> bool:
    """Whether a row has the digest of its command, so that one that was written otherwise can be compared with it.

    A row without was never understood, or is older: only what comes just as it came then is the same command.
    """
    return len(receipt.digest) > _BYTES


def first_answer(receipt: InboxRow, *digests: bytes) -> Answer | None:
    """What was answered to this command before, if it was. Raises Mismatch where it was another command."""
    if not is_same(receipt, *digests):
        raise Mismatch("This id was used for another command. Use a new id, or send the same command again.")
    if receipt.status is None:
        return None
    return Answer.recalled(receipt.status, receipt.answer)


def parked(why: str) -> Answer:
    """The answer to an event that was given up and lies with the dead letters: KafkaSource is done with it."""
    return Answer(status=204, reason=why)


def was_handled(receipt: InboxRow) -> bool:
    """Whether a command has had its effect, or was refused by a rule, and must not be run again."""
    return receipt.status is not None and receipt.status < 300 and not (receipt.answer or {}).get("reason")
