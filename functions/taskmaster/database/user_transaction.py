"""A transaction on behalf of one user: tasks, series, reminders and preferences, under row-level security."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import class_row, dict_row, kwargs_row, tuple_row
from psycopg.types.json import Jsonb

from taskmaster.database.history import insert_history, read_history
from taskmaster.database.inbox_rows import InboxTransaction, outbox_row
from taskmaster.database.queries import named
from taskmaster.database.session import Query, Session
from taskmaster.domain.history import HistoryEntry
from taskmaster.domain.paging import PagePosition, Sort
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.reminder_rows import Move, ReminderRow
from taskmaster.domain.search import folded_texts
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task
from taskmaster.events.ids import new_id
from taskmaster.events.outgoing import Outgoing
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from taskmaster.domain.changes import ChangePosition, Found

_TASKS, _REMINDERS, _PREFERENCES = named("tasks.sql"), named("reminders.sql"), named("preferences.sql")
_AS_TASK, _AS_SERIES = kwargs_row(Task.model_construct), kwargs_row(Series.model_construct)
_AS_REMINDER = kwargs_row(ReminderRow.model_construct)
_IDS_AHEAD = 32


class UserTransaction(InboxTransaction):
    """One transaction of the user's login, which sees and changes the rows of one user."""

    def __init__(self, session: Session, user_id: str, ids_ahead: list[int]) -> None:
        super().__init__(session)
        self._user_id = user_id
        self._ids_ahead = ids_ahead
        session.begin_with(_TASKS["as_user"], {"user_id": user_id})

    def new_task_id(self) -> int:
        """An id for a task to be created, from some that this process has reserved.

        The first of a process takes a round trip. Later ones are reserved with the next read or with the commit.
        """
        try:
            task_id = self._ids_ahead.pop()
        except IndexError:
            rows = self._session.fetch(_TASKS["reserve_task_ids"], {"count": _IDS_AHEAD}, tuple_row)
            (task_id,), *ahead = sorted(rows)
            self._keep_ids(ahead)
        self._reserve_ids()
        return task_id

    def _reserve_ids(self) -> None:
        """Have ids reserved with the next read or with the commit, where there are none."""
        if not self._ids_ahead:
            self._session.fetch_later(_TASKS["reserve_task_ids"], {"count": _IDS_AHEAD}, tuple_row, self._keep_ids)

    def _keep_ids(self, rows: Sequence[tuple[int]]) -> None:
        self._ids_ahead.extend(sorted((task_id for (task_id,) in rows), reverse=True))

    def read_task(self, task_id: int) -> Task | None:
        return self._task("read_task", task_id=task_id)

    def lock_task(self, task_id: int) -> Task | None:
        return self._task("lock_task", task_id=task_id)

    def lock_occurrence(self, task_id: int) -> tuple[Task | None, Series | None, Preferences]:
        """A task, then its series, and the preferences, which do not change until the commit: in one round trip.

        Ids of tasks are reserved with it, so that a successor takes no further one.
        """
        self._reserve_ids()
        tasks, series, _, preferred = self._session.fetch_each(
            [
                (_TASKS["lock_task"], {"task_id": task_id}, _AS_TASK),
                (_TASKS["lock_series_of"], {"task_id": task_id}, _AS_SERIES),
                (_PREFERENCES["hold_preferences"], {}, tuple_row),
                (_PREFERENCES["read_preferences"], {}, dict_row),
            ]
        )
        return next(iter(tasks), None), next(iter(series), None), _preferences_in(preferred)

    def lock_latest_after(self, series_id: int, occurrence: int) -> Task | None:
        return self._task("lock_latest_after", series_id=series_id, occurrence=occurrence)

    def list_tasks(self, filters: Mapping[str, Any], sort: Sort, beyond: PagePosition | None, limit: int) -> list[Task]:
        from taskmaster.database.lists import read_page

        return read_page(self._session, filters, sort, beyond, limit)

    def read_changes(self, position: "ChangePosition | None", limit: int) -> "Found":
        """What changed since a position, in the order of the transactions that wrote it. Ends the transaction."""
        from taskmaster.database.changes import read_changes

        return read_changes(self._session, position, limit)

    def insert_history(self, task_id: int, entry: HistoryEntry) -> None:
        insert_history(self._session, self._user_id, task_id, entry)

    def read_history(self, task_id: int, before: int, limit: int) -> list[HistoryEntry]:
        """Entries with versions below `before`, the latest first."""
        return read_history(self._session, task_id, before, limit)

    def read_preferences(self, *, hold: bool = False) -> Preferences:
        """The preferences, or the defaults. With `hold` they do not change until the commit: lock no task after it."""
        if hold:
            self._session.later(_PREFERENCES["hold_preferences"])
        return self._preferences()

    def change_preferences(self) -> Preferences:
        """The same, to set them: waits for all transactions that hold them. The first lock, behind the inbox row."""
        self._session.later(_PREFERENCES["change_preferences"])
        return self._preferences()

    def save_preferences(self, preferences: Preferences) -> None:
        row = preferences.model_dump()
        quiet, channels = row["quiet_hours"], row["channels"]
        parameters = {**row, "quiet_hours": Jsonb(quiet) if quiet else None, "channels": Jsonb(channels)}
        self._session.fetch_bound(_PREFERENCES["save_preferences"], {**parameters, "user_id": self._user_id}, tuple_row)

    def begin_move(self, event: Outgoing, ticket: str, asked_at: datetime, day: date) -> None:
        """Begin to move the reminders of tasks due on `day` or later to a new hour of the day, if there are any.

        Inserts the event, unless a move is under way, which begins anew.
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
        """Delete the reminders of a task that are not closed, except those for the moments of `keep`."""
        self._session.later(_REMINDERS["drop_reminders"], {"task_id": task.task_id, "moments": list(keep)})

    def insert_reminders(self, task: Task, moments: Sequence[datetime], trace: TraceContext | None = None) -> None:
        """Insert a reminder for each of these moments that has none."""
        ids = [new_id() for _ in moments]
        row = {"task_id": task.task_id, "user_id": self._user_id, "ids": ids, "moments": list(moments)}
        row |= {"traceparent": trace and trace.traceparent, "tracestate": (trace and trace.tracestate) or None}
        self._session.later(_REMINDERS["insert_reminders"], row)

    def read_reminder(self, task_id: int, reminder_id: str) -> tuple[Task | None, ReminderRow | None, Preferences]:
        """As lock_reminder, and the end of the transaction: nothing is locked. What follows is another transaction."""
        return _delivery_in(self._session.fetch_each_and_end(_of_reminder("read", task_id, reminder_id)))

    def expect_reminder(self, task: Task, reminder: ReminderRow) -> None:
        """Lock both before anything else is written. Raises Busy, at the latest with the commit, if one has changed."""
        row = {**reminder.__dict__, "version": task.version}
        self._session.later(_REMINDERS["expect_reminder"], row)

    def lock_reminder(self, task_id: int, reminder_id: str) -> tuple[Task | None, ReminderRow | None, Preferences]:
        """A task, then one reminder of it, and the user's preferences, in one round trip."""
        return _delivery_in(self._session.fetch_each(_of_reminder("lock", task_id, reminder_id)))

    def read_reminders(self, task_ids: Sequence[int], limit: int) -> list[ReminderRow]:
        """The reminders of tasks, not locked, the latest moments first."""
        parameters = {"task_ids": list(task_ids), "limit": limit}
        return self._session.fetch(_REMINDERS["read_reminders"], parameters, _AS_REMINDER)

    def hold_back_due(self, by: datetime, until: datetime, limit: int) -> None:
        """Make reminders of this user that are due by then due again at `until`, except those locked elsewhere."""
        self._session.later(_REMINDERS["hold_back_due"], {"by": by, "until": until, "limit": limit})

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
        """Lock a series. Lock order: the task first, then its series."""
        return self._series("lock_series", series_id)

    def read_series(self, series_id: int) -> Series | None:
        return self._series("read_series", series_id)

    def read_all_series(self, series_ids: Sequence[int]) -> dict[int, Series]:
        """These series, by id, not locked."""
        from taskmaster.database import calendar  # for one function alone

        return calendar.read_all_series(self._session, series_ids)

    def save_calendar(self, digest: bytes, made_at: datetime) -> None:
        """Keep the digest of the secret of the user's calendar feed, in place of the one before."""
        from taskmaster.database import calendar  # for one function alone

        calendar.save_calendar(self._session, self._user_id, digest, made_at)

    def delete_calendar(self) -> None:
        from taskmaster.database import calendar  # for one function alone

        calendar.delete_calendar(self._session, self._user_id)

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


def _of_reminder(how: Literal["read", "lock"], task_id: int, reminder_id: str) -> list[tuple[Query, Any, Any]]:
    """The queries of a delivery: a task, then one reminder of it, and the user's preferences."""
    return [
        (_TASKS[f"{how}_task"], {"task_id": task_id}, _AS_TASK),
        (_REMINDERS[f"{how}_reminder"], {"reminder_id": reminder_id}, _AS_REMINDER),
        (_PREFERENCES["read_preferences"], {}, dict_row),
    ]


def _delivery_in(found: list[list[Any]]) -> tuple[Task | None, ReminderRow | None, Preferences]:
    tasks, reminders, preferred = found
    return next(iter(tasks), None), next(iter(reminders), None), _preferences_in(preferred)


def _preferences_in(rows: Sequence[dict[str, Any]]) -> Preferences:
    """The user's row, or the defaults."""
    return Preferences.stored(rows[0]) if rows else Preferences()
