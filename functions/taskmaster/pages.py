"""Pages of tasks: which filters there are, how they are sorted, and the opaque cursor that leads to the next page."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field

from taskmaster.tasks import Command, Day, Moment, Number, Priority, Record, Refused, Tag, Task, Text

Sort = Literal[
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "due",
    "-due",
    "priority",
    "-priority",
    "title",
    "-title",
]
_PRIORITIES = get_args(Priority)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ListTasks(Command):
    """A page that is asked for, as a query string says it; `priority` and `tag` may be given several times."""

    status: Literal["open", "completed", "overdue", "all"] = "all"
    priority: Annotated[list[Priority], BeforeValidator(_listed)] = []  # any of these
    tag: Annotated[list[Tag], BeforeValidator(_listed)] = []  # all of these
    due_from: Day | Moment | None = None  # both ends included; a day is taken in each task's own zone
    due_to: Day | Moment | None = None
    text: Annotated[Text, Field(max_length=200)] = ""  # part of the title or the description, in any case
    sort: Sort = "-created_at"
    limit: Annotated[Number, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=4096)] | None = None

    def filters(self, *, now: datetime) -> dict[str, Any]:
        """The parameters of the query list_tasks, by name."""
        return {
            "completed": {"open": False, "overdue": False, "completed": True, "all": None}[self.status],
            "overdue_at": now if self.status == "overdue" else None,
            "priorities": self.priority or None,
            "tags": self.tag,
            "text": self.text,
            **_bounds("from", self.due_from),
            **_bounds("to", self.due_to),
        }


class Page(Record):
    """Some tasks, and the cursor of those that follow; null on the last page."""

    tasks: list[Task]
    next_cursor: str | None


class Mark(NamedTuple):
    """The place of a task in an order: the next page begins behind it."""

    key: str | int
    task_id: int


def mark_of(command: ListTasks) -> Mark | None:
    """The mark inside a cursor. Raises Refused (422) for one that we did not make, or made for another order."""
    if command.cursor is None:
        return None
    try:
        sort, key, task_id = json.loads(urlsafe_b64decode(command.cursor.encode("ascii")))
        mark = Mark(_checked(sort, key), int(task_id))
    except (ValueError, TypeError):
        sort, mark = None, None
    if mark is None or sort != command.sort or not 0 < mark.task_id < 2**63:
        raise Refused(422, "Not a cursor", "Use next_cursor as it was returned, with the same sort, or leave it out.")
    return mark


def page(command: ListTasks, found: list[Task]) -> Page:
    """The page, of one task more than its limit if there are more."""
    tasks = found[: command.limit]
    if len(found) <= command.limit:
        return Page(tasks=tasks, next_cursor=None)
    last = tasks[-1]
    content = json.dumps([command.sort, _key(command.sort, last), last.task_id], separators=(",", ":"))
    return Page(tasks=tasks, next_cursor=urlsafe_b64encode(content.encode()).decode())


def _key(sort: Sort, task: Task) -> str | int:
    match sort.lstrip("-"):
        case "due":
            return task.deadline.isoformat() if task.deadline else "infinity"
        case "priority":
            return _PRIORITIES.index(task.priority)
        case "title":
            return task.title
        case column:
            return str(getattr(task, column).isoformat())


def _checked(sort: str, key: Any) -> str | int:
    match sort.lstrip("-"):
        case "priority":
            return _PRIORITIES.index(_PRIORITIES[key])
        case "title":
            return str(key).replace("\x00", "")
        case _ if key == "infinity":
            return "infinity"
        case _:
            return datetime.fromisoformat(key).isoformat()


def _bounds(end: str, bound: date | datetime | None) -> dict[str, Any]:
    moment = bound if isinstance(bound, datetime) else None
    return {f"{end}_moment": moment, f"{end}_day": None if moment else bound}
