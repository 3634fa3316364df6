"""The store in memory, behind the same methods: for tests that want thousands of transactions, and no server.

One transaction at a time, each seen whole or not at all. tests/contract/test_stores.py holds it to PostgreSQL's ways.
"""

import copy
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from taskmaster.database.inbox_rows import InboxKey, InboxRow, outbox_row
from taskmaster.database.session import Busy
from taskmaster.database.system_transaction import DueReminder, Fired
from taskmaster.domain.changes import ChangePosition, DeletedTask, Found
from taskmaster.domain.history import HistoryEntry
from taskmaster.domain.paging import PRIORITIES, PagePosition, Sort
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.reminder_rows import Move, ReminderDue, ReminderRow
from taskmaster.domain.search import folded
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task
from taskmaster.events.ids import new_id
from taskmaster.events.outgoing import Outgoing
from taskmaster.telemetry.trace_context import TraceContext
from tests.support.fake_changes import Deletion, changes_behind

Row = TypeVar("Row")

MOST_UNDER_WAY = 30  # reminders of one user, as in 0009.under_way.sql
UNDER_WAY_FOR = timedelta(seconds=60)  # from when one was fired: then it counts no more

_NEVER = datetime.max.replace(tzinfo=UTC)


class BrokenRule(AssertionError):
    """What a constraint of the tables would have refused."""


@dataclass
class Tables:
    """What is stored. Records are frozen, so a copy of these dicts is a copy of it all."""

    tasks: dict[int, tuple[str, Task]] = field(default_factory=dict)
    series: dict[int, tuple[str, Series]] = field(default_factory=dict)
    reminders: dict[str, tuple[str, ReminderRow]] = field(default_factory=dict)
    traces: dict[str, TraceContext | None] = field(default_factory=dict)  # by reminder
    preferences: dict[str, Preferences] = field(default_factory=dict)
    moves: dict[str, tuple[str, Move]] = field(default_factory=dict)  # by user, with the ticket
    inbox: dict[InboxKey, InboxRow] = field(default_factory=dict)
    outbox: list[Outgoing] = field(default_factory=list)
    next_look: datetime | None = None  # of the dispatcher
    most_under_way: int = MOST_UNDER_WAY
    transaction: int = 1  # the number of the next one
    changed_in: dict[int, int] = field(default_factory=dict)  # the transaction that wrote each task
    deletions: list[Deletion] = field(default_factory=list)
    calendars: dict[str, bytes] = field(default_factory=dict)  # the digest of the secret, by user
    history: list[tuple[str, int, HistoryEntry]] = field(default_factory=list)  # by user and task

    def copied(self) -> "Tables":
        return Tables(**{name: copy.copy(value) for name, value in vars(self).items()})


class FakeStore:
    """A Database without a database."""

    def __init__(self, *, most_under_way: int = MOST_UNDER_WAY) -> None:
        self.tables = Tables(most_under_way=most_under_way)
        self._ids = itertools.count(1)
        self._one_at_a_time = threading.RLock()

    @contextmanager
    def as_user(self, user_id: str) -> Iterator["FakeUserTransaction"]:
        with self._transaction() as tables:
            yield FakeUserTransaction(tables, user_id, self._ids)

    @contextmanager
    def as_system(self) -> Iterator["FakeSystemTransaction"]:
        with self._transaction() as tables:
            yield FakeSystemTransaction(tables)

    def user_of_calendar(self, digest: bytes) -> str | None:
        found = (user for user, kept in self.tables.calendars.items() if kept == digest)
        return next(found, None)

    def close(self) -> None:
        pass

    @contextmanager
    def _transaction(self) -> Iterator[Tables]:
        with self._one_at_a_time:
            begun = self.tables.copied()
            yield begun  # an exception leaves it behind
            _hold(begun)
            begun.transaction += 1
            self.tables = begun


def _hold(tables: Tables) -> None:
    """The constraints that a commit must not break."""
    places = [(task.series_id, task.occurrence) for _, task in tables.tasks.values() if task.series_id]
    if len(set(places)) < len(places):
        raise BrokenRule("two tasks are the same occurrence")
    open_ones = [task.series_id for _, task in tables.tasks.values() if task.series_id and not task.completed]
    if len(set(open_ones)) < len(open_ones):
        raise BrokenRule("a series has two open occurrences")
    if {series_id for series_id, _ in places} - tables.series.keys():
        raise BrokenRule("a task is of no series")


