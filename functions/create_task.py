"""create-task: a task begins; one with a recurrence pattern begins a series."""

from pydantic import Field

from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.reminders import Reminders, check_reminders
from taskmaster.domain.series import Series
from taskmaster.domain.task import (
    Command,
    Day,
    Description,
    Pattern,
    Priority,
    RecurrenceFrom,
    Tags,
    Task,
    Timestamp,
    TimeZone,
    Title,
)
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import operation


class CreateTask(Command):
    title: Title
    description: Description | None = None
    priority: Priority = "medium"
    tags: Tags = []
    due_at: Timestamp | None = None
    due_on: Day | None = None
    time_zone: TimeZone | None = Field(default=None, description="IANA name; without it, the one its user prefers")
    reminders: Reminders | None = Field(
        default=None, description="without them those that its user prefers, or one at the due time"
    )
    recurrence_pattern: Pattern | None = None
    recurrence_from: RecurrenceFrom = "due"


@operation("task.create", http=["POST /", "POST /tasks"], status=201, idempotent=False)
def create_task(command: CreateTask, work: Work) -> Task:
    fields = {**command.model_dump(), "time_zone": command.time_zone or work.preferences.time_zone}
    if command.reminders is None and (command.due_at or command.due_on):
        fields["reminders"] = work.preferences.reminders
    task = Task(task_id=work.new_task_id(), created_at=work.now, updated_at=work.now, **fields)
    task = first_occurrence(check_reminders(check_recurrence(task)))
    if task.recurrence_pattern:
        work.add_series(Series.started_by(task))
    return work.add_task(task)
