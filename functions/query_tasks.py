"""query-tasks: one task, a page of tasks, or the next dates of a recurring one. Changes nothing."""

from taskmaster.domain.occurrences import ListOccurrences, Occurrences, PreviewOccurrences, preview, upcoming
from taskmaster.domain.paging import ListTasks, Page, page, position_of
from taskmaster.domain.task import Command, Refused, Task, TaskId
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import function, handles


class GetTask(Command):
    task_id: TaskId


@handles(http=["GET /", "GET /tasks"])
def list_tasks(command: ListTasks, work: Work) -> Page:
    """A page of the user's tasks, filtered and in an order."""
    position = position_of(command)
    filters = command.filters(now=work.now)
    found = work.list_tasks(filters, sort=command.sort, beyond=position, limit=command.limit + 1)
    return page(command, found)


@handles(http=["GET /{task_id}", "GET /tasks/{task_id}"])
def get_task(command: GetTask, work: Work) -> Task:
    """One task."""
    return work.read_task(command.task_id)


@handles(http=["GET /{task_id}/occurrences", "GET /tasks/{task_id}/occurrences"])
def list_occurrences(command: ListOccurrences, work: Work) -> Occurrences:
    """The next dates of a recurring task, behind the open one."""
    task = work.read_task(command.task_id)
    series = work.read_series(task)
    if series is None or series.ended_at:
        raise Refused(409, "Does not recur", "This task has no recurrence_pattern, or its series has ended.")
    return upcoming(series, task, count=command.count, now=work.now)


@handles(http=["GET /occurrences"])
def preview_occurrences(command: PreviewOccurrences, work: Work) -> Occurrences:
    """The dates that a pattern would give from a start, which comes first."""
    return preview(command, now=work.now)


query_tasks = function("query_tasks", preview_occurrences, list_tasks, list_occurrences, get_task)