class _FakeInbox:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def count_attempt(self, key: InboxKey, digest: bytes, keep: timedelta) -> InboxRow:
        known = self._tables.inbox.get(key)
        if known is None:
            row = InboxRow(attempts=1, status=None, answer=None, digest=digest)
        else:
            row = known._replace(attempts=known.attempts + (known.status is None))
        self._tables.inbox[key] = row
        return row

    count_attempt_and_commit = count_attempt

    def count_attempt_later(
        self, key: InboxKey, digest: bytes, keep: timedelta, check: Callable[[InboxRow], None]
    ) -> None:
        check(self.count_attempt(key, digest, keep))

    def lock_inbox(self, key: InboxKey) -> InboxRow | None:
        return self._tables.inbox.get(key)

    def lock_inbox_later(self, key: InboxKey, check: Callable[[InboxRow | None], None]) -> None:
        check(self.lock_inbox(key))

    def expect_unanswered(self, key: InboxKey) -> None:
        if (row := self._tables.inbox.get(key)) is None or row.status is not None:
            raise Busy("SerializationFailure")

    def answer_inbox(
        self,
        key: InboxKey,
        status: int,
        answer: dict[str, Any] | None,
        digest: bytes | None = None,
        trace: TraceContext | None = None,
    ) -> None:
        if known := self._tables.inbox.get(key):
            answered = known._replace(
                status=status, answer=answer, digest=digest or known.digest, traceparent=trace and trace.traceparent
            )
            self._tables.inbox[key] = answered

    def insert_outbox(self, event: Outgoing) -> None:
        outbox_row(event)  # which refuses what could not be passed on
        self._tables.outbox = [*self._tables.outbox, event]

    def insert_outbox_rows(self, events: Sequence[Outgoing]) -> None:
        for event in events:
            self.insert_outbox(event)

    def insert_outbox_unless_awaited(self, event: Outgoing, moment: datetime, now: datetime) -> None:
        look = self._tables.next_look
        if look is None or not now < look <= moment:
            self.insert_outbox(event)


