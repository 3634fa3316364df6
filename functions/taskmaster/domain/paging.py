"""Pages of tasks: which filters there are, how they are sorted, and the opaque cursor that leads to the next page."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple, get_args

import pydantic
from pydantic import BeforeValidator, Discriminator, Field

from taskmaster.domain.search import folded
from taskmaster.domain.task import (
    MAX_ID,
    Command,
    Day,
    FrozenModel,
    Priority,
    Refused,
    SearchText,
    SeriesId,
    Tag,
    Task,
    Timestamp,
    number,
)

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
PRIORITIES = get_args(Priority)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Bound = Annotated[
    Annotated[Day, pydantic.Tag("day")] | Annotated[Timestamp, pydantic.Tag("moment")],
    Discriminator(lambda value: "day" if isinstance(value, str) and len(value) <= len("2026-11-24") else "moment"),
]


Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(number)]


class ListTasks(Command):
    """A page that is asked for, as a query string says it; `priority` and `tag` may be given several times."""

    status: Literal["open", "completed", "overdue", "all"] = Field(default="all", description="which tasks")
    priority: Annotated[list[Priority], BeforeValidator(_listed)] = Field(default=[], description="any of these")
    tag: Annotated[list[Tag], BeforeValidator(_listed)] = Field(default=[], description="all of these")
    due_from: Bound | None = Field(
        default=None, description="due at this moment or day, or later; a day is taken in each task's own zone"
    )
    due_to: Bound | None = Field(default=None, description="due at this moment or day, or earlier")
    text: SearchText = Field(
        default="",
        description="part of the title, or of the description, in any case and any form: Unicode's compatibility "
        "caseless match, with one i for the four of Turkish",
    )
    series_id: SeriesId | None = Field(default=None, description="the occurrences of this series")
    sort: Sort = Field(default="-created_at", description="the order; with a minus backwards")
    limit: Limit = Field(default=20, description="tasks of a page, at most")
    cursor: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="next_cursor of the page before, with the same sort"
    )

    def filters(self, *, now: datetime) -> dict[str, Any]:
        """The parameters of the queries for a page, by name."""
        overdue_at = now if self.status == "overdue" else None
        return {
            "completed": {"open": False, "overdue": False, "completed": True, "all": None}[self.status],
            "overdue_at": overdue_at,
            "priorities": self.priority or None,
            "tags": self.tag,
            "text": folded(self.text),
            "series_id": self.series_id,
            **_bounds("from", self.due_from),
            **_bounds("to", self.due_to),
            "earliest": _earliest(self.due_from),
            "latest": min(filter(None, (_latest(self.due_to), overdue_at)), default=None),
        }


class Page(FrozenModel):
    """Some tasks, and the cursor of those that follow; null on the last page."""

    tasks: list[Task]
    next_cursor: str | None = Field(description="where the next page begins; null on the last one")


class PagePosition(NamedTuple):
    """The place of a task in an order: the next page begins behind it."""

    key: str | int
    task_id: int


def position_of(command: ListTasks) -> PagePosition | None:
    """The mark inside a cursor. Raises Refused (422) for one that we did not make, or made for another order."""
    if command.cursor is None:
        return None
    try:
        sort, key, task_id = json.loads(urlsafe_b64decode(command.cursor.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        sort = key = task_id = None
    if sort != command.sort or not _is_key(command.sort, key) or type(task_id) is not int or not 0 < task_id <= MAX_ID:
        raise Refused(422, "Not a cursor", "Use next_cursor as it was returned, with the same sort, or leave it out.")
    return PagePosition(key, task_id)


def page(command: ListTasks, found: list[Task]) -> Page:
    """The page, of one task more than its limit if there are more."""
    tasks = found[: command.limit]
    if len(found) <= command.limit:
        return Page(tasks=tasks, next_cursor=None)
    last = tasks[-1]
    # Not escaped: the longest title, four bytes a character, must leave a cursor that is not too long to come back.
    content = json.dumps(
        [command.sort, _key(command.sort, last), last.task_id], separators=(",", ":"), ensure_ascii=False
    )
    return Page(tasks=tasks, next_cursor=urlsafe_b64encode(content.encode()).decode())


def _key(sort: Sort, task: Task) -> str | int:
    match sort.lstrip("-"):
        case "due":
            return task.deadline.isoformat() if task.deadline else "infinity"
        case "priority":
            return PRIORITIES.index(task.priority)
        case "title":
            return task.title
        case column:
            return str(getattr(task, column).isoformat())


def _is_key(sort: Sort, key: Any) -> bool:
    """Whether `_key` could have made it: a cursor comes back from outside, and goes to the database."""
    match sort.lstrip("-"), key:
        case "priority", int():
            return type(key) is int and 0 <= key < len(PRIORITIES)
        case "title", str():
            return "\x00" not in key and key == key.encode(errors="ignore").decode()
        case "due", "infinity":
            return True
        case "created_at" | "updated_at" | "due", str():
            try:
                moment = datetime.fromisoformat(key)
            except ValueError:
                return False
            return moment.utcoffset() == timedelta() and moment.isoformat() == key
    return False


def _bounds(end: str, bound: date | datetime | None) -> dict[str, Any]:
    moment = bound if isinstance(bound, datetime) else None
    return {f"{end}_moment": moment, f"{end}_day": None if moment else bound}


def _earliest(bound: date | datetime | None) -> datetime | None:
    """No deadline within the bound is before this moment. A day begins up to 14 hours before it does in UTC."""
    return bound if isinstance(bound, datetime) else _midnight(bound, days=-1)


def _latest(bound: date | datetime | None) -> datetime | None:
    """No deadline within the bound is behind this moment. A day ends up to 12 hours after it does in UTC."""
    return bound if isinstance(bound, datetime) else _midnight(bound, days=2)


def _midnight(day: date | None, *, days: int) -> datetime | None:
    """Of the day so many days later, in UTC; None where there is none."""
    if day is None:
        return None
    try:
        return datetime.combine(day + timedelta(days=days), time(), tzinfo=UTC)
    except OverflowError:
        return None
