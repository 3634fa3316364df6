"""The store: named SQL behind the two logins, and what a transaction of each may do. Rules are elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row, dict_row, kwargs_row, tuple_row
from psycopg.types.json import Jsonb

from taskmaster.database.inbox_rows import InboxKey, InboxRow, InboxTransaction, outbox_row
from taskmaster.database.lists import read_page
from taskmaster.database.queries import named
from taskmaster.database.session import Login, Session
from taskmaster.domain.paging import PagePosition, Sort
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.reminders import Move, ReminderDue, ReminderRow
from taskmaster.domain.search import folded_texts
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task
from taskmaster.events.cloudevent import Outgoing
from taskmaster.events.ids import new_id

_TASKS, _INBOX, _OUTBOX = named("tasks.sql"), named("inbox.sql"), named("outbox.sql")
_REMINDERS, _PREFERENCES = named("reminders.sql"), named("preferences.sql")
_AS_TASK, _AS_SERIES = kwargs_row(Task.model_construct), kwargs_row(Series.model_construct)
_AS_REMINDER = kwargs_row(ReminderRow.model_construct)
_IDS_AHEAD = 32
_BYTES_A_ROUND = 2_000_000  # that a publisher carries before others have their turn
_ANY = 50  # rows of a round without turns


class Claimed(NamedTuple):
    """One outbox row in a publisher's hands."""

    id: int
    key: str
    topics: list[str]
    headers: dict[str, str]
    value: bytes
    waited: float  # seconds since it was written


class Fired(NamedTuple):
    """One reminder that was marked fired; a stale one was closed with it."""

    reminder_id: str
    task_id: int
    moment: datetime
    due_at: datetime
    is_stale: bool


class Due(NamedTuple):
    """One reminder that is due, with its task as it is and whose it is."""

    reminder_id: str
    user_id: str
    task: ReminderDue


