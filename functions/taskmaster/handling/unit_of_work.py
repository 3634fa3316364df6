"""The unit of work of an operation: what it reads, and what it writes in one transaction.

Writes are queued until the operation has returned: one that refuses half-way writes nothing.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from taskmaster.domain import reminders
from taskmaster.domain.changes import ChangePosition, Found
from taskmaster.domain.history import ChangedTask, Door, FieldChange, HistoryEntry, changed_fields
from taskmaster.domain.paging import PagePosition, Sort
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.reminder_rows import ReminderRow
from taskmaster.domain.series import Series
from taskmaster.domain.task import FrozenModel, Refused, Task, not_found, precondition_failed, version_conflict
from taskmaster.events.cloudevent import Origin, Outgoing, outgoing
from taskmaster.events.ids import new_id
from taskmaster.handling.announcements import Moving, Rejection, ReminderArmed
from taskmaster.handling.preconditions import Preconditions, tag_of
from taskmaster.handling.transaction import Transaction
from taskmaster.telemetry import spans
from taskmaster.telemetry.trace_context import TraceContext

_LONGEST_TRANSIT = timedelta(hours=24)  # of a command; a reminder that it arms for an earlier moment would be stale
_HELD_BACK_AT_ONCE = 1000  # reminders of one transaction
_MOVED_AT_ONCE = 20  # tasks of one transaction, with up to 50 reminders each


class Work:
    """One invocation on behalf of one user. `now` is business time, the same throughout.

    Reading a task, a series or a reminder locks it, but for `read_...` and `list_tasks`. `add_...` inserts, `save_...`
    updates and `delete_...` deletes, after the operation has returned; for a task also the event and the reminders.
    `asked_at` is when the command was sent, where that was earlier than `now`: a reminder whose moment passed while the
    command waited for the database is not lost.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        origin: Origin,
        now: datetime,
        topic: Callable[[str], str] = str,
        asked_at: datetime | None = None,
        preconditions: Preconditions | None = None,
        door: Door = "call",
    ) -> None:
        self.now = now
        self.preconditions_checked = False
        self._preconditions = preconditions
        self._asked_at = min(max(asked_at or now, now - _LONGEST_TRANSIT), now)
        self._transaction = transaction
        self._origin = origin
        self._topic = topic
        self._door = door
        self._writes: list[Callable[[], None]] = []
        self._locked: dict[int, Task] = {}  # as they were: reminders are written only where their moments change
        self._armed: tuple[datetime, Task] | None = None  # the earliest reminder that this work armed
        self._preferences: Preferences | None = None
        self._preferences_are_held = False

    @property
    def user_id(self) -> str:
        """On whose behalf it is."""
        return self._origin.user_id

    @property
    def trace(self) -> TraceContext | None:
        """The trace that what follows from it belongs to."""
        return self._origin.trace

    def new_task_id(self) -> int:
        """The id of a task to be created."""
        return self._transaction.new_task_id()

    def task(self, task_id: int, *, expecting: int | None = None) -> Task:
        """A task of this user, locked. Refused: 404 when there is none, 412 when it has another version."""
        task = self.find_task(task_id)
        if task is None:
            raise not_found(task_id)
        if expecting is not None and task.version != expecting:
            raise version_conflict(task, expecting)
        self.check_preconditions(task)
        return task

    def check_preconditions(self, shown: FrozenModel) -> None:
        """Check the preconditions of the call against what it changes, as it is shown. Refused: 412 if one is false."""
        self.preconditions_checked = True
        if not self._preconditions:
            return
        tag = str(shown.version) if isinstance(shown, Task) else tag_of(shown.model_dump_json())
        if failed := self._preconditions.failed(tag):
            raise precondition_failed(shown, failed)

    def find_task(self, task_id: int) -> Task | None:
        """A task of this user, locked, or None."""
        task = self._transaction.lock_task(task_id)
        if task is not None:
            self._locked[task_id] = task
        return task

    def series_of(self, task: Task) -> Series | None:
        """The series of a task that is locked already, locked."""
        series = self._transaction.lock_series(task.series_id) if task.series_id else None
        if series:
            spans.link(series.traceparent)
        return series

    def latest_occurrence_after(self, task: Task) -> Task | None:
        """The latest occurrence of its series that came after this one, locked, or None."""
        if task.series_id is None or task.occurrence is None:
            return None
        return self._transaction.lock_latest_after(task.series_id, task.occurrence)

    def read_series(self, task: Task) -> Series | None:
        """The series of a task, not locked."""
        return self._transaction.read_series(task.series_id) if task.series_id else None

    def read_task(self, task_id: int) -> Task:
        """A task of this user, not locked. Refused: 404 when there is none."""
        task = self._transaction.read_task(task_id)
        if task is None:
            raise not_found(task_id)
        return task

    def list_tasks(
        self, filters: Mapping[str, Any], *, sort: Sort, beyond: PagePosition | None, limit: int
    ) -> list[Task]:
        """Tasks of this user in an order, not locked: those behind a position."""
        return self._transaction.list_tasks(filters, sort, beyond, limit)

    def changes(self, position: ChangePosition | None, *, limit: int) -> Found:
        """What changed of this user's tasks since a position."""
        return self._transaction.read_changes(position, limit)

    def history(self, task_id: int, *, before: int, limit: int) -> list[HistoryEntry]:
        """Entries of the history of a task with versions below `before`, the latest first.

        Refused: 404 when there is neither an entry nor a task.
        """
        found = self._transaction.read_history(task_id, before, limit)
        if not found:
            self.read_task(task_id)
        return found

    @property
    def preferences(self) -> Preferences:
        """What this user prefers."""
        if self._preferences is None:
            # Locked (shared) where that is safe and saves a second query: no task may be locked after them.
            self._preferences_are_held = not self._locked
            self._preferences = self._transaction.read_preferences(hold=self._preferences_are_held)
        return self._preferences

    def _day_hour(self, task: Task) -> str:
        """The hour at which a task that is due on a day reminds. It does not change before this transaction commits."""
        if not reminders.needs_day_hour(task):
            return ""
        if not self._preferences_are_held:
            self._preferences, self._preferences_are_held = self._transaction.read_preferences(hold=True), True
        return self.preferences.day_hour

    def lock_preferences(self) -> Preferences:
        """What this user prefers, locked: no other transaction arms reminders by it. No task may be locked before."""
        self._preferences, self._preferences_are_held = self._transaction.change_preferences(), True
        return self._preferences

    def save_preferences(self, preferences: Preferences) -> None:
        """Save what the user prefers. Where the hour of the day has changed, an event moves the reminders."""
        was, self._preferences = self.preferences, preferences
        self._writes.append(lambda: self._transaction.save_preferences(preferences))
        self._queue_event("preferences.updated", preferences.announced(), key=self._origin.user_id)
        if preferences.day_hour != was.day_hour:
            ticket = new_id()
            event = self._move_event(ticket)
            self._writes.append(
                lambda: self._transaction.begin_move(event, ticket, asked_at=self._asked_at, day=self._first_day())
            )

    def move_reminders(self, ticket: str) -> None:
        """Move the reminders of a few more tasks to a new hour of the day, and emit an event for those that are left.

        No task is locked for long, however many the user has. The event only triggers: the row of the move says how far
        it is, and an event with another ticket than that row does nothing.
        """
        before = self._transaction.read_move(ticket)
        if before is None:
            return
        day = self._first_day(before.asked_at)
        tasks = self._transaction.lock_tasks_to_move(before.after_task, day, _MOVED_AT_ONCE)
        # Tasks first, then preferences: the order of every transaction that changes a task. Now the hour stays.
        self._preferences, self._preferences_are_held = self._transaction.read_preferences(hold=True), True
        move = self._transaction.read_move(ticket)
        if move is None:
            return
        self._asked_at = max(min(move.asked_at, self.now), self.now - _LONGEST_TRANSIT)
        for task in tasks:
            self._arm_reminders(task)
        if move != before:  # another hour was set meanwhile, and the move began again
            self._emit_move(ticket)
        elif len(tasks) < _MOVED_AT_ONCE:
            self._writes.append(lambda: self._transaction.end_move(ticket))
        else:
            self._writes.append(lambda: self._transaction.advance_move(ticket, tasks[-1].task_id))
            self._emit_move(ticket)

    def _first_day(self, moment: datetime | None = None) -> date:
        """The earliest due day of which a reminder, in any zone, may still lie ahead of a moment."""
        return ((moment or self._asked_at) - timedelta(days=2)).date()

    def _emit_move(self, ticket: str) -> None:
        event = self._move_event(ticket)
        self._writes.append(lambda: self._transaction.insert_outbox(event))

    def _move_event(self, ticket: str) -> Outgoing:
        return self._event("reminders.move", Moving(ticket=ticket), key=self._origin.user_id)

    def add_task(self, task: Task, *, event: str = "task.created") -> Task:
        self._writes.append(lambda: self._transaction.insert_task(task))
        self._arm_reminders(task, new=True)
        self._note(event, task)
        self.emit(event, task)
        return task

    def save_task(self, task: Task, *, event: str = "task.updated") -> Task:
        self._writes.append(lambda: self._transaction.update_task(task))
        was = self._locked.get(task.task_id)
        if was is None or reminders.depends_on(was) != reminders.depends_on(task):
            self._arm_reminders(task)
        changed = changed_fields(was, task) if was else {}
        self._locked[task.task_id] = task
        self._note(event, task, changed=changed)
        self.emit(event, task, data=ChangedTask.model_construct(**task.__dict__, field_changes=changed))
        return task

    def _arm_reminders(self, task: Task, *, new: bool = False) -> None:
        """Insert the reminders of a task that lie ahead, and delete those that it no longer has."""
        moments = reminders.moments(task, day_hour=self._day_hour(task))
        ahead = [moment for moment in moments if moment > self._asked_at]
        if not new:
            self._writes.append(lambda: self._transaction.drop_reminders(task, moments))
        if ahead:
            self._writes.append(lambda: self._transaction.insert_reminders(task, ahead, self.trace))
            self._note_armed(task, ahead[0])

    def reminder_in_delivery(self, task_id: int, reminder_id: str) -> tuple[Task, ReminderRow] | None:
        """An open task and its reminder in delivery; None where it was completed, moved or snoozed since."""
        task, reminder, self._preferences = self._transaction.lock_reminder(task_id, reminder_id)
        if task is None or task.completed or reminder is None or not reminder.is_in_delivery:
            return None
        return task, reminder

    def save_reminder(self, reminder: ReminderRow, task: Task) -> None:
        self._writes.append(lambda: self._transaction.update_reminder(reminder))
        if reminder.fired_at is None:
            self._note_armed(task, reminder.due_at)

    def hold_back(
        self, reminder: ReminderRow, task: Task, *, until: datetime, others_due_by: datetime | None = None
    ) -> None:
        """Make a reminder in delivery due again at `until`.

        With `others_due_by`, the reason holds for every reminder of this user, and those that are due by then are held
        back too: each would otherwise come to the same end by an event of its own.
        """
        self.save_reminder(reminder.held_back(until=until), task)
        if others_due_by:
            self._writes.append(lambda: self._transaction.hold_back_due(others_due_by, until, _HELD_BACK_AT_ONCE))

    def dismiss_reminders(self, task: Task) -> None:
        """Delete the reminders in delivery, held back or to be tried again. Those whose moment lies ahead stay."""
        hour = self._day_hour(task)
        ahead = [moment for moment in reminders.moments(task, day_hour=hour) if moment > self.now]
        self._writes.append(lambda: self._transaction.drop_reminders(task, ahead))

    def _note_armed(self, task: Task, moment: datetime) -> None:
        """Have `flush` emit reminder.armed for the earliest moment, unless the dispatcher wakes before it."""
        if self._armed is None or moment < self._armed[0]:
            self._armed = moment, task

    def delete_task(self, task: Task, *, event: str = "task.deleted") -> None:
        self._writes.append(lambda: self._transaction.delete_task(task))
        self._note(event, task, version=task.version + 1)
        self.emit(event, task)

    def _note(
        self, event: str, task: Task, *, changed: dict[str, FieldChange] | None = None, version: int | None = None
    ) -> None:
        """Have an entry written into the history of a task."""
        entry = HistoryEntry(
            version=version or task.version, at=self.now, action=event, door=self._door, changed=changed or {}
        )
        self._writes.append(lambda: self._transaction.insert_history(task.task_id, entry))

    def add_series(self, series: Series) -> None:
        begun = series.model_copy(update={"traceparent": self.trace.traceparent}) if self.trace else series
        self._writes.append(lambda: self._transaction.insert_series(begun))

    def save_series(self, series: Series) -> None:
        self._writes.append(lambda: self._transaction.update_series(series))

    def emit(self, event_type: str, about: Task, *, data: FrozenModel | None = None) -> None:
        """An event about a task, published after the commit to the topics of its route."""
        self._queue_event(
            event_type,
            data or about,
            key=about.partition_key,
            subject=f"tasks/{about.task_id}",
            recurs=about.recurrence_pattern is not None,
        )

    def reject(self, command_type: str, command_id: str, refusal: Refused) -> None:
        """Discard all writes, and emit task.command.rejected with the reason."""
        self.discard()
        rejection = Rejection(
            command=command_type,
            command_id=command_id,
            status=refusal.status,
            title=refusal.title,
            detail=refusal.detail,
        )
        self._queue_event("task.command.rejected", rejection, key=self._origin.user_id)

    def flush(self) -> bool:
        """Write what was queued, in its order. Whether there was anything."""
        for write in self._writes:
            write()
        if self._armed:
            moment, task = self._armed
            event = self._event("reminder.armed", ReminderArmed(moment=moment), key=task.partition_key)
            self._transaction.insert_outbox_unless_awaited(event, moment, self.now)
        return bool(self._writes)

    def discard(self) -> None:
        self._writes.clear()
        self._armed = None

    def _queue_event(
        self, event_type: str, data: FrozenModel, *, key: str, subject: str | None = None, recurs: bool = False
    ) -> None:
        event = self._event(event_type, data, key=key, subject=subject, recurs=recurs)
        self._writes.append(lambda: self._transaction.insert_outbox(event))

    def _event(
        self, event_type: str, data: FrozenModel, *, key: str, subject: str | None = None, recurs: bool = False
    ) -> Outgoing:
        return outgoing(
            event_type,
            data,
            origin=self._origin,
            at=self.now,
            key=key,
            topic=self._topic,
            recurs=recurs,
            subject=subject,
        )
