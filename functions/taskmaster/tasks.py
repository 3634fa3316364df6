"""The rules of a task: what one is, what may be asked of it, and what follows. Pure: no clock, no I/O.

Every moment is an aware datetime in UTC; every day is a date in the task's own time zone.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

MAX_ID = 2**63 - 1
MAX_VERSION = 2**31 - 1
QUERY = "query"  # the context of a command that comes as a query string, whose numbers are texts

Priority = Literal["low", "medium", "high", "urgent"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(_DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})")
# Not zones but other readings of the zone database, on some machines only: PostgreSQL knows none of them.
_NO_ZONES = re.compile(r"(posix|right)/.*|localtime|posixrules")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


def _moment_written(value: Any) -> Any:
    """RFC 3339: a text that says its offset. Pydantic itself takes numbers and bare days too."""
    if value is None:
        return None
    if not (isinstance(value, str) and _MOMENT.fullmatch(value)):
        raise ValueError("must be a moment with its offset from UTC, such as 2026-11-24T09:00:00+01:00")
    return _existing(value, datetime.fromisoformat, "moment that the calendar and the clock have")


def _day_written(value: Any) -> Any:
    if value is None:
        return None
    if not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise ValueError("must be a day, such as 2026-11-24")
    return _existing(value, date.fromisoformat, "day that the calendar has")


def _existing(text: str, read: Callable[[str], Any], what: str) -> str:
    """The text, which has the form already, if there is what it names: not so 30 February, nor 25:00."""
    try:
        read(text.upper())
    except ValueError as error:
        raise ValueError(f"must be a {what}: {error}") from None
    return text


def _in_range(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 9000:
        raise ValueError("must lie between the years 1970 and 9000")
    return moment.astimezone(UTC)


def _day_in_range(day: date) -> date:
    if not 1970 <= day.year <= 9000:
        raise ValueError("must lie between the years 1970 and 9000")
    return day


def _known_zone(name: str) -> str:
    try:
        ZoneInfo("" if _NO_ZONES.fullmatch(name) else name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be the name of an IANA time zone, such as Europe/Zurich") from None
    return name


def whole(value: Any) -> Any:
    """A whole number as JSON may write it: 7.0 is 7, as far as a float can tell (RFC 8259, 6)."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def number(value: Any, info: ValidationInfo) -> Any:
    """The same, and where the context is a query string, a text."""
    if info.context == QUERY and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
        return int(value)
    return whole(value)


# What no regular expression or number can say is a format here, for those who read the schemas: JSON Schema leaves
# formats open. U+0000 is the one character that PostgreSQL cannot keep.
_STORABLE = {"pattern": "^[^\\x00]*$"}

SearchText = Annotated[str, Field(max_length=200, json_schema_extra=_STORABLE), AfterValidator(_storable)]
Title = Annotated[str, Field(min_length=1, max_length=500, json_schema_extra=_STORABLE), AfterValidator(_storable)]
Description = Annotated[str, Field(max_length=10_000, json_schema_extra=_STORABLE), AfterValidator(_storable)]
Tag = Annotated[str, Field(min_length=1, max_length=50, json_schema_extra=_STORABLE), AfterValidator(_storable)]
Tags = Annotated[list[Tag], Field(max_length=50), AfterValidator(lambda tags: list(dict.fromkeys(tags)))]
TaskId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(whole)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(number)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_moment_written), AfterValidator(_in_range)]
Day = Annotated[date, Field(strict=False), BeforeValidator(_day_written), AfterValidator(_day_in_range)]
TimeZone = Annotated[
    str, Field(max_length=64, json_schema_extra={"format": "iana-time-zone"}), AfterValidator(_known_zone)
]
Pattern = Annotated[
    str,
    Field(min_length=1, max_length=500, json_schema_extra={"format": "recurrence-pattern"}),
    AfterValidator(_storable),
]
RecurrenceFrom = Literal["due", "completion"]


