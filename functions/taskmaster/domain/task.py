"""The rules of a task: its fields, the commands about it, and its next version. Pure: no clock, no I/O.

Every moment is an aware datetime in UTC; every day is a date in the task's own time zone.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from taskmaster import rfc3339
from taskmaster.errors import TaskmasterError
from taskmaster.rfc3339 import NoSuchTime, WrongForm

MAX_ID = 2**63 - 1
MAX_VERSION = 2**31 - 1
EARLIEST, LATEST = 1970, 9000  # the years that are stored: of days as they are written, of moments in UTC
_FIRST, _LAST = (datetime.combine(day, time.min, UTC) for day in (date.min, date.max))  # of the calendar
QUERY = "query"  # the context of a command that comes as a query string, whose numbers are texts

Priority = Literal["low", "medium", "high", "urgent"]

# Not zones but other forms of the zone database, on some machines only: PostgreSQL has none of them.
_NO_ZONES = re.compile(r"(posix|right)/.*|localtime|posixrules")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


def _moment_written(value: Any) -> Any:
    """RFC 3339, with an offset. Pydantic itself takes numbers and bare days too."""
    return _read(
        value,
        rfc3339.timestamp,
        form="moment with its offset from UTC, such as 2026-11-24T09:00:00+01:00",
        existing="moment that the calendar and the clock have",
    )


def _day_written(value: Any) -> Any:
    return _read(value, rfc3339.day, form="day, such as 2026-11-24", existing="day that the calendar has")


def _read(value: Any, read: Callable[[str], date], *, form: str, existing: str) -> date | None:
    """What `read` makes of a text; null stays null. Raises ValueError with a sentence."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"must be a {form}")
    try:
        return read(value)
    except WrongForm:
        raise ValueError(f"must be a {form}") from None
    except NoSuchTime as error:
        raise ValueError(f"must be a {existing}: {error}") from None


def is_kept(due: datetime | date) -> bool:
    """Whether a day, or a moment in UTC, lies within the years that are stored."""
    return EARLIEST <= due.year <= LATEST


def in_utc(moment: datetime) -> datetime:
    """An aware moment in UTC, as it is stored. Raises ValueError where that is outside of the years that are stored."""
    with suppress(OverflowError):
        kept = moment.astimezone(UTC)
        if is_kept(kept):
            return kept
    raise ValueError(f"must lie between the years {EARLIEST} and {LATEST} in UTC")


def moment_of(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The moment of a wall time in a zone. Aware, UTC; at an end of the calendar, that end."""
    try:
        return datetime.combine(day, wall, zone).astimezone(UTC)
    except OverflowError:
        return _FIRST if day.year < LATEST else _LAST


def _day_in_range(day: date) -> date:
    if not is_kept(day):
        raise ValueError(f"must lie between the years {EARLIEST} and {LATEST}")
    return day


def _known_zone(name: str) -> str:
    try:
        ZoneInfo("" if _NO_ZONES.fullmatch(name) else name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be the name of an IANA time zone, such as Europe/Zurich") from None
    return name


def whole(value: Any) -> Any:
    """A whole number as JSON may write it: 7.0 is 7, within the precision of a float (RFC 8259, 6)."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def number(value: Any, info: ValidationInfo) -> Any:
    """The same, and where the context is a query string, a text."""
    if info.context == QUERY and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return whole(value)


# A rule that no regular expression or number can express has a format of its own in the schemas, as JSON Schema allows.
# U+0000 is the one character that PostgreSQL cannot store.
_STORABLE = {"pattern": "^[^\\x00]*$"}

SearchText = Annotated[str, Field(max_length=200, json_schema_extra=_STORABLE), AfterValidator(_storable)]
LONGEST_TITLE, LONGEST_DESCRIPTION, LONGEST_TAG, MOST_TAGS = 500, 10_000, 50, 50
Title = Annotated[
    str, Field(min_length=1, max_length=LONGEST_TITLE, json_schema_extra=_STORABLE), AfterValidator(_storable)
]
Description = Annotated[
    str, Field(max_length=LONGEST_DESCRIPTION, json_schema_extra=_STORABLE), AfterValidator(_storable)
]
Tag = Annotated[
    str, Field(min_length=1, max_length=LONGEST_TAG, json_schema_extra=_STORABLE), AfterValidator(_storable)
]
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS), AfterValidator(lambda tags: list(dict.fromkeys(tags)))]
TaskId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(whole)]
SeriesId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(number)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(number)]
Timestamp = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_moment_written), AfterValidator(in_utc)]
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


