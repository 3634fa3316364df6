"""The unit of work an operation is given: what it may read, and what it leaves behind in one transaction.

Writes are kept until the operation has returned: one that refuses half-way leaves nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from taskmaster import routes
from taskmaster.events import Origin, Outgoing, outgoing
from taskmaster.pages import Mark, Sort
from taskmaster.series import Series
from taskmaster.tasks import Record, Refused, Task, not_found, version_conflict


class Transaction(Protocol):
    """What a store must offer on behalf of one user."""

    def new_task_id(self) -> int: ...
    def read_task(self, task_id: int) -> Task | None: ...
    def lock_task(self, task_id: int) -> Task | None: ...
    def lock_latest_after(self, series_id: int, occurrence: int) -> Task | None: ...
    def list_tasks(self, filters: Mapping[str, Any], sort: Sort, beyond: Mark | None, limit: int) -> list[Task]: ...
    def lock_series(self, series_id: int) -> Series | None: ...
    def read_series(self, series_id: int) -> Series | None: ...
    def insert_task(self, task: Task) -> None: ...
    def update_task(self, task: Task) -> None: ...
    def delete_task(self, task: Task) -> None: ...
    def insert_series(self, series: Series) -> None: ...
    def update_series(self, series: Series) -> None: ...
    def insert_outbox(self, event: Outgoing) -> None: ...


class Work:
    """One invocation on behalf of one user. `now` is business time, the same throughout."""

    def __init__(
        self,
        transaction: Transaction,
        *,
        origin: Origin,
        now: datetime,
        topic: Callable[[str], str] = str,
    ) -> None:
        self.now = now
        self._transaction = transaction
        self._origin = origin
        self._topic = topic
        self._writes: list[Callable[[], None]] = []

    def new_task_id(self) -> int:
        """The id of a task to be created."""
        return self._transaction.new_task_id()

    def task(self, task_id: int, *, expecting: int | None = None) -> Task:
        """A task of this user, locked. Refused: 404 when there is none, 412 when it has another version."""
        task = self._transaction.lock_task(task_id)
        if task is None:
            raise not_found(task_id)
        if expecting is not None and task.version != expecting:
            raise version_conflict(task, expecting)
        return task

    def find(self, task_id: int) -> Task | None:
        """A task of this user, locked, or None."""
        return self._transaction.lock_task(task_id)

    def series_of(self, task: Task) -> Series | None:
        """The series of a task that is locked already, locked."""
        return self._transaction.lock_series(task.series_id) if task.series_id else None

    def latest_after(self, task: Task) -> Task | None:
        """The latest occurrence of its series that came after this one, locked, or None."""
        if task.series_id is None or task.occurrence is None:
            return None
        return self._transaction.lock_latest_after(task.series_id, task.occurrence)

    def read_series(self, task: Task) -> Series | None:
        """The series of a task, not locked."""
        return self._transaction.read_series(task.series_id) if task.series_id else None

    def look_up(self, task_id: int) -> Task:
        """A task of this user, not locked. Refused: 404 when there is none."""
        task = self._transaction.read_task(task_id)
        if task is None:
            raise not_found(task_id)
        return task

    def tasks(self, filters: Mapping[str, Any], *, sort: Sort, beyond: Mark | None, limit: int) -> list[Task]:
        """Tasks of this user in an order, those beyond a mark."""
        return self._transaction.list_tasks(filters, sort, beyond, limit)

    def create(self, task: Task, *, event: str = "task.created") -> Task:
        self._writes.append(lambda: self._transaction.insert_task(task))
        self.announce(event, task)
        return task

    def save(self, task: Task, *, event: str = "task.updated") -> Task:
        self._writes.append(lambda: self._transaction.update_task(task))
        self.announce(event, task)
        return task

    def delete(self, task: Task, *, event: str = "task.deleted") -> None:
        self._writes.append(lambda: self._transaction.delete_task(task))
        self.announce(event, task)

    def begin(self, series: Series) -> None:
        self._writes.append(lambda: self._transaction.insert_series(series))

    def keep(self, series: Series) -> None:
        self._writes.append(lambda: self._transaction.update_series(series))

    def announce(self, event_type: str, about: Task, *, data: Record | None = None) -> None:
        """An event about a task, published after the commit to the topics of its route."""
        self._emit(
            event_type,
            (data or about).model_dump_json().encode(),
            key=about.partition_key,
            subject=f"tasks/{about.task_id}",
            recurs=about.recurrence_pattern is not None,
        )

    def reject(self, command_type: str, command_id: str, refusal: Refused) -> None:
        """Nothing of this work stays but the word that the command was refused, and why."""
        self._writes.clear()
        rejection = Rejection(
            command=command_type,
            command_id=command_id,
            status=refusal.status,
            title=refusal.title,
            detail=refusal.detail,
        )
        self._emit("task.command.rejected", rejection.model_dump_json().encode(), key=self._origin.user_id)

    def flush(self) -> bool:
        """Write what the operation left, in its order. Whether there was anything."""
        for write in self._writes:
            write()
        return bool(self._writes)

    def discard(self) -> None:
        self._writes.clear()

    def _emit(
        self, event_type: str, data: bytes, *, key: str, subject: str | None = None, recurs: bool = False
    ) -> None:
        topics = tuple(dict.fromkeys(map(self._topic, routes.topics_of(event_type, recurs=recurs))))
        event = outgoing(event_type, data, origin=self._origin, at=self.now, key=key, topics=topics, subject=subject)
        self._writes.append(lambda: self._transaction.insert_outbox(event))


class Rejection(Record):
    """Data of task.command.rejected: which command a rule refused, and what a person's call would have got."""

    command: str
    command_id: str
    status: int
    title: str
    detail: str