class Refused(Exception):
    """A rule said no. `status` is what a person's HTTP call gets (RFC 9110); an event gets task.command.rejected."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def not_found(task_id: int) -> Refused:
    return Refused(404, "No such task", f"There is no task {task_id} among yours.")


def version_conflict(task: "Task", expected: int) -> Refused:
    return Refused(
        412,
        "Version conflict",
        f"Task {task.task_id} is at version {task.version}, not {expected}. Read it again.",
    )


def precondition_failed(shown: "Record", header: str) -> Refused:
    """A precondition of the call is false for what is there (RFC 9110, 13)."""
    what = f"Task {shown.task_id} is at version {shown.version}" if isinstance(shown, Task) else "There is another ETag"
    wanted = {"If-Match": "which If-Match does not name", "If-None-Match": "which If-None-Match rules out"}
    return Refused(412, "Version conflict", f"{what}, {wanted[header]}. Read it again.")


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Task(Record):
    """A task as people and events see it: the body of an answer and the data of a task.* event."""

    task_id: int = Field(description="its number, given by the pack")
    title: str = Field(description="what is to be done")
    description: str | None = Field(default=None, description="more about it")
    completed: bool = Field(default=False, description="whether it is done")
    priority: Priority = Field(default="medium", description="how much it matters")
    tags: list[str] = Field(default=[], description="words to find it by, each once")
    due_at: datetime | None = Field(default=None, description="the moment at which it is due; not together with due_on")
    due_on: date | None = Field(default=None, description="the day on which it is due, in its time_zone")
    time_zone: str = Field(default="UTC", description="IANA name; its days and its recurrence are counted there")
    reminders: list[str] | None = Field(
        default=None,
        description="moments, or ISO 8601 durations before the due time; null: one when it is due, or at the hour of "
        "the day that its user prefers; an empty list: none",
    )
    snoozed_until: datetime | None = Field(default=None, description="silent until this moment, at which it reminds")
    recurrence_pattern: str | None = Field(
        default=None, description="daily, weekdays, weekly, monthly, yearly, 'every 3 days', or an RFC 5545 rule"
    )
    recurrence_from: RecurrenceFrom = Field(default="due", description="what the next date is counted from")
    recurrence_paused: bool = Field(default=False, description="whether completing it makes no successor for now")
    series_id: int | None = Field(default=None, description="the series of a recurring task: the task_id of its first")
    occurrence: int | None = Field(default=None, description="its number in the series, from 1")
    version: int = Field(default=1, description="one more with every change; the ETag")
    created_at: datetime = Field(description="when it was created")
    updated_at: datetime = Field(description="when it last changed")
    completed_at: datetime | None = Field(default=None, description="when it was completed")

    @property
    def partition_key(self) -> str:
        """Facts of a series carry the key of the task that began it, so that they stay in order."""
        return str(self.series_id or self.task_id)

    @property
    def due(self) -> datetime | date | None:
        return self.due_at or self.due_on

    @property
    def deadline(self) -> datetime | None:
        """The moment from which the task is overdue: due_at, or the end of due_on in its zone. Aware, UTC."""
        if self.due_on is None:
            return self.due_at
        midnight = datetime.combine(self.due_on + timedelta(days=1), datetime.min.time(), ZoneInfo(self.time_zone))
        return midnight.astimezone(UTC)

    @property
    def rule(self) -> tuple[str | None, RecurrenceFrom]:
        return self.recurrence_pattern, self.recurrence_from

    @property
    def is_touched(self) -> bool:
        """Whether anybody did anything to it since it was made."""
        return self.version > 1

    def follows_directly(self, task: "Task") -> bool:
        """Whether this is the occurrence behind that one, with none in between, deleted ones included."""
        return (self.series_id, self.occurrence) == (task.series_id, (task.occurrence or 0) + 1)

    def changed(self, *, at: datetime, **changes: Any) -> Self:
        """The next version of this task. A new due date ends a snooze."""
        if {"due_at", "due_on"} & changes.keys():
            changes.setdefault("snoozed_until", None)
        return self.model_copy(update={**changes, "version": self.version + 1, "updated_at": at})

    def complete(self, *, at: datetime) -> Self:
        return self.changed(at=at, completed=True, completed_at=at)

    def reopen(self, *, at: datetime) -> Self:
        return self.changed(at=at, completed=False, completed_at=None)


class Command(Record):
    """What may be asked of the pack. `expected_version` is If-Match for those who come by event."""

    is_patch: ClassVar[bool] = False  # whether an absent field stays and null clears (JSON Merge Patch, RFC 7396)


class Fact(Record):
    """What happened, as an event tells it: only the fields that matter here are read, the others may grow."""

    model_config = ConfigDict(extra="ignore")


class TaskCommand(Command):
    task_id: TaskId
    expected_version: Version | None = Field(
        default=None, description="refuse, as version conflict, unless the task has this version"
    )
