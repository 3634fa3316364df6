"""delete-task: a task goes, and with the open occurrence of a series the series ends.

With scope "this" only the occurrence goes: the series moves on to its next date.
"""

from pydantic import Field

from taskmaster.domain.series import Scope
from taskmaster.domain.task import TaskCommand
from taskmaster.handling.succession import skip
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import operation


class DeleteTask(TaskCommand):
    scope: Scope = Field(
        default="following", description="following: its series ends too; this: the series moves on to its next date"
    )


@operation("task.delete", http=["DELETE /{task_id}", "DELETE /tasks/{task_id}"], destructive=True)
def delete_task(command: DeleteTask, work: Work) -> None:
    task = work.task(command.task_id, expecting=command.expected_version)
    series = work.series_of(task)
    is_head = series is not None and series.ended_at is None and series.head == task.occurrence
    if series and is_head and not task.completed and command.scope == "this":
        skip(task, series, work)
        return
    if series and is_head:
        work.save_series(series.ended(at=work.now))
    work.delete_task(task)
