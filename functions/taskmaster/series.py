"""A series: what a recurring task repeats, and how far it has come. Pure; the rules of dates are in recurrence."""

from datetime import date, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from taskmaster import recurrence
from taskmaster.tasks import Record, RecurrenceFrom, Refused, Task

_TEMPLATE = ("title", "description", "priority", "tags")


class Series(Record):
    """The truth about a recurring task; events only trigger. `head` is its open, or last completed, occurrence."""

    series_id: int
    recurrence_pattern: str
    recurrence_from: RecurrenceFrom
    time_zone: str
    starts_at: datetime | None  # naive: wall time in time_zone
    starts_on: date | None
    template: dict[str, Any]
    head: int
    position: int
    paused_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def begun_by(cls, task: Task) -> Self:
        """The series that a task with a pattern begins. Its first occurrence is the task itself."""
        zone = ZoneInfo(task.time_zone)
        return cls(
            series_id=task.task_id,
            recurrence_pattern=task.recurrence_pattern or "",
            recurrence_from=task.recurrence_from,
            time_zone=task.time_zone,
            starts_at=task.due_at.astimezone(zone).replace(tzinfo=None) if task.due_at else None,
            starts_on=task.due_on,
            template=template_of(task),
            head=1,
            position=1,
        )

    @property
    def start(self) -> datetime | date:
        """Local: a naive wall time in `time_zone`, or a day."""
        start = self.starts_at or self.starts_on
        assert start is not None  # the table's check
        return start

    def next(self, *, completed_at: datetime) -> recurrence.Next | None:
        """What follows the head, or None when COUNT or UNTIL has ended the series.

        From the due date: the next of the rule that lies after the completion. From the completion: the rule counted
        anew from the local day on which it was completed.
        """
        rule = recurrence.parse(self.recurrence_pattern)
        zone = ZoneInfo(self.time_zone)
        local = completed_at.astimezone(zone)
        after = completed_at if self.starts_at else local.date()
        return recurrence.next_occurrence(rule, self.start, zone, position=self.position, after=after)

    def advanced(self, to: recurrence.Next) -> Self:
        return self.model_copy(update={"head": self.head + 1, "position": to.position})

    def ended(self, *, at: datetime) -> Self:
        return self.model_copy(update={"ended_at": at})


def template_of(task: Task) -> dict[str, Any]:
    """What every further occurrence is made with."""
    return task.model_dump(mode="json", include=set(_TEMPLATE))


def checked(task: Task) -> Task:
    """The task, if its dates and its pattern go together. Raises Refused (422)."""
    if task.due_at and task.due_on:
        raise Refused(422, "Due twice", "A task is due at a moment (due_at) or on a day (due_on), not both.")
    if task.recurrence_pattern is None:
        return task
    try:
        recurrence.parse(task.recurrence_pattern)
    except recurrence.RuleError as error:
        raise Refused(422, "Not a recurrence", f"recurrence_pattern, {error.part}: {error.detail}") from None
    if task.due is None:
        raise Refused(422, "Nothing to recur from", "A recurrence_pattern needs due_at or due_on to start from.")
    return task