class FakeUserTransaction(_FakeInbox):
    """What UserTransaction does: nobody else's rows are seen or changed."""

    def __init__(self, tables: Tables, user_id: str, ids: Iterator[int]) -> None:
        super().__init__(tables)
        self._user_id = user_id
        self._ids = ids

    def new_task_id(self) -> int:
        return next(self._ids)

    def read_task(self, task_id: int) -> Task | None:
        return _owned(self._tables.tasks.get(task_id), self._user_id)

    lock_task = read_task

    def lock_occurrence(self, task_id: int) -> tuple[Task | None, Series | None, Preferences]:
        task = self.lock_task(task_id)
        series = self.lock_series(task.series_id) if task and task.series_id else None
        return task, series, self.read_preferences()

    def lock_latest_after(self, series_id: int, occurrence: int) -> Task | None:
        later = [task for task in self._tasks() if task.series_id == series_id and (task.occurrence or 0) > occurrence]
        return max(later, key=lambda task: task.occurrence or 0, default=None)

    def list_tasks(self, filters: Mapping[str, Any], sort: Sort, beyond: PagePosition | None, limit: int) -> list[Task]:
        descending = sort.startswith("-")
        column = sort.lstrip("-")
        found = sorted(
            (task for task in self._tasks() if _is_within(task, filters)),
            key=lambda task: (_sort_key(column, task), task.task_id),
            reverse=descending,
        )
        if beyond is not None:
            mark = (_mark_key(column, beyond.key), beyond.task_id)
            places = ((task, (_sort_key(column, task), task.task_id)) for task in found)
            found = [task for task, place in places if (place < mark if descending else place > mark)]
        return found[:limit]

    def read_changes(self, position: ChangePosition | None, limit: int) -> Found:
        return changes_behind(
            position,
            limit,
            transaction=self._tables.transaction,
            tasks=list(self._tasks()),
            changed_in=self._tables.changed_in,
            deletions=[each for each in self._tables.deletions if each.user_id == self._user_id],
        )

    def insert_history(self, task_id: int, entry: HistoryEntry) -> None:
        self._tables.history.append((self._user_id, task_id, entry))

    def read_history(self, task_id: int, before: int, limit: int) -> list[HistoryEntry]:
        own = [entry for user, task, entry in self._tables.history if (user, task) == (self._user_id, task_id)]
        return sorted((each for each in own if each.version < before), key=lambda each: -each.version)[:limit]

    def lock_series(self, series_id: int) -> Series | None:
        return _owned(self._tables.series.get(series_id), self._user_id)

    read_series = lock_series

    def read_preferences(self, *, hold: bool = False) -> Preferences:
        return self._tables.preferences.get(self._user_id, Preferences())

    def change_preferences(self) -> Preferences:
        return self.read_preferences()

    def save_preferences(self, preferences: Preferences) -> None:
        self._tables.preferences[self._user_id] = preferences

    def begin_move(self, event: Outgoing, ticket: str, asked_at: datetime, day: date) -> None:
        if not any(self._tasks_to_move(0, day)):
            return
        known = self._tables.moves.get(self._user_id)
        self._tables.moves[self._user_id] = (known[0] if known else ticket, Move(0, asked_at))
        if known is None:
            self.insert_outbox(event)

    def read_move(self, ticket: str) -> Move | None:
        known, move = self._tables.moves.get(self._user_id, ("", None))
        return move if known == ticket else None

    def lock_tasks_to_move(self, after: int, day: date, limit: int) -> list[Task]:
        return sorted(self._tasks_to_move(after, day), key=lambda task: task.task_id)[:limit]

    def advance_move(self, ticket: str, after: int) -> None:
        if move := self.read_move(ticket):
            self._tables.moves[self._user_id] = (ticket, move._replace(after_task=after))

    def end_move(self, ticket: str) -> None:
        if self.read_move(ticket):
            del self._tables.moves[self._user_id]

    def _tasks_to_move(self, after: int, day: date) -> Iterator[Task]:
        due = (task for task in self._tasks() if not task.completed and task.due_on and task.due_on >= day)
        return (task for task in due if task.task_id > after)

    def insert_task(self, task: Task) -> None:
        if task.task_id in self._tables.tasks:
            raise BrokenRule("a task has the id of another")
        self._tables.tasks[task.task_id] = (self._user_id, task)
        self._tables.changed_in[task.task_id] = self._tables.transaction

    def update_task(self, task: Task) -> None:
        was = self.read_task(task.task_id)
        if was is not None:
            kept = {"created_at": was.created_at}
            self._tables.tasks[task.task_id] = (self._user_id, task.model_copy(update=kept))
            if was.version != task.version:
                self._tables.changed_in[task.task_id] = self._tables.transaction

    def delete_task(self, task: Task) -> None:
        was = self.read_task(task.task_id)
        if was is None:
            return
        del self._tables.tasks[task.task_id]
        gone = DeletedTask(task_id=task.task_id, version=was.version + 1)
        self._tables.deletions.append(Deletion(self._user_id, self._tables.transaction, gone))
        self._tables.reminders = {
            name: row for name, row in self._tables.reminders.items() if row[1].task_id != task.task_id
        }
        if task.series_id and not any(other.series_id == task.series_id for other in self._tasks()):
            self._tables.series.pop(task.series_id, None)

    def read_all_series(self, series_ids: Sequence[int]) -> dict[int, Series]:
        found = {series_id: self._tables.series.get(series_id) for series_id in series_ids}
        return {series_id: row[1] for series_id, row in found.items() if row and row[0] == self._user_id}

    def save_calendar(self, digest: bytes, made_at: datetime) -> None:
        self._tables.calendars[self._user_id] = digest

    def delete_calendar(self) -> None:
        self._tables.calendars.pop(self._user_id, None)

    def insert_series(self, series: Series) -> None:
        if series.series_id in self._tables.series:
            raise BrokenRule("a series has the id of another")
        self._tables.series[series.series_id] = (self._user_id, series)

    def update_series(self, series: Series) -> None:
        if self.lock_series(series.series_id) is not None:
            self._tables.series[series.series_id] = (self._user_id, series)

    def expect_reminder(self, task: Task, reminder: ReminderRow) -> None:
        found = self.lock_reminder(task.task_id, reminder.reminder_id)
        if found[:2] != (task, reminder):
            raise Busy("SerializationFailure")

    def read_reminder(self, task_id: int, reminder_id: str) -> tuple[Task | None, ReminderRow | None, Preferences]:
        return self.lock_reminder(task_id, reminder_id)

    def lock_reminder(self, task_id: int, reminder_id: str) -> tuple[Task | None, ReminderRow | None, Preferences]:
        return self.lock_task(task_id), self._reminder(reminder_id), self.read_preferences()

    def read_reminders(self, task_ids: Sequence[int], limit: int) -> list[ReminderRow]:
        own = (row for user, row in self._tables.reminders.values() if user == self._user_id)
        found = (row for row in own if row.task_id in task_ids)
        return sorted(found, key=lambda row: row.moment, reverse=True)[:limit]

    def update_reminder(self, reminder: ReminderRow) -> None:
        if self._reminder(reminder.reminder_id) is not None:
            self._tables.reminders[reminder.reminder_id] = (self._user_id, reminder)

    def hold_back_due(self, by: datetime, until: datetime, limit: int) -> None:
        due = sorted(
            (row.due_at, name)
            for name, (user, row) in self._tables.reminders.items()
            if user == self._user_id and row.fired_at is None and not row.is_closed and row.due_at <= by
        )
        for _, name in due[:limit]:
            user, row = self._tables.reminders[name]
            self._tables.reminders[name] = (user, row.model_copy(update={"due_at": until}))

    def _reminder(self, reminder_id: str) -> ReminderRow | None:
        return _owned(self._tables.reminders.get(reminder_id), self._user_id)

    def drop_reminders(self, task: Task, keep: Sequence[datetime]) -> None:
        self._tables.reminders = {
            name: (user, row)
            for name, (user, row) in self._tables.reminders.items()
            if row.task_id != task.task_id or row.is_closed or row.moment in keep
        }

    def insert_reminders(self, task: Task, moments: Sequence[datetime], trace: TraceContext | None = None) -> None:
        had = {row.moment for _, row in self._tables.reminders.values() if row.task_id == task.task_id}
        for moment in moments:
            if moment not in had:
                row = ReminderRow(
                    reminder_id=new_id(),
                    task_id=task.task_id,
                    moment=moment,
                    due_at=moment,
                    fired_at=None,
                    attempts=0,
                    outcomes={},
                    is_closed=False,
                )
                self._tables.reminders[row.reminder_id] = (self._user_id, row)
                self._tables.traces[row.reminder_id] = trace

    def _tasks(self) -> Iterator[Task]:
        return (task for user, task in self._tables.tasks.values() if user == self._user_id)


