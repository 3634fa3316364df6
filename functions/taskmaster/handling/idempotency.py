"""Idempotency: the inbox key of a command, the digests that identify it, and its first answer."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.domain.task import Asked
from taskmaster.errors import TaskmasterError
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed
from taskmaster.handling.answers import Answer
from taskmaster.identity import callers
from taskmaster.telemetry import spans

KEEP_EVENTS = timedelta(days=8)  # a day longer than the topics keep their records
KEEP_CALLS = timedelta(hours=24)
CALLS = "idempotency-key"  # the source of calls, which no event may have
_BYTES = 32  # of one digest; a row has that of the delivery and, once it is decoded, behind it that of the command


class Mismatch(TaskmasterError):
    """The id of a command that was handled before comes with another command (422)."""


class AlreadyAnswered(TaskmasterError):
    """The command was answered before. Ends the transaction that was begun for this repeat of it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered with {answer.status} before")
        self.answer = answer


def digest(*parts: str | bytes) -> bytes:
    """SHA-256 of the parts and their lengths."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.digest()


def digest_of(operation: str, command: Asked, preconditions: Mapping[str, Any] | None = None) -> bytes:
    """The digest of a decoded command, by call or by event: SHA-256, 32 bytes.

    Of the operation, the validated command and its preconditions, such as an If-Match that is no field of the command.
    The form does not count: the order of members, whitespace, a timestamp's offset, a default that was spelled out. Of
    a merge patch it counts which fields were sent: an absent one stays, null clears (RFC 7396).
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
    """A value that JSON has no form for: different values have different results."""
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
    """The inbox key. Raises Malformed where a part is missing, or too long for an index of PostgreSQL (2,704 bytes)."""
    if source == CALLS:
        raise Malformed(f"source {CALLS} stands for people's calls: use another")
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

    The user of a wrapped record is inside; until it is decoded, its key is its position in the topic.
    """
    if attrs.get("type") == cloudevent.WRAPPED:
        return inbox_key(function, "", attrs.get("source", ""), cloudevent.record_position(attrs))
    return event_key(function, attrs)


def came_as(attrs: Mapping[str, str], body: bytes) -> bytes:
    """The digest of a delivery before it is decoded: of its type and body."""
    return digest("event", attrs.get("type", ""), body)


def of_call(command: bytes) -> bytes:
    """The digest in the row of a call, whose command is decoded from the beginning."""
    return bytes(_BYTES) + command


def is_same(row: InboxRow, *digests: bytes) -> bool:
    """Whether a delivery is the command of a row, by any of its digests: of the delivery, of the command."""
    kept = bytes(row.digest)
    return any(kept[at : at + _BYTES] in digests for at in range(0, len(kept), _BYTES))


def is_decoded(row: InboxRow) -> bool:
    """Whether a row has the digest of its decoded command, so that a repeat in another form is recognized.

    Without it (never decoded, or of an earlier release), only a delivery of the same bytes is the same command.
    """
    return len(row.digest) > _BYTES


def first_answer(row: InboxRow, *digests: bytes) -> Answer | None:
    """The answer that this command got before, or None. Raises Mismatch where the row is another command's."""
    if not is_same(row, *digests):
        raise Mismatch("This id was used for another command. Use a new id, or send the same command again.")
    if row.status is None:
        return None
    spans.link(row.traceparent)
    return Answer.recalled(row.status, row.answer)


def expect_unanswered(row: InboxRow, *digests: bytes) -> None:
    """Raises AlreadyAnswered where this command has its answer, and Mismatch where the row is another command's."""
    if (first := first_answer(row, *digests)) is not None:
        raise AlreadyAnswered(first)


def parked(why: str) -> Answer:
    """The answer to an event that went to the dead letters: KafkaSource does not retry it."""
    return Answer(status=204, reason=why)


def was_handled(row: InboxRow) -> bool:
    """Whether a command has had its effect, or was refused by a rule, and must not be run again."""
    return row.status is not None and row.status < 300 and not (row.answer or {}).get("reason")
