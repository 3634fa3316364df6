"""query-tasks: one task, a page of tasks, or the next dates of a recurring one. Changes nothing."""

from taskmaster.door import function, reading
from taskmaster.pages import ListTasks, Page, mark_of, page
from taskmaster.tasks import Command, Task, TaskId
from taskmaster.work import Work


class GetTask(Command):
    task_id: TaskId


@reading("GET /", "GET /tasks")
def list_tasks(command: ListTasks, work: Work) -> Page:
    mark = mark_of(command)
    found = work.tasks(command.filters(now=work.now), sort=command.sort, beyond=mark, limit=command.limit + 1)
    return page(command, found)


@reading("GET /{task_id}", "GET /tasks/{task_id}")
def get_task(command: GetTask, work: Work) -> Task:
    return work.look_up(command.task_id)


query_tasks = function("query_tasks", list_tasks, get_task)
