"""A transaction on behalf of the pack itself: attempts, publishing, firing, purging. It changes no task."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import args_row, kwargs_row, tuple_row

from taskmaster.database.history import purge_history
from taskmaster.database.inbox_rows import InboxKey, InboxRow, InboxTransaction, outbox_row
from taskmaster.database.queries import named
from taskmaster.domain.reminder_rows import ReminderDue
from taskmaster.events.outgoing import Outgoing
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from taskmaster.domain.changes import ChangePosition

_INBOX, _OUTBOX, _REMINDERS = named("inbox.sql"), named("outbox.sql"), named("reminders.sql")
_BYTES_A_ROUND = 2_000_000  # of the events of one claim


class Claimed(NamedTuple):
    """One outbox row that a publisher holds locked."""

    id: int
    key: str
    topics: list[str]
    headers: dict[str, str]
    value: bytes
    waited: float  # seconds since it was written


class Fired(NamedTuple):
    """One reminder that was marked as fired. A stale one is closed too."""

    reminder_id: str
    task_id: int
    moment: datetime
    due_at: datetime
    is_stale: bool
    trace: TraceContext | None  # that armed it


class NewestCommand(NamedTuple):
    """One row of the inbox, without whose it is and what it says."""

    function: str
    source: str
    attempts: int
    status: int | None
    has_reason: bool
    received_at: datetime


class DueReminder(NamedTuple):
    """One reminder that is due, its user and its task."""

    reminder_id: str
    user_id: str
    task: ReminderDue


def _due(*, reminder_id: str, user_id: str, **task: Any) -> DueReminder:
    return DueReminder(reminder_id, user_id, ReminderDue.model_construct(**task))


def _fired(*row: Any) -> Fired:
    return Fired._make((*row[:5], TraceContext.read(*row[5:])))


_as_due, _as_fired = kwargs_row(_due), args_row(_fired)


class SystemTransaction(InboxTransaction):
    """One transaction of the system's login."""

    def without_flush(self) -> None:
        """Commit without a flush: a crash of the database may lose the transaction, which is then repeated."""
        self._session.later(_INBOX["without_flush"])

    def uncount_attempt(self, key: InboxKey) -> None:
        self._session.later(_INBOX["uncount_attempt"], key._asdict())

    def note_command(self, key: InboxKey, digest: bytes) -> None:
        """Add the digest of the command to an open row that has only the digest of the delivery."""
        self._session.later(_INBOX["note_command"], {**key._asdict(), "digest": digest})

    def forget_inbox(self, key: InboxKey) -> None:
        self._session.later(_INBOX["forget_inbox"], key._asdict())

    def read_inbox(self, keys: Sequence[InboxKey]) -> dict[InboxKey, InboxRow]:
        """The rows of those keys that have one. Ends the transaction."""
        columns = [list(column) for column in zip(*keys, strict=True)] or [[]] * 4
        parameters = dict(zip(("functions", "user_ids", "sources", "ids"), columns, strict=True))
        rows = self._session.fetch_and_commit(_INBOX["read_inbox"], parameters, tuple_row)
        return {InboxKey._make(row[:4]): InboxRow._make(row[4:]) for row in rows}

    def newest_commands(self, limit: int, **times: Any) -> list[NewestCommand]:
        """The newest commands of all users, as `newest_commands` in inbox.sql takes them. Ends the transaction."""
        rows = self._session.fetch_and_commit(_INBOX["newest_commands"], {"limit": limit, **times}, tuple_row)
        return [NewestCommand._make(row) for row in rows]

    def purge_inbox(self, batch: int) -> int:
        """Delete up to `batch` expired rows. Returns how many."""
        return self._session.count(_INBOX["purge_inbox"], {"batch": batch})

    def purge_reminders(self, batch: int) -> int:
        """Delete up to `batch` reminders that were closed more than 30 days ago. Returns how many."""
        return self._session.count(_REMINDERS["purge_reminders"], {"batch": batch})

    def purge_deleted_tasks(self, batch: int) -> int:
        """Delete up to `batch` notes of tasks that were deleted more than 30 days ago. Returns how many."""
        from taskmaster.database.changes import purge_deleted_tasks

        return purge_deleted_tasks(self._session, batch)

    def readers_with_changes(
        self, readers: Sequence[tuple[str, "ChangePosition"]]
    ) -> list[tuple[str, "ChangePosition"]]:
        """Those of these users, each at a position, who have changes behind it. Ends the transaction."""
        from taskmaster.database.changes import readers_with_changes

        return readers_with_changes(self._session, readers)

    def purge_history(self, batch: int) -> int:
        """Delete up to `batch` entries of histories that are older than 90 days. Returns how many."""
        return purge_history(self._session, batch)

    def is_outbox_empty(self) -> bool:
        """Whether there is nothing to publish. Ends the transaction."""
        [(empty,)] = self._session.fetch_and_commit(_OUTBOX["is_outbox_empty"], {}, tuple_row)
        return bool(empty)

    def claim_outbox(
        self, limit: int, failed: Sequence[int], *, behind: Sequence[str] = (), most_behind: int = 0
    ) -> list[Claimed]:
        """The rows to publish next, locked until this transaction ends; locked rows are skipped.

        The oldest rows of the keys `behind`, as many of one as of another, `most_behind` in all; where there is none,
        the oldest row of each key, users in turn, at most `limit`, without those that have `failed`. No more than that
        once they have _BYTES_A_ROUND. An empty list: there is nothing left to claim.
        """
        self.without_flush()  # of what is deleted: lost, it only repeats events
        parameters = {
            "behind": list(behind),
            "each": max(1, most_behind // len(behind)) if behind else 0,
            "most": limit,
            "failed": list(failed),
            "bytes": _BYTES_A_ROUND,
        }
        rows = self._session.fetch(_OUTBOX["claim_outbox"], parameters, tuple_row)
        return [Claimed._make(row) for row in rows]

    def delete_outbox(self, ids: Sequence[int]) -> None:
        self._session.later(_OUTBOX["delete_outbox"], {"ids": list(ids)})

    def fire_due_reminders(
        self, now: datetime, limit: int, *, stale: datetime, characters: int
    ) -> tuple[list[DueReminder], list[Fired]]:
        """Lock what is due, users in turn, and mark what is still due under the lock as fired: both in one round trip.

        Returns what was locked, with its tasks, and what was fired. Reminders whose task is locked are skipped. At most
        as many of a user as may be under way at once (0009.under_way.sql); those that were due by `stale` do not count,
        and are closed. The descriptions of the tasks have no more than so many characters, unless it is one task alone.
        """
        self._session.later(_REMINDERS["hold_briefly"])
        self._session.later(_REMINDERS["set_stale_by"], {"stale": stale})
        parameters = {"now": now, "stale": stale, "limit": limit, "characters": characters}
        due, fired = self._session.fetch_each(
            [
                (_REMINDERS["lock_due_reminders_to_fire"], parameters, _as_due),
                (_REMINDERS["fire_locked_reminders"], parameters, _as_fired),
            ]
        )
        return due, fired

    def insert_outbox_if_missed(self, event: Outgoing, by: datetime) -> None:
        """Insert an event if a reminder that was due by that moment is not fired."""
        self._session.later(_REMINDERS["insert_outbox_if_missed"], {**outbox_row(event), "by": by})

    def note_tick(self, function: str) -> None:
        """Store that a function which is woken every hour is running."""
        self._session.later(_REMINDERS["note_tick"], {"function": function})

    def schedule_next_wakeup(
        self, by: datetime | None = None, *, now: datetime, recheck_by: datetime
    ) -> datetime | None:
        """The next moment of any armed reminder. Ends the transaction.

        Stored for transactions that arm one is when the dispatcher looks next: at that moment, or at `recheck_by` where
        it has passed, and at `by` in any case.
        """
        self._session.later(_REMINDERS["lock_alarm"])
        parameters = {"by": by, "now": now, "recheck_by": recheck_by}
        [(moment,)] = self._session.fetch_and_commit(_REMINDERS["schedule_next_wakeup"], parameters, tuple_row)
        return moment if isinstance(moment, datetime) else None

    def next_moment(self, after: datetime) -> datetime | None:
        """The next moment of any armed reminder after this one. Ends the transaction."""
        [(moment,)] = self._session.fetch_and_commit(_REMINDERS["next_moment"], {"after": after}, tuple_row)
        return moment if isinstance(moment, datetime) else None

    def scheduled_wakeup(self) -> datetime | None:
        """The moment that `schedule_next_wakeup` stored last. Ends the transaction."""
        [(moment,)] = self._session.fetch_and_commit(_REMINDERS["scheduled_wakeup"], {}, tuple_row)
        return moment if isinstance(moment, datetime) else None