class FakeSystemTransaction(_FakeInbox):
    """What SystemTransaction does for the doors and the dispatcher. Publishing wants a real outbox."""

    def without_flush(self) -> None:
        pass

    def uncount_attempt(self, key: InboxKey) -> None:
        known = self._tables.inbox.get(key)
        if known and known.status is None:
            self._tables.inbox[key] = known._replace(attempts=max(known.attempts - 1, 0))

    def note_command(self, key: InboxKey, digest: bytes) -> None:
        known = self._tables.inbox.get(key)
        if known and known.status is None and known.digest == digest[:32]:
            self._tables.inbox[key] = known._replace(digest=digest)

    def forget_inbox(self, key: InboxKey) -> None:
        self._tables.inbox.pop(key, None)

    def read_inbox(self, keys: Sequence[InboxKey]) -> dict[InboxKey, InboxRow]:
        return {key: self._tables.inbox[key] for key in keys if key in self._tables.inbox}

    def _due_in_turn(self, now: datetime, limit: int, stale: datetime) -> list[DueReminder]:
        queue: list[tuple[int, datetime, DueReminder]] = []
        turns = Counter(
            user
            for user, row in self._tables.reminders.values()
            if row.is_in_delivery and row.fired_at and abs(row.fired_at - now) <= UNDER_WAY_FOR
        )
        closed: Counter[str] = Counter()
        for row in sorted(self._due(now), key=lambda row: (row.due_at, row.reminder_id)):
            user, task = self._tables.tasks[row.task_id]
            if row.due_at <= stale:
                closed[user] += 1
                due = DueReminder(row.reminder_id, user, ReminderDue.model_construct(**task.__dict__))
                queue.append((closed[user], row.due_at, due))
                continue
            if turns[user] >= self._tables.most_under_way:
                continue
            turns[user] += 1
            due = DueReminder(row.reminder_id, user, ReminderDue.model_construct(**task.__dict__))
            queue.append((turns[user], row.due_at, due))
        return [due for _, _, due in sorted(queue, key=lambda each: each[:2])][:limit]

    def _fired(self, reminder_ids: Sequence[str], now: datetime, stale: datetime) -> list[Fired]:
        fired = []
        for row in [row for row in self._due(now) if row.reminder_id in reminder_ids]:
            is_stale = row.due_at <= stale
            user, _ = self._tables.reminders[row.reminder_id]
            reason = "stale" if is_stale else None
            marked = row.model_copy(update={"fired_at": now, "is_closed": is_stale, "reason": reason})
            self._tables.reminders[row.reminder_id] = (user, marked)
            trace = self._tables.traces[row.reminder_id]
            fired.append(Fired(row.reminder_id, row.task_id, row.moment, row.due_at, is_stale, trace))
        return fired

    def fire_due_reminders(
        self, now: datetime, limit: int, *, stale: datetime, characters: int
    ) -> tuple[list[DueReminder], list[Fired]]:
        due = self._due_in_turn(now, limit, stale)
        lengths = itertools.accumulate(len(each.task.description or "") for each in due)
        first = [each for each, length in zip(due, lengths, strict=True) if each is due[0] or length <= characters]
        return first, self._fired([each.reminder_id for each in first], now, stale)

    def schedule_next_wakeup(
        self, by: datetime | None = None, *, now: datetime, recheck_by: datetime
    ) -> datetime | None:
        armed = [row.due_at for _, row in self._tables.reminders.values() if row.fired_at is None and not row.is_closed]
        following = min(armed, default=None)
        look = recheck_by if following and following <= now else following
        looks = [moment for moment in (look, by) if moment is not None]
        self._tables.next_look = min(looks, default=None)
        return following

    def next_moment(self, after: datetime) -> datetime | None:
        rows = [row for _, row in self._tables.reminders.values() if row.fired_at is None and not row.is_closed]
        return min((row.due_at for row in rows if row.due_at > after), default=None)

    def scheduled_wakeup(self) -> datetime | None:
        return self._tables.next_look

    def _due(self, now: datetime) -> list[ReminderRow]:
        rows = (row for _, row in self._tables.reminders.values())
        return [row for row in rows if row.fired_at is None and not row.is_closed and row.due_at <= now]


