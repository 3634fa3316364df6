"""What makes two deliveries the same command: the key of its row in the inbox, and how its first answer is read."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from taskmaster import events, identity
from taskmaster.answers import Answer
from taskmaster.events import Malformed
from taskmaster.receipts import InboxKey, Receipt
from taskmaster.tasks import Command, Record

KEEP_EVENTS = timedelta(days=8)  # a day longer than the topics keep their records
KEEP_CALLS = timedelta(hours=24)


class Mismatch(Exception):
    """The id of a command that was handled already, with another command behind it (422)."""


def digest(*parts: str | bytes) -> bytes:
    """What tells one command from another that comes under the same id."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.digest()


def digest_of(operation: str, command: Record, preconditions: Mapping[str, Any] | None = None) -> bytes:
    """What tells one command from another under one id, whichever door it came by: SHA-256, 32 bytes.

    Of the operation, the validated command and its preconditions, such as an If-Match that is no field of the command.
    How they were written does not count: the order of members, whitespace, a moment's offset, a default that was
    spelled out. Of a merge patch it counts which fields were sent: an absent one stays, null clears (RFC 7396).
    """
    said = {
        "operation": operation,
        "command": command.model_dump(),
        "sent": sorted(command.model_fields_set) if isinstance(command, Command) and command.is_patch else None,
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
    if not source or not identifier or "\x00" in source + identifier or len((source + identifier).encode()) > 2_000:
        raise Malformed("source and id must be there, with at most 2000 bytes together")
    return InboxKey(function, user_id, source, identifier)


def event_key(function: str, attrs: Mapping[str, str]) -> InboxKey:
    """The key of an event, from its attributes. Raises Malformed."""
    user_id = attrs.get("userid", "")
    if not identity.is_user_id(user_id):
        raise Malformed("userid is missing or not a user id")
    return inbox_key(function, user_id, attrs.get("source", ""), attrs.get("id", ""))


def arrival_key(function: str, attrs: Mapping[str, str]) -> InboxKey:
    """The key under which an attempt is counted before the data is decoded. Raises Malformed.

    Whose a wrapped record is, it says inside; until then its place is its key.
    """
    if attrs.get("type") == events.WRAPPED:
        return inbox_key(function, "", attrs.get("source", ""), events.place(attrs))
    return event_key(function, attrs)


def first_answer(receipt: Receipt, seal: bytes) -> Answer | None:
    """What was answered to this command before, if it was. Raises Mismatch where it was another command."""
    if bytes(receipt.digest) != seal:
        raise Mismatch("This id was used for another command. Use a new id, or send the same command again.")
    if receipt.status is None:
        return None
    return Answer.recalled(receipt.status, receipt.answer)


def parked(why: str) -> Answer:
    """The answer to an event that was given up and lies with the dead letters: KafkaSource is done with it."""
    return Answer(status=204, reason=why)


def was_handled(receipt: Receipt) -> bool:
    """Whether a command has had its effect, or was refused by a rule, and must not be run again."""
    return receipt.status is not None and receipt.status < 300 and not (receipt.answer or {}).get("reason")
