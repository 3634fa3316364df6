"""complete-task: a task is done; if it recurs, the event brings its next occurrence."""

from taskmaster.domain.task import Task, TaskCommand
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import operation


class CompleteTask(TaskCommand):
    pass


@operation("task.complete", http=["POST /{task_id}", "POST /tasks/{task_id}/complete"])
def complete_task(command: CompleteTask, work: Work) -> Task:
    task = work.task(command.task_id, expecting=command.expected_version)
    if task.completed:
        return task  # completing twice is one completion
    return work.save_task(task.complete(at=work.now), event="task.completed")
