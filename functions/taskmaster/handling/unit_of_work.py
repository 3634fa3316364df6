"""The unit of work of an operation: what it reads, and what it writes in one transaction.

Writes are queued until the operation has returned: one that refuses half-way writes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from taskmaster.domain import reminders
from taskmaster.domain.history import ChangedTask, Door, FieldChange, HistoryEntry, changed_fields
from taskmaster.domain.paging import PagePosition, Sort
from taskmaster.domain.preferences import Preferences
from taskmaster.domain.series import Series
from taskmaster.domain.task import FrozenModel, Refused, Task, not_found, precondition_failed, version_conflict
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from taskmaster.handling.announcements import Rejection
from taskmaster.handling.preconditions import Preconditions, tag_of
from taskmaster.handling.reminder_work import Look, ReminderWork
from taskmaster.handling.transaction import Transaction
from taskmaster.telemetry import spans
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from taskmaster.domain.changes import ChangePosition, Found


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
        look: Look | None = None,
    ) -> None:
        self.now = now
        self.preconditions_checked = False
        self._preconditions = preconditions
        self._transaction = transaction
        self._origin = origin
        self._door = door
        self._writes: list[Callable[[], None]] = []
        self._locked: dict[int, Task] = {}  # as they were: reminders are written only where their moments change
        self._event = partial(outgoing, origin=origin, at=now, topic=topic)
        self.reminders = ReminderWork(
            transaction,
            origin=origin,
            now=now,
            asked_at=asked_at or now,
            locked=self._locked,
            writes=self._writes,
            event=self._event,
            look=look,
        )

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

    def find_occurrence(self, task_id: int) -> tuple[Task | None, Series | None]:
        """A task of this user and its series, locked, or None. What follows from them is made without another read."""
        task, series, preferences = self._transaction.lock_occurrence(task_id)
        if task is not None:
            self._locked[task_id] = task
        self.reminders.hold_preferences(preferences)
        return task, _linked(series)

    def series_of(self, task: Task) -> Series | None:
        """The series of a task that is locked already, locked."""
        return _linked(self._transaction.lock_series(task.series_id) if task.series_id else None)

    def latest_occurrence_after(self, task: Task) -> Task | None:
        """The latest occurrence of its series that came after this one, locked, or None."""
        if task.series_id is None or task.occurrence is None:
            return None
        return self._transaction.lock_latest_after(task.series_id, task.occurrence)

    def read_series(self, task: Task) -> Series | None:
        """The series of a task, not locked."""
        return self._transaction.read_series(task.series_id) if task.series_id else None

    def series_of_all(self, tasks: Sequence[Task]) -> dict[int, Series]:
        """The series of these tasks by their ids, not locked."""
        series_ids = [task.series_id for task in tasks if task.series_id]
        return self._transaction.read_all_series(series_ids) if series_ids else {}

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

    def changes(self, position: "ChangePosition | None", *, limit: int) -> "Found":
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
        return self.reminders.preferences

    def add_task(self, task: Task, *, event: str = "task.created") -> Task:
        self._writes.append(lambda: self._transaction.insert_task(task))
        self.reminders.arm(task, new=True)
        self._note(event, task)
        self.emit(event, task)
        return task

    def save_task(self, task: Task, *, event: str = "task.updated") -> Task:
        self._writes.append(lambda: self._transaction.update_task(task))
        was = self._locked.get(task.task_id)
        if was is None or reminders.depends_on(was) != reminders.depends_on(task):
            self.reminders.arm(task)
        changed = changed_fields(was, task) if was else {}
        self._locked[task.task_id] = task
        self._note(event, task, changed=changed)
        self.emit(event, task, data=ChangedTask.model_construct(**task.__dict__, field_changes=changed))
        return task

    def save_calendar(self, digest: bytes) -> None:
        """Have the user's calendar feed opened by the secret with this digest, and by no other."""
        self._writes.append(lambda: self._transaction.save_calendar(digest, self.now))

    def delete_calendar(self) -> None:
        """Have no secret open the user's calendar feed."""
        self._writes.append(self._transaction.delete_calendar)

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
        recurs = about.recurrence_pattern is not None
        subject = f"tasks/{about.task_id}"
        self._queue(self._event(event_type, data or about, key=about.partition_key, subject=subject, recurs=recurs))

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
        self._queue(self._event("task.command.rejected", rejection, key=self._origin.user_id))

    def flush(self) -> bool:
        """Write what was queued, in its order. Whether there was anything."""
        for write in self._writes:
            write()
        self.reminders.announce()
        return bool(self._writes)

    def discard(self) -> None:
        self._writes.clear()
        self.reminders.discard()

    def _queue(self, event: Outgoing) -> None:
        self._writes.append(lambda: self._transaction.insert_outbox(event))


def _linked(series: Series | None) -> Series | None:
    """The series; the span of this invocation is linked with the one that began it."""
    if series:
        spans.link(series.traceparent)
    return series
