"""schedule-next-recurrence: a completed occurrence of a series is followed by the next one, exactly once.

The event only triggers; what holds is the task and its series. So it may come late, twice or in any order.
"""

from taskmaster.door import operation
from taskmaster.series import Followed
from taskmaster.tasks import Fact, TaskId
from taskmaster.work import Work


class TaskCompleted(Fact):
    task_id: TaskId


@operation("task.completed")
def schedule_next_recurrence(fact: TaskCompleted, work: Work) -> None:
    task = work.find(fact.task_id)
    if task is None or not task.completed:
        return  # deleted or reopened since: this completion does not stand
    series = work.series_of(task)
    if series is None or not series.continues_after(task):
        return  # it has a successor already, or the series has ended
    following = series.next(after=task)
    if following is None:
        work.keep(series.ended(at=work.now))
        work.announce("task.recurring.ended", about=task)
        return
    successor = series.occurrence(following, task_id=work.new_task_id(), at=work.now)
    work.keep(series.advanced(to=following))
    work.announce("task.recurring.next", about=successor, data=Followed.of(successor, task, following.skipped))
    work.create(successor)
