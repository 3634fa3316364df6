"""The history of a task: what was done, when, by which door, with the old and new values of the changed fields."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from taskmaster.domain.paging import Limit
from taskmaster.domain.task import MAX_VERSION, Command, FrozenModel, Refused, Task, TaskId

Door = Literal["call", "event", "schedule", "assistant"]

# What every change changes, and what none does.
_NOT_COMPARED = {"task_id", "created_at", "version", "updated_at"}
_COMPARED = [name for name in Task.model_fields if name not in _NOT_COMPARED]


class FieldChange(FrozenModel):
    """The value of one field before and after a change, as a task is written in JSON."""

    old: JsonValue = Field(description="the value before")
    new: JsonValue = Field(description="the value after")


Changed = Annotated[
    dict[str, FieldChange],
    Field(
        description="by the name of each field that changed, its old and its new value; version and updated_at apart"
    ),
]


class ChangedTask(Task):
    """A task that changed: the data of task.updated and task.completed."""

    model_config = ConfigDict(serialize_by_alias=True)

    field_changes: Changed = Field(serialization_alias="changed")  # `changed` is a method of a task


class HistoryEntry(FrozenModel):
    """One thing that was done to a task."""

    version: int = Field(description="the version that the task had then; of a deletion one more than the last")
    at: datetime = Field(description="when it was done")
    action: str = Field(description="the type of the event that says so, such as task.updated")
    door: Door = Field(
        description="what asked for it: a call over HTTP, an event from Kafka, schedule: the pack itself, which "
        "continues a series, or an assistant, by a tool"
    )
    changed: Changed


class ListHistory(Command):
    """A page of the history of a task, as the query string asks for it."""

    task_id: TaskId
    limit: Limit = Field(default=20, description="entries of a page, at most")
    cursor: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="next_cursor of the page before"
    )


class History(FrozenModel):
    """Entries of a history, the latest first, and the cursor of those before them."""

    entries: list[HistoryEntry]
    next_cursor: str | None = Field(description="where the next page begins; null on the last one")


def changed_fields(was: Task, now: Task) -> dict[str, FieldChange]:
    """What differs between two versions of a task."""
    names = {name for name in _COMPARED if getattr(was, name) != getattr(now, name)}
    old, new = (_written(task, names) for task in (was, now))
    return {name: FieldChange(old=old[name], new=new[name]) for name in _COMPARED if name in names}


def _written(task: Task, names: set[str]) -> Mapping[str, Any]:
    return task.model_dump(mode="json", include=names) if names else {}


def before_version(command: ListHistory) -> int:
    """The version before which the page begins. Raises Refused (422) for a cursor that we did not make."""
    if command.cursor is None:
        return MAX_VERSION + 1
    try:
        task_id, version = json.loads(urlsafe_b64decode(command.cursor.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        task_id = version = None
    if task_id != command.task_id or type(version) is not int or not 0 < version <= MAX_VERSION:
        raise Refused(422, "Not a cursor", "Use next_cursor as it was returned, for the same task, or leave it out.")
    return version


def page_of_history(command: ListHistory, found: Sequence[HistoryEntry]) -> History:
    """The page. `found` has one entry more than the limit where there are more."""
    entries = list(found[: command.limit])
    if len(found) <= command.limit:
        return History(entries=entries, next_cursor=None)
    content = json.dumps([command.task_id, entries[-1].version], separators=(",", ":"))
    return History(entries=entries, next_cursor=urlsafe_b64encode(content.encode()).decode())
