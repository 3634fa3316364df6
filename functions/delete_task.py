"""delete-task: a task goes, and with the open occurrence of a series the series ends."""

from taskmaster.door import operation
from taskmaster.tasks import TaskCommand
from taskmaster.work import Work


class DeleteTask(TaskCommand):
    pass


@operation("task.delete", http=["DELETE /{task_id}", "DELETE /tasks/{task_id}"])
def delete_task(command: DeleteTask, work: Work) -> None:
    task = work.task(command.task_id, expecting=command.expected_version)
    series = work.series_of(task)
    if series and series.head == task.occurrence:
        work.keep(series.ended(at=work.now))
    work.delete(task)
