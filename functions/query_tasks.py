"""query-tasks: a task, a page of them, changes since a cursor, a history, reminders, or the dates ahead. Read only."""

from taskmaster.domain.changes import Changes, ListChanges, change_position, page_of_changes
from taskmaster.domain.history import History, ListHistory, before_version, page_of_history
from taskmaster.domain.occurrences import ListOccurrences, Occurrences, PreviewOccurrences, preview, upcoming
from taskmaster.domain.paging import ListTasks, Page, page, position_of
from taskmaster.domain.reminder_status import MOST, ListReminders, ReminderStatuses
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


@handles(http=["GET /tasks/changes"])
def list_changes(command: ListChanges, work: Work) -> Changes:
    """What changed since a cursor, deletions included; without a cursor all tasks.

    For clients that keep a copy. Of each task the highest version counts; a deletion has a version too. There is always
    a cursor, also on a page without changes. A cursor that is older than 30 days, or of a database that was restored,
    is answered with 410: begin anew without one.
    """
    position = None if command.cursor is None else change_position(command.cursor)
    return page_of_changes(position, work.changes(position, limit=command.limit + 1), limit=command.limit)


@handles(http=["GET /{task_id}", "GET /tasks/{task_id}"])
def get_task(command: GetTask, work: Work) -> Task:
    """One task."""
    return work.read_task(command.task_id)


@handles(http=["GET /{task_id}/history", "GET /tasks/{task_id}/history"])
def list_history(command: ListHistory, work: Work) -> History:
    """What was done to a task, the latest first: when, by which door, and the old and new values of changed fields.

    Entries are kept for 90 days. Those of a deleted task can be read until then.
    """
    found = work.history(command.task_id, before=before_version(command), limit=command.limit + 1)
    return page_of_history(command, found)


@handles(http=["GET /reminders"])
def list_reminders(command: ListReminders, work: Work) -> ReminderStatuses:
    """The reminders of tasks: those ahead, and for 30 days what became of those that rang, on every channel."""
    return ReminderStatuses.of(work.reminders.read(command.task_id, limit=MOST))


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


query_tasks = function(
    "query_tasks",
    preview_occurrences,
    list_tasks,
    list_changes,
    list_occurrences,
    list_history,
    list_reminders,
    get_task,
)
