"""create-task: a task begins; one with a recurrence pattern begins a series."""

from taskmaster.door import operation
from taskmaster.series import Series, begun, checked
from taskmaster.tasks import (
    Command,
    Day,
    Description,
    Moment,
    Pattern,
    Priority,
    RecurrenceFrom,
    Tags,
    Task,
    TimeZone,
    Title,
)
from taskmaster.work import Work


class CreateTask(Command):
    title: Title
    description: Description | None = None
    priority: Priority = "medium"
    tags: Tags = []
    due_at: Moment | None = None
    due_on: Day | None = None
    time_zone: TimeZone = "UTC"
    recurrence_pattern: Pattern | None = None
    recurrence_from: RecurrenceFrom = "due"


@operation("task.create", http=["POST /", "POST /tasks"], status=201)
def create_task(command: CreateTask, work: Work) -> Task:
    task = Task(task_id=work.new_task_id(), created_at=work.now, updated_at=work.now, **command.model_dump())
    task = begun(checked(task))
    if task.recurrence_pattern:
        work.begin(Series.begun_by(task))
    return work.create(task)