class UserTransaction(InboxTransaction):
    """One transaction on behalf of one user, who sees and changes nobody else's rows."""

    def __init__(self, session: Session, user_id: str, ids_ahead: list[int]) -> None:
        super().__init__(session)
        self._user_id = user_id
        self._ids_ahead = ids_ahead
        session.later(_TASKS["as_user"], {"user_id": user_id})

    def new_task_id(self) -> int:
        """An id for a task to be created, from some that were reserved in one round trip for all of this process."""
        try:
            return self._ids_ahead.pop()
        except IndexError:
            rows = self._session.fetch(_TASKS["reserve_task_ids"], {"count": _IDS_AHEAD}, tuple_row)
            first, *ahead = sorted(row[0] for row in rows)
            self._ids_ahead.extend(reversed(ahead))
            return int(first)

    def read_task(self, task_id: int) -> Task | None:
        return self._task("read_task", task_id=task_id)

    def lock_task(self, task_id: int) -> Task | None:
        return self._task("lock_task", task_id=task_id)

    def lock_latest_after(self, series_id: int, occurrence: int) -> Task | None:
        return self._task("lock_latest_after", series_id=series_id, occurrence=occurrence)

    def list_tasks(self, filters: Mapping[str, Any], sort: Sort, beyond: PagePosition | None, limit: int) -> list[Task]:
        return read_page(self._session, filters, sort, beyond, limit)

    def read_preferences(self, *, hold: bool = False) -> Preferences:
        """The user's, or the defaults. What is held nobody changes until the commit: lock no task after it."""
        if hold:
            self._session.later(_PREFERENCES["hold_preferences"])
        return self._preferences()

    def change_preferences(self) -> Preferences:
        """The same, for whoever sets them: waits for all who have read them. To be the first lock, behind the inbox."""
        self._session.later(_PREFERENCES["change_preferences"])
        return self._preferences()

    def save_preferences(self, preferences: Preferences) -> None:
        row = preferences.model_dump()
        quiet, channels = row["quiet_hours"], row["channels"]
        parameters = {**row, "quiet_hours": Jsonb(quiet) if quiet else None, "channels": Jsonb(channels)}
        self._session.fetch_bound(_PREFERENCES["save_preferences"], {**parameters, "user_id": self._user_id}, tuple_row)

    def begin_move(self, event: Outgoing, ticket: str, asked_at: datetime, day: date) -> None:
        """Have the reminders follow the hour of the day anew, of tasks due on that day or later; where there are any.

        Leaves the event, unless one with an earlier ticket is at it.
        """
        move = {"user_id": self._user_id, "ticket": ticket, "asked_at": asked_at, "day": day}
        self._session.later(_REMINDERS["begin_move"], {**outbox_row(event), **move})

    def read_move(self, ticket: str) -> Move | None:
        return next(iter(self._session.fetch(_REMINDERS["read_move"], {"ticket": ticket}, class_row(Move))), None)

    def lock_tasks_to_move(self, after: int, day: date, limit: int) -> list[Task]:
        """Open tasks due on a day, this one or a later one, with ids above `after`, in the order of their ids."""
        parameters = {"after_task": after, "day": day, "limit": limit}
        return self._session.fetch(_REMINDERS["lock_tasks_to_move"], parameters, _AS_TASK)

    def advance_move(self, ticket: str, after: int) -> None:
        self._session.later(_REMINDERS["advance_move"], {"ticket": ticket, "after_task": after})

    def end_move(self, ticket: str) -> None:
        self._session.later(_REMINDERS["end_move"], {"ticket": ticket})

    def drop_reminders(self, task: Task, keep: Sequence[datetime]) -> None:
        """Those of a task that have not rung, but for these moments."""
        self._session.later(_REMINDERS["drop_reminders"], {"task_id": task.task_id, "moments": list(keep)})

    def insert_reminders(self, task: Task, moments: Sequence[datetime]) -> None:
        """Those of these moments that the task does not have yet."""
        ids = [new_id() for _ in moments]
        row = {"task_id": task.task_id, "user_id": self._user_id, "ids": ids, "moments": list(moments)}
        self._session.later(_REMINDERS["insert_reminders"], row)

    def lock_reminder(self, task_id: int, reminder_id: str) -> tuple[Task | None, ReminderRow | None, Preferences]:
        """A task, then one reminder of it, and the user's preferences, in one round trip."""
        tasks, reminders, preferred = self._session.fetch_each(
            [
                (_TASKS["lock_task"], {"task_id": task_id}, _AS_TASK),
                (_REMINDERS["lock_reminder"], {"reminder_id": reminder_id}, _AS_REMINDER),
                (_PREFERENCES["read_preferences"], {}, dict_row),
            ]
        )
        return next(iter(tasks), None), next(iter(reminders), None), _preferences_in(preferred)

    def update_reminder(self, reminder: ReminderRow) -> None:
        row = {**reminder.__dict__, "outcomes": Jsonb(reminder.outcomes)}
        self._session.later(_REMINDERS["update_reminder"], row)

    def insert_task(self, task: Task) -> None:
        self._session.later(_TASKS["insert_task"], self._row(task))

    def update_task(self, task: Task) -> None:
        self._session.later(_TASKS["update_task"], self._row(task))

    def delete_task(self, task: Task) -> None:
        self._session.later(_TASKS["delete_task"], {"task_id": task.task_id})
        if task.series_id is not None:
            self._session.later(_TASKS["delete_empty_series"], {"series_id": task.series_id})

    def lock_series(self, series_id: int) -> Series | None:
        """Take a series. Lock order: the task first, then its series."""
        return self._series("lock_series", series_id)

    def read_series(self, series_id: int) -> Series | None:
        return self._series("read_series", series_id)

    def insert_series(self, series: Series) -> None:
        self._session.later(_TASKS["insert_series"], self._series_row(series))

    def update_series(self, series: Series) -> None:
        self._session.later(_TASKS["update_series"], self._series_row(series))

    def _preferences(self) -> Preferences:
        return _preferences_in(self._session.fetch(_PREFERENCES["read_preferences"], {}, dict_row))

    def _series(self, name: str, series_id: int) -> Series | None:
        return next(iter(self._session.fetch(_TASKS[name], {"series_id": series_id}, _AS_SERIES)), None)

    def _task(self, name: str, **parameters: int) -> Task | None:
        return next(iter(self._session.fetch(_TASKS[name], parameters, _AS_TASK)), None)

    def _row(self, task: Task) -> dict[str, Any]:
        folded = folded_texts(task.title, task.description, version=task.version)
        return {**task.__dict__, **folded, "user_id": self._user_id, "deadline": task.deadline}

    def _series_row(self, series: Series) -> dict[str, Any]:
        return {**series.__dict__, "user_id": self._user_id, "template": Jsonb(series.template)}


