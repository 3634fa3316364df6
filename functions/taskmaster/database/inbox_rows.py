"""The rows that both logins write: received commands in the inbox, events to be published in the outbox."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from taskmaster.database.queries import named
from taskmaster.database.session import Session
from taskmaster.events import header_values
from taskmaster.events.outgoing import Outgoing
from taskmaster.telemetry.trace_context import TraceContext

_INBOX, _OUTBOX, _REMINDERS = named("inbox.sql"), named("outbox.sql"), named("reminders.sql")


class InboxKey(NamedTuple):
    """Two deliveries with the same key are the same command."""

    function: str
    user_id: str
    source: str
    id: str


class InboxRow(NamedTuple):
    """The state of a command in the inbox. `status` is None until it is answered."""

    attempts: int
    status: int | None
    answer: dict[str, Any] | None
    digest: bytes
    traceparent: str | None = None  # in which trace it was answered


class InboxTransaction:
    """Inbox and outbox for either login: the user's login has the rows of that user, the system's has all."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count_attempt(self, key: InboxKey, digest: bytes, keep: timedelta) -> InboxRow:
        """Count an attempt. Waits while the same command is being handled; raises Busy when that takes too long."""
        [row] = self._session.fetch(_INBOX["count_attempt"], _attempt(key, digest, keep), tuple_row)
        return InboxRow._make(row)

    def count_attempt_and_commit(self, key: InboxKey, digest: bytes, keep: timedelta) -> InboxRow:
        """The same, and the end of the transaction, in one round trip."""
        [row] = self._session.fetch_and_commit(_INBOX["count_attempt"], _attempt(key, digest, keep), tuple_row)
        return InboxRow._make(row)

    def count_attempt_later(
        self, key: InboxKey, digest: bytes, keep: timedelta, check: Callable[[InboxRow], None]
    ) -> None:
        """Count an attempt with the next read. `check` is given the row before the transaction commits.

        What `check` raises rolls the transaction back.
        """
        parameters = _attempt(key, digest, keep)
        self._session.check_later(
            _INBOX["count_attempt"], parameters, tuple_row, lambda rows: check(InboxRow._make(rows[0]))
        )

    def lock_inbox(self, key: InboxKey) -> InboxRow | None:
        return _first(self._session.fetch(_INBOX["lock_inbox"], key._asdict(), tuple_row))

    def lock_inbox_later(self, key: InboxKey, check: Callable[[InboxRow | None], None]) -> None:
        """Lock a row with the next read. `check` is given the row, or None, before the transaction commits.

        What `check` raises rolls the transaction back.
        """
        self._session.check_later(_INBOX["lock_inbox"], key._asdict(), tuple_row, lambda rows: check(_first(rows)))

    def expect_unanswered(self, key: InboxKey) -> None:
        """Lock a row. Raises Busy, at the latest with the commit, if there is none or it is answered."""
        self._session.later(_INBOX["expect_unanswered"], key._asdict())

    def answer_inbox(
        self,
        key: InboxKey,
        status: int,
        answer: dict[str, Any] | None,
        digest: bytes | None = None,
        trace: TraceContext | None = None,
    ) -> None:
        """Write the answer to a command. `digest`, if given, replaces the one that identifies the command."""
        remembered = Jsonb(answer) if answer is not None else None
        traceparent = trace.traceparent if trace else None
        parameters = {"status": status, "answer": remembered, "digest": digest, "traceparent": traceparent}
        self._session.later(_INBOX["answer_inbox"], {**key._asdict(), **parameters})

    def insert_outbox(self, event: Outgoing) -> None:
        self._session.later(_OUTBOX["insert_outbox"], outbox_row(event))

    def insert_outbox_rows(self, events: Sequence[Outgoing]) -> None:
        """Insert many in one statement, in their order. No name of a topic has a comma in it."""
        rows = [outbox_row(event) for event in events]
        parameters = {
            "keys": [row["key"] for row in rows],
            "topics": [",".join(row["topics"]) for row in rows],
            "headers": [row["headers"] for row in rows],
            "values": [row["value"] for row in rows],
        }
        self._session.later(_OUTBOX["insert_outbox_rows"], parameters)

    def insert_outbox_unless_awaited(self, event: Outgoing, moment: datetime, now: datetime) -> None:
        """Insert reminder.armed, unless the dispatcher looks by that moment anyway. The last write of a transaction.

        Does not wait for the dispatcher: while it computes its next look, the event is always inserted.
        """
        self._session.later(_REMINDERS["read_alarm_until_commit"])
        parameters = {**outbox_row(event), "moment": moment, "now": now}
        self._session.later(_REMINDERS["insert_outbox_unless_awaited"], parameters)


def _attempt(key: InboxKey, digest: bytes, keep: timedelta) -> dict[str, Any]:
    return {**key._asdict(), "digest": digest, "keep": keep}


def _first(rows: Sequence[tuple[Any, ...]]) -> InboxRow | None:
    return InboxRow._make(rows[0]) if rows else None


def outbox_row(event: Outgoing) -> dict[str, Any]:
    """The parameters of an outbox row. Raises CannotTravel for an event that a KafkaSource could not pass on."""
    header_values.check(event.headers.items())
    return {"key": event.key, "topics": list(event.topics), "headers": Jsonb(event.headers), "value": event.value}
