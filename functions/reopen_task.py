"""reopen-task: a completed task is open again; a successor that nobody has touched is withdrawn."""

from taskmaster.domain.recurring_task import alone
from taskmaster.domain.task import Refused, Task, TaskCommand
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import operation


class ReopenTask(TaskCommand):
    pass


@operation("task.reopen", http=["POST /{task_id}", "POST /tasks/{task_id}/reopen"], destructive=True)
def reopen_task(command: ReopenTask, work: Work) -> Task:
    task = work.task(command.task_id, expecting=command.expected_version)
    if not task.completed:
        return task
    successor = work.latest_occurrence_after(task)
    # One that lies further ahead follows an occurrence that was completed: withdrawn, it would leave the series there.
    if successor and (successor.is_touched or not successor.follows_directly(task)):
        since = "completed since. Reopen" if successor.completed else "changed since, and is open. Go on with"
        detail = f"Its later occurrence, task {successor.task_id}, was {since} that one."
        raise Refused(409, "The series has moved on", detail)
    series = work.series_of(task)
    if successor and series:
        work.delete_task(successor)
        work.save_series(series.withdrawn())
    elif series and series.is_exhausted_by(task):
        work.save_series(series.resumed())
    elif series and series.ended_at:
        task = alone(task)
    return work.save_task(task.reopen(at=work.now))