class Refused(TaskmasterError):
    """A rule refuses a command. A person's HTTP call gets `status` (RFC 9110); an event gets task.command.rejected."""

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


def precondition_failed(shown: "FrozenModel", header: str) -> Refused:
    """A precondition of the call is false for the current state (RFC 9110, 13)."""
    what = f"Task {shown.task_id} is at version {shown.version}" if isinstance(shown, Task) else "There is another ETag"
    wanted = {"If-Match": "which If-Match does not name", "If-None-Match": "which If-None-Match rules out"}
    return Refused(412, "Version conflict", f"{what}, {wanted[header]}. Read it again.")


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class Task(FrozenModel):
    """A task: the body of an answer and the data of a task.* event."""

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
        """The key of the task's events: in a series, the id of its first task, so that they stay in order."""
        return str(self.series_id or self.task_id)

    @property
    def due(self) -> datetime | date | None:
        return self.due_at or self.due_on

    @property
    def deadline(self) -> datetime | None:
        """The moment from which the task is overdue: due_at, or the end of due_on in its zone. Aware, UTC."""
        if self.due_on is None:
            return self.due_at
        following = self.due_on + timedelta(days=1) if self.due_on < date.max else self.due_on
        return moment_of(following, time.min, ZoneInfo(self.time_zone))

    @property
    def rule(self) -> tuple[str | None, RecurrenceFrom]:
        return self.recurrence_pattern, self.recurrence_from

    @property
    def is_touched(self) -> bool:
        """Whether the task has changed since it was created."""
        return self.version > 1

    def follows_directly(self, task: "Task") -> bool:
        """Whether this is the occurrence directly after that one, with none in between, deleted ones included."""
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


class Asked(FrozenModel):
    """Input of a caller: null for a field with a default means that default, unless null has a meaning."""

    is_patch: ClassVar[bool] = False  # whether an absent field stays and null clears (JSON Merge Patch, RFC 7396)

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if cls.is_patch or not isinstance(data, dict) or None not in data.values():
            return data
        return {name: value for name, value in data.items() if value is not None or name not in cls._defaulted()}

    @classmethod
    def _defaulted(cls) -> set[str]:
        """The fields whose default is something else than null."""
        fields = cls.model_fields.items()
        return {name for name, field in fields if not field.is_required() and field.default is not None}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        for name in set() if cls.is_patch else cls._defaulted():
            schema["properties"][name] = _or_null(schema["properties"][name])
        return schema


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a field that also takes null; its description and default stay at the top."""
    about = {key: value for key, value in schema.items() if key in ("default", "description", "title")}
    taken = {key: value for key, value in schema.items() if key not in about}
    return {"anyOf": [taken, {"type": "null"}], **about}


class Command(Asked):
    """A command. `expected_version` is for events what If-Match is for calls."""

    takes_last_event_id: ClassVar[bool] = False  # whether the header Last-Event-ID takes the place of `cursor`


class Fact(Asked):
    """The data of an event about what happened: other fields than these are ignored, and may be added."""

    model_config = ConfigDict(extra="ignore")


class TaskCommand(Command):
    task_id: TaskId
    expected_version: Version | None = Field(
        default=None, description="refuse, as version conflict, unless the task has this version"
    )
