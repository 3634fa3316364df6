"""update-task: fields of a task change, by JSON Merge Patch (RFC 7396): an absent field stays, null clears.

In a series, a new title, description, priority or tags hold from this occurrence on and a new date for this one alone;
`scope` says otherwise. A new pattern counts from this occurrence; a paused series makes no successors until it goes on.
"""

from typing import Any

from pydantic import Field

from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.reminders import Reminders, check_reminders
from taskmaster.domain.series import DATE, Scope, Series
from taskmaster.domain.task import (
    Day,
    Description,
    Pattern,
    Priority,
    RecurrenceFrom,
    Refused,
    Tags,
    Task,
    TaskCommand,
    Timestamp,
    TimeZone,
    Title,
)
from taskmaster.handling.succession import follow
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import operation

_DEFAULTS = {"priority": "medium", "tags": [], "recurrence_from": "due", "recurrence_paused": False}


class UpdateTask(TaskCommand):
    is_patch = True

    title: Title = ""  # may be left out, but not cleared
    description: Description | None = None
    priority: Priority | None = None
    tags: Tags | None = None
    due_at: Timestamp | None = None
    due_on: Day | None = None
    time_zone: TimeZone | None = None
    reminders: Reminders | None = None
    recurrence_pattern: Pattern | None = None
    recurrence_from: RecurrenceFrom | None = None
    recurrence_paused: bool | None = None
    scope: Scope | None = Field(
        default=None,
        description="in a series: this occurrence alone, or all that follow too; without it, as the field has it",
    )

    def changes(self, task: Task, work: Work) -> dict[str, Any]:
        """The fields that were sent and differ; a cleared one takes its default."""
        values = {name: getattr(self, name) for name in self.model_fields_set & Task.model_fields.keys()}
        values = {name: _DEFAULTS.get(name) if value is None else value for name, value in values.items()}
        if "time_zone" in values and values["time_zone"] is None:
            values["time_zone"] = work.preferences.time_zone
        if "recurrence_pattern" in values and values["recurrence_pattern"] is None:
            values["recurrence_paused"] = False
        return {name: value for name, value in values.items() if value != getattr(task, name)}


@operation("task.update", http=["PATCH /{task_id}", "PATCH /tasks/{task_id}"], destructive=True)
def update_task(command: UpdateTask, work: Work) -> Task:
    task = work.task(command.task_id, expecting=command.expected_version)
    changes = command.changes(task, work)
    if not changes:
        return task
    changed = task.changed(at=work.now, **changes)
    redated = bool(changes.keys() & DATE)
    check_recurrence(changed, rule=changed.rule != task.rule or (redated and command.scope == "following"))
    if redated or "reminders" in changes:
        check_reminders(changed)
    series = work.series_of(task)
    is_about_series = _is_about_the_series(command, changes)
    has_ended = series is None or series.ended_at is not None
    if has_ended and task.completed and changed.recurrence_pattern and is_about_series:
        raise Refused(409, "Completed", "Reopen the task first: while it is completed, no series begins with it.")
    if series is None:
        if changed.recurrence_pattern:
            changed = first_occurrence(changed)
            work.add_series(Series.started_by(changed))
    elif series.head == task.occurrence:
        series = series.edited(changed, was=task, scope=command.scope)
        work.save_series(series)
        if task.completed and is_about_series and series.continues_after(task):
            _go_on(changed, series, work)
    elif has_ended and changes.get("recurrence_pattern"):
        work.save_series(Series.started_by(changed))  # it stood alone: what came behind it was deleted
    elif is_about_series:
        raise Refused(409, "The series has moved on", "Change what is to follow at the open occurrence of the series.")
    return work.save_task(changed)


def _is_about_the_series(command: UpdateTask, changes: dict[str, Any]) -> bool:
    """Whether it is to hold for those that follow, and not for this occurrence alone."""
    about = {"recurrence_pattern", "recurrence_from", "recurrence_paused"}
    return command.scope == "following" or bool(changes.keys() & about)


def _go_on(task: Task, series: Series, work: Work) -> None:
    """Follow a completed task whose successor has not come: it was completed in a pause, or a moment ago.

    The event of its completion may have been handled already. The date is none that has passed meanwhile, unless dates
    are counted from the completion.
    """
    done_at = task.completed_at if series.recurrence_from == "completion" else None
    follow(task, series, work, completed_at=done_at or work.now)
