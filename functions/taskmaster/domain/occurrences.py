"""The dates ahead: of a series, or of a pattern before it is used. Computed, never stored."""

from datetime import date, datetime
from itertools import islice
from typing import Annotated

from pydantic import BeforeValidator, Field

from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.series import Series
from taskmaster.domain.task import Command, Day, FrozenModel, Pattern, Task, TaskId, Timestamp, TimeZone, number

Count = Annotated[int, Field(ge=1, le=100), BeforeValidator(number)]


class ListOccurrences(Command):
    task_id: TaskId
    count: Count = Field(default=10, description="dates, at most")


class PreviewOccurrences(Command):
    """A pattern and the date it starts from, as a query string."""

    recurrence_pattern: Pattern
    due_at: Timestamp | None = None
    due_on: Day | None = None
    time_zone: TimeZone = "UTC"
    count: Count = Field(default=10, description="dates, at most")


class Occurrence(FrozenModel):
    """One date: a moment in UTC, or a day."""

    due_at: datetime | None = Field(default=None, description="the moment")
    due_on: date | None = Field(default=None, description="the day")


class Occurrences(FrozenModel):
    occurrences: list[Occurrence]


def upcoming(series: Series, task: Task, *, count: int, now: datetime) -> Occurrences:
    """The next dates of a series after its head, which the task may be."""
    due = task.due if task.occurrence == series.head else None
    return Occurrences(occurrences=[_shown(each) for each in islice(series.upcoming(due, now=now), count)])


def preview(command: PreviewOccurrences, *, now: datetime) -> Occurrences:
    """The dates of a pattern, the start first. Refused (422) where it is no rule."""
    fields = command.model_dump(exclude={"count"})
    task = first_occurrence(
        check_recurrence(Task(task_id=1, title="preview", created_at=now, updated_at=now, **fields))
    )
    start = Occurrence(due_at=task.due_at, due_on=task.due_on)
    series = Series.started_by(task)
    assert task.due is not None  # a pattern wants one
    rest = upcoming(series, task, count=command.count - 1, now=series.done_on(task.due)).occurrences
    return Occurrences(occurrences=[start, *rest])


def _shown(due: datetime | date) -> Occurrence:
    return Occurrence(due_at=due) if isinstance(due, datetime) else Occurrence(due_on=due)
