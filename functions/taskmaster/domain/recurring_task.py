"""A task that recurs: whether its date and its pattern go together, and how it begins a series. Pure."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from taskmaster.domain.task import Refused, Task


def first_occurrence(task: Task) -> Task:
    """The task as the first occurrence of a series, if it has a pattern."""
    if task.recurrence_pattern is None:
        return task
    return task.model_copy(update={"series_id": task.task_id, "occurrence": 1})


def alone(task: Task) -> Task:
    """The task without its recurrence; it may begin a new series."""
    return task.model_copy(update={"recurrence_pattern": None, "recurrence_paused": False})


def check_recurrence(task: Task, *, rule: bool = True) -> Task:
    """The task, if its due fields and, with `rule`, its pattern are valid together. Raises Refused (422)."""
    if task.due_at and task.due_on:
        raise Refused(422, "Due twice", "A task is due at a moment (due_at) or on a day (due_on), not both.")
    if task.recurrence_pattern is None:
        if task.recurrence_paused:
            raise Refused(422, "Nothing to pause", "Only a task with a recurrence_pattern can be paused.")
        return task
    if task.due is None:
        raise Refused(422, "Nothing to recur from", "A recurrence_pattern needs due_at or due_on to start from.")
    if rule:
        _check_rule(task.recurrence_pattern, task)
    return task


def _check_rule(pattern: str, task: Task) -> None:
    from taskmaster.domain import recurrence

    start = local_start(task)
    try:
        recurrence.check(recurrence.parse(pattern), start["starts_at"] or start["starts_on"], ZoneInfo(task.time_zone))
    except recurrence.RuleError as error:
        raise Refused(422, "Not a recurrence", f"recurrence_pattern, {error.part}: {error.detail}") from None


def local_day(task: Task) -> date | None:
    """The day on which a task is due, in its zone."""
    return task.due_at.astimezone(ZoneInfo(task.time_zone)).date() if task.due_at else task.due_on


def local_start(task: Task) -> dict[str, Any]:
    """The due date as a local start: a naive wall time in the task's zone, or a day."""
    local = task.due_at.astimezone(ZoneInfo(task.time_zone)).replace(tzinfo=None) if task.due_at else None
    return {"time_zone": task.time_zone, "starts_at": local, "starts_on": task.due_on}
