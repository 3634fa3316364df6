"""The reminders of one unit of work, and the preferences of the user that decide when they ring."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from taskmaster.domain import reminders
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.reminder_rows import ReminderRow
from taskmaster.domain.task import Task
from taskmaster.events.ids import new_id
from taskmaster.events.outgoing import Origin, Outgoing
from taskmaster.handling.announcements import Moving, ReminderArmed
from taskmaster.handling.transaction import Transaction

_LONGEST_TRANSIT = timedelta(hours=24)  # of a command; a reminder that it arms for an earlier moment would be stale
_HELD_BACK_AT_ONCE = 1000  # reminders of one transaction
_MOVED_AT_ONCE = 20  # tasks of one transaction, with up to 50 reminders each


Look = list[tuple[Task | None, ReminderRow | None, Preferences]]  # what was seen of one reminder, once it was looked at


class ReminderWork:
    """The part of a unit of work that is about reminders. `now` is business time.

    `asked_at` is when the command was sent, where that was earlier than `now`. `locked` has the tasks that the unit of
    work holds, and `writes` what it will write: both are shared with it. `event` makes an outgoing event.
    `look` is shared by the transactions that handle one event.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        origin: Origin,
        now: datetime,
        asked_at: datetime,
        locked: Mapping[int, Task],
        writes: list[Callable[[], None]],
        event: Callable[..., Outgoing],
        look: Look | None = None,
    ) -> None:
        self._transaction = transaction
        self._origin = origin
        self._now = now
        self._asked_at = self._not_stale(asked_at)
        self._locked = locked
        self._writes = writes
        self._event = event
        self._look = look
        self._found: tuple[Task, ReminderRow] | None = None
        self._armed: tuple[datetime, Task] | None = None  # the earliest reminder that this work armed
        self._preferences: Preferences | None = None
        self._preferences_are_held = False

    @property
    def preferences(self) -> Preferences:
        """What this user prefers."""
        if self._preferences is None:
            # Locked (shared) where that is safe and saves a second query: no task may be locked after them.
            self._preferences_are_held = not self._locked
            self._preferences = self._transaction.read_preferences(hold=self._preferences_are_held)
        return self._preferences

    def hold_preferences(self, preferences: Preferences) -> None:
        """Take these, which do not change before the commit."""
        self._preferences, self._preferences_are_held = preferences, True

    def lock_preferences(self) -> Preferences:
        """What this user prefers, locked: no other transaction arms reminders by it. No task may be locked before."""
        self._preferences, self._preferences_are_held = self._transaction.change_preferences(), True
        return self._preferences

    def read(self, task_ids: Sequence[int], *, limit: int) -> list[ReminderRow]:
        """The reminders of those of these tasks that are this user's, not locked, the latest moments first."""
        return self._transaction.read_reminders(task_ids, limit)

    def save_preferences(self, preferences: Preferences) -> None:
        """Save what the user prefers. Where the hour of the day has changed, an event moves the reminders."""
        was, self._preferences = self.preferences, preferences
        self._writes.append(lambda: self._transaction.save_preferences(preferences))
        self._queue(self._event("preferences.updated", preferences.announced(), key=self._origin.user_id))
        if preferences.day_hour != was.day_hour:
            ticket = new_id()
            event = self._move_event(ticket)
            self._writes.append(
                lambda: self._transaction.begin_move(event, ticket, asked_at=self._asked_at, day=self._first_day())
            )

    def move(self, ticket: str) -> None:
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
        self._asked_at = self._not_stale(move.asked_at)
        for task in tasks:
            self.arm(task)
        if move != before:  # another hour was set meanwhile, and the move began again
            self._queue(self._move_event(ticket))
        elif len(tasks) < _MOVED_AT_ONCE:
            self._writes.append(lambda: self._transaction.end_move(ticket))
        else:
            self._writes.append(lambda: self._transaction.advance_move(ticket, tasks[-1].task_id))
            self._queue(self._move_event(ticket))

    def arm(self, task: Task, *, new: bool = False) -> None:
        """Insert the reminders of a task that lie ahead, and delete those that it no longer has."""
        moments = reminders.moments(task, day_hour=self._day_hour(task))
        ahead = [moment for moment in moments if moment > self._asked_at]
        if not new:
            self._writes.append(lambda: self._transaction.drop_reminders(task, moments))
        if ahead:
            self._writes.append(lambda: self._transaction.insert_reminders(task, ahead, self._origin.trace))
            self._note_armed(task, ahead[0])

    def dismiss(self, task: Task) -> None:
        """Delete the reminders in delivery, held back or to be tried again. Those whose moment lies ahead stay."""
        hour = self._day_hour(task)
        ahead = [moment for moment in reminders.moments(task, day_hour=hour) if moment > self._now]
        self._writes.append(lambda: self._transaction.drop_reminders(task, ahead))

    def in_delivery(self, task_id: int, reminder_id: str) -> tuple[Task, ReminderRow] | None:
        """An open task and its reminder in delivery; None where it was completed, moved or snoozed since.

        With a `look` nothing is locked: they are as they were at the first look, and `save` expects them to be so.
        """
        if self._look is None:
            task, reminder, self._preferences = self._transaction.lock_reminder(task_id, reminder_id)
        else:
            if not self._look:
                self._look.append(self._transaction.read_reminder(task_id, reminder_id))
            task, reminder, self._preferences = self._look[0]
        if task is None or task.completed or reminder is None or not reminder.is_in_delivery:
            return None
        self._found = task, reminder
        return task, reminder

    def save(self, reminder: ReminderRow, task: Task) -> None:
        """Update a reminder of a task."""
        if self._look and self._found:
            found = self._found
            self._writes.append(lambda: self._transaction.expect_reminder(*found))
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
        self.save(reminder.held_back(until=until), task)
        if others_due_by:
            self._writes.append(lambda: self._transaction.hold_back_due(others_due_by, until, _HELD_BACK_AT_ONCE))

    def announce(self) -> None:
        """Emit reminder.armed for the earliest moment that was armed, unless the dispatcher wakes before it."""
        if self._armed:
            moment, task = self._armed
            event = self._event("reminder.armed", ReminderArmed(moment=moment), key=task.partition_key)
            self._transaction.insert_outbox_unless_awaited(event, moment, self._now)

    def discard(self) -> None:
        """Announce nothing."""
        self._armed = None

    def _not_stale(self, asked_at: datetime) -> datetime:
        return max(min(asked_at, self._now), self._now - _LONGEST_TRANSIT)

    def _first_day(self, moment: datetime | None = None) -> date:
        """The earliest due day of which a reminder, in any zone, may still lie ahead of a moment."""
        return ((moment or self._asked_at) - timedelta(days=2)).date()

    def _day_hour(self, task: Task) -> str:
        """The hour at which a task that is due on a day reminds. It does not change before this transaction commits."""
        if not reminders.needs_day_hour(task):
            return ""
        if not self._preferences_are_held:
            self._preferences, self._preferences_are_held = self._transaction.read_preferences(hold=True), True
        return self.preferences.day_hour

    def _note_armed(self, task: Task, moment: datetime) -> None:
        if self._armed is None or moment < self._armed[0]:
            self._armed = moment, task

    def _move_event(self, ticket: str) -> Outgoing:
        return self._event("reminders.move", Moving(ticket=ticket), key=self._origin.user_id)

    def _queue(self, event: Outgoing) -> None:
        self._writes.append(lambda: self._transaction.insert_outbox(event))