def _owned(row: tuple[str, Row] | None, user_id: str) -> Row | None:
    return row[1] if row and row[0] == user_id else None


def _is_within(task: Task, filters: Mapping[str, Any]) -> bool:
    moment = task.due_at or task.deadline
    local = task.due_at.astimezone(ZoneInfo(task.time_zone)).date() if task.due_at else None
    day = task.due_on or local
    texts = (folded(task.title), folded(task.description or ""))
    overdue_at, priorities = filters["overdue_at"], filters["priorities"]
    return all(
        (
            filters["completed"] is None or task.completed == filters["completed"],
            filters["series_id"] is None or task.series_id == filters["series_id"],
            overdue_at is None or (task.deadline is not None and task.deadline <= overdue_at),
            priorities is None or task.priority in priorities,
            set(filters["tags"]) <= set(task.tags),
            filters["from_moment"] is None or (moment is not None and moment >= filters["from_moment"]),
            filters["to_moment"] is None or (moment is not None and moment <= filters["to_moment"]),
            filters["from_day"] is None or (day is not None and day >= filters["from_day"]),
            filters["to_day"] is None or (day is not None and day <= filters["to_day"]),
            any(filters["text"] in text for text in texts),
        )
    )


def _sort_key(column: str, task: Task) -> Any:
    match column:
        case "due":
            return task.deadline or _NEVER
        case "priority":
            return PRIORITIES.index(task.priority)
        case _:
            return getattr(task, column)


def _mark_key(column: str, key: str | int) -> Any:
    match column:
        case "due":
            return _NEVER if key == "infinity" else datetime.fromisoformat(str(key))
        case "created_at" | "updated_at":
            return datetime.fromisoformat(str(key))
        case _:
            return key
