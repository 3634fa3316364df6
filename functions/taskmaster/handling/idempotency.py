"""What makes two deliveries the same command: the key of its inbox row, its digests, and the first answer."""

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
_CALLS = "idempotency-key"  # the source in the keys of calls, which no event may have
_BYTES = 32  # of one digest; a row has that of the received body, followed by that of the command once it is decoded


class Mismatch(TaskmasterError):
    """The id of a command that was handled already came with another command (422)."""


def digest(*parts: str | bytes) -> bytes:
    """SHA-256 of the parts, each with its length."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.digest()


def digest_of(operation: str, command: Asked, preconditions: Mapping[str, Any] | None = None) -> bytes:
    """The digest of a command, by either door: SHA-256 of the operation, the validated command and its preconditions.

    It does not depend on how they are written: the order of members, whitespace, the offset of a moment, a default that
    is spelled out. Of a merge patch it includes which fields were sent: an absent one stays, null clears (RFC 7396).
    """
    content = {
        "operation": operation,
        "command": command.model_dump(),
        "sent": sorted(command.model_fields_set) if command.is_patch else None,
        "preconditions": dict(preconditions or {}),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(canonical.encode()).digest()


def _plain(value: object) -> Any:
    """A value that JSON has no form for, as JSON that differs for different values."""
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
    """The key of a command. Raises Malformed for none, and for one that no index of PostgreSQL holds (2,704 bytes)."""
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

    The user of a wrapped record is inside the record; until that is decoded, its position is its key.
    """
    if attrs.get("type") == cloudevent.WRAPPED:
        return inbox_key(function, "", attrs.get("source", ""), cloudevent.record_position(attrs))
    return event_key(function, attrs)


@dataclass(frozen=True)
class Arrival:
    """An event that a function has received, its keys and its digests, each computed once."""

    function: str
    received: Received

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """The attributes as received. Raises Malformed."""
        return self.received.attributes

    @cached_property
    def key(self) -> InboxKey:
        """The key under which an attempt is counted before the data is decoded. Raises Malformed."""
        return arrival_key(self.function, self.received.checked)

    @cached_property
    def digest(self) -> bytes:
        """The digest of the type and the body as received."""
        return came_as(self.attributes, self.received.body)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """The same, and the digest of the body alone, as older versions stored it; a row is kept for eight days."""
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
    """The digest of a delivery before anything of it is decoded."""
    return digest("event", attrs.get("type", ""), body)


def of_call(command: bytes) -> bytes:
    """The digest in the row of a call, whose command is decoded before its row is made."""
    return bytes(_BYTES) + command


def is_same(row: InboxRow, *digests: bytes) -> bool:
    """Whether a delivery has the command of a row, by any digest of the two: of the received body, of the command."""
    stored = bytes(row.digest)
    return any(stored[at : at + _BYTES] in digests for at in range(0, len(stored), _BYTES))


def is_understood(row: InboxRow) -> bool:
    """Whether a row has the digest of its command, so that the same command in other bytes is recognised.

    A row without one was never decoded, or is older: only the same bytes are the same command.
    """
    return len(row.digest) > _BYTES


def first_answer(row: InboxRow, *digests: bytes) -> Answer | None:
    """The answer that this command got before; None where it got none. Raises Mismatch for another command."""
    if not is_same(row, *digests):
        raise Mismatch("This id was used for another command. Use a new id, or send the same command again.")
    if row.status is None:
        return None
    return Answer.recalled(row.status, row.answer)


def parked(why: str) -> Answer:
    """The answer to an event that went to the dead letters, so that KafkaSource does not deliver it again."""
    return Answer(status=204, reason=why)


def was_handled(row: InboxRow) -> bool:
    """Whether a command has had its effect, or was refused by a rule, and must not be run again."""
    return row.status is not None and row.status < 300 and not (row.answer or {}).get("reason")