class SystemTransaction(InboxTransaction):
    """One transaction on behalf of the pack itself: attempts, publishing, firing, purging. No task is changed here."""

    def without_flush(self) -> None:
        """Losing this transaction in a crash of the database costs a repeat, no more."""
        self._session.later(_INBOX["without_flush"])

    def uncount_attempt(self, key: InboxKey) -> None:
        self._session.later(_INBOX["uncount_attempt"], key._asdict())

    def note_command(self, key: InboxKey, digest: bytes) -> None:
        """By what the command of an open row is known, where the row has only what came."""
        self._session.later(_INBOX["note_command"], {**key._asdict(), "digest": digest})

    def forget_inbox(self, key: InboxKey) -> None:
        self._session.later(_INBOX["forget_inbox"], key._asdict())

    def read_inbox(self, keys: Sequence[InboxKey]) -> dict[InboxKey, InboxRow]:
        """The rows of those keys that have one."""
        columns = [list(column) for column in zip(*keys, strict=True)] or [[]] * 4
        parameters = dict(zip(("functions", "user_ids", "sources", "ids"), columns, strict=True))
        rows = self._session.fetch(_INBOX["read_inbox"], parameters, tuple_row)
        return {InboxKey._make(row[:4]): InboxRow._make(row[4:]) for row in rows}

    def purge_inbox(self, batch: int) -> int:
        """Delete up to `batch` rows that are past their time; how many there were."""
        return self._session.count(_INBOX["purge_inbox"], {"batch": batch})

    def purge_reminders(self, batch: int) -> int:
        """Delete up to `batch` reminders that were closed a month ago; how many there were."""
        return self._session.count(_REMINDERS["purge_reminders"], {"batch": batch})

    def is_outbox_empty(self) -> bool:
        [(empty,)] = self._session.fetch(_OUTBOX["is_outbox_empty"], {}, tuple_row)
        return bool(empty)

    def claim_outbox(self, limit: int, failed: Sequence[int]) -> list[Claimed]:
        """The oldest rows of keys, users in turn, locked until this transaction ends, without those in other hands.

        At most `limit`, and no more once they have _BYTES_A_ROUND. None: there is nothing left to claim.
        """
        parameters = {"limit": limit, "failed": list(failed), "bytes": _BYTES_A_ROUND}
        self._session.later(_OUTBOX["prepare_publishing"])
        rows = self._session.fetch(_OUTBOX["claim_outbox"], parameters, tuple_row)
        rows = rows or self._session.fetch(_OUTBOX["claim_any"], {**parameters, "limit": _ANY}, tuple_row)
        return [Claimed._make(row) for row in rows]

    def claim_successors(self, keys: Sequence[str]) -> list[Claimed]:
        """The oldest row of each of these keys, on the same terms."""
        self._session.later(_OUTBOX["prepare_publishing"])
        rows = self._session.fetch(_OUTBOX["claim_successors"], {"keys": list(keys)}, tuple_row)
        return [Claimed._make(row) for row in rows]

    def delete_outbox(self, ids: Sequence[int]) -> None:
        self._session.later(_OUTBOX["delete_outbox"], {"ids": list(ids)})

    def lock_due_reminders(self, now: datetime, limit: int, *, stale: datetime | None = None) -> list[Due]:
        """Reminders that are due, users in turn, their tasks locked; without those whose task is in other hands.

        Of a user no more than may be under way at once (0009.under_way.sql); what is due by `stale` is not counted.
        """
        self._session.later(_REMINDERS["hold_briefly"])
        if stale is not None:
            self._session.later(_REMINDERS["set_stale_by"], {"stale": stale})
        rows = self._session.fetch(_REMINDERS["lock_due_reminders"], {"now": now, "limit": limit}, dict_row)
        return [
            Due(row.pop("reminder_id"), row.pop("user_id"), ReminderDue.model_construct(**row))  # in this order
            for row in rows
        ]

    def fire_reminders(self, reminder_ids: Sequence[str], *, now: datetime, stale: datetime) -> list[Fired]:
        """PagePosition those that are due still, their tasks being locked; what is older than `stale` is closed too."""
        parameters = {"reminder_ids": list(reminder_ids), "now": now, "stale": stale}
        return [Fired._make(row) for row in self._session.fetch(_REMINDERS["fire_reminders"], parameters, tuple_row)]

    def insert_outbox_if_missed(self, event: Outgoing, by: datetime) -> None:
        """Leave an event where a reminder should have been fired by that moment and was not."""
        self._session.later(_REMINDERS["insert_outbox_if_missed"], {**outbox_row(event), "by": by})

    def schedule_next_wakeup(self, by: datetime | None) -> datetime | None:
        """The next moment of any armed reminder, written where all who arm one read it. Ends the transaction."""
        self._session.later(_REMINDERS["lock_alarm"])
        [(moment,)] = self._session.fetch_and_commit(_REMINDERS["schedule_next_wakeup"], {"by": by}, tuple_row)
        return moment if isinstance(moment, datetime) else None

    def next_moment(self, after: datetime) -> datetime | None:
        """The next moment of any armed reminder behind this one."""
        [(moment,)] = self._session.fetch(_REMINDERS["next_moment"], {"after": after}, tuple_row)
        return moment if isinstance(moment, datetime) else None

    def scheduled_wakeup(self) -> datetime | None:
        [(moment,)] = self._session.fetch(_REMINDERS["scheduled_wakeup"], {}, tuple_row)
        return moment if isinstance(moment, datetime) else None


def _preferences_in(rows: Sequence[dict[str, Any]]) -> Preferences:
    """The user's row, or the defaults."""
    return Preferences.stored(rows[0]) if rows else Preferences()


class Database:
    """The two logins: the user's, under row-level security, and the system's."""

    def __init__(self, *, user_url: str, system_url: str, pool_size: int, timeout: float) -> None:
        self._user = Login(user_url, size=pool_size, timeout=timeout)
        self._system = Login(system_url, size=pool_size, timeout=timeout)
        self._ids_ahead: list[int] = []

    @contextmanager
    def as_user(self, user_id: str) -> Iterator[UserTransaction]:
        """A transaction for this user. Raises Unavailable or Busy."""
        with self._user.transaction() as session:
            yield UserTransaction(session, user_id, self._ids_ahead)

    @contextmanager
    def as_system(self) -> Iterator[SystemTransaction]:
        """A transaction for the pack itself. Raises Unavailable or Busy."""
        with self._system.transaction() as session:
            yield SystemTransaction(session)

    def close(self) -> None:
        self._user.close()
        self._system.close()
