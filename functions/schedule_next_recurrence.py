"""schedule-next-recurrence: a completed occurrence of a series is followed by the next one, a skipped one moves on.

The event of a completion only triggers; the task and its series decide. So it may come late, twice or in any order, and
one completion makes one successor.
"""

from taskmaster.domain.task import Fact, Refused, Task, TaskCommand, TaskId
from taskmaster.handling.succession import follow, skip
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import function, handles


class TaskCompleted(Fact):
    task_id: TaskId
    version: int | None = None  # none where another program says so, in the original envelope


class SkipTask(TaskCommand):
    pass


@handles("task.completed")
def follow_completion(fact: TaskCompleted, work: Work) -> None:
    """A completion is followed by the next occurrence of its series."""
    task, series = work.find_occurrence(fact.task_id)
    if task and not task.completed and fact.version is None:
        # Another program completes the task so. The event that follows comes back here, and makes the successor.
        work.save_task(task.complete(at=work.now), event="task.completed")
        return
    if task is None or task.completed_at is None:
        return  # deleted or reopened since: this completion does not stand
    if series and series.continues_after(task):  # else it has a successor already, or the series has ended
        follow(task, series, work, completed_at=task.completed_at)


@handles("task.skip", http=["POST /{task_id}", "POST /tasks/{task_id}/skip"], destructive=True, idempotent=False)
def skip_occurrence(command: SkipTask, work: Work) -> Task | None:
    """The open occurrence of a series moves on to the next date; where none is left it goes, and the series ends."""
    task = work.task(command.task_id, expecting=command.expected_version)
    series = work.series_of(task)
    if task.completed or series is None or series.ended_at or series.head != task.occurrence:
        raise Refused(409, "Nothing to skip", "Only the open occurrence of a series can be skipped.")
    return skip(task, series, work)


schedule_next_recurrence = function("schedule_next_recurrence", follow_completion, skip_occurrence)
