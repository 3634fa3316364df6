"""When a task reminds: moments before it is due, or moments of their own. Pure; every moment is aware, in UTC.

A reminder is written as an ISO 8601 duration before the due time (PT30M, P1D) or as a moment (RFC 3339). Days and weeks
are counted on the calendar of the task's zone, hours and less exactly, as RFC 5545 (3.3.6) has it. For a task that is
due on a day they count from the user's hour of the day, never from midnight.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from taskmaster import rfc3339
from taskmaster.domain.task import LATEST, Refused, Task, in_utc, is_kept, moment_of
from taskmaster.rfc3339 import Duration

MOST = 50  # reminders of one task
FURTHEST = timedelta(days=3660)  # before it is due
AT_THE_DUE_TIME = "PT0S"


def parse_reminder(text: str) -> Duration | datetime:
    """A reminder as text: how long before the due time, or at which moment. Raises ValueError with a sentence."""
    if text[:1] in ("P", "p"):
        before = rfc3339.duration(text)
        if timedelta(days=before.days, seconds=before.seconds) > FURTHEST:
            raise ValueError(f"must not lie more than {FURTHEST.days} days before the due time")
        return before
    try:
        return rfc3339.timestamp(text)
    except ValueError:
        raise ValueError(
            "must be a duration before the due time, such as PT30M, or a moment, before or after it, such as "
            "2026-11-24T09:00:00+01:00"
        ) from None


def _written(text: str) -> str:
    parsed = parse_reminder(text.strip())
    return text.strip().upper() if isinstance(parsed, Duration) else rfc3339.written(in_utc(parsed))


def _duration(text: str) -> str:
    if not isinstance(parse_reminder(text.strip()), Duration):
        raise ValueError("must be a duration such as PT10M")
    return text.strip().upper()


DurationText = Annotated[str, Field(max_length=64, json_schema_extra={"format": "duration"}), AfterValidator(_duration)]
_once = AfterValidator(lambda given: list(dict.fromkeys(given)))
Lead = Annotated[list[DurationText], Field(max_length=10), _once]  # how long before the due time, of any task
Reminder = Annotated[str, Field(max_length=64, json_schema_extra={"format": "reminder"}), AfterValidator(_written)]
Reminders = Annotated[list[Reminder], Field(max_length=MOST), _once]


def check_reminders(task: Task) -> Task:
    """The task, if it has a due time where its reminders need one. Raises Refused (422)."""
    if task.due is None and any(isinstance(parse_reminder(text), Duration) for text in task.reminders or ()):
        raise Refused(422, "Nothing to come before", "A reminder before the due time needs due_at or due_on.")
    return task


def moments(task: Task, *, day_hour: str) -> tuple[datetime, ...]:
    """When the task reminds, in order and each moment once, past ones included; a completed task does not.

    `day_hour` is HH:MM in the task's zone. A snoozed task does not remind before its snooze ends, and reminds then.
    """
    if task.completed:
        return ()
    written = task.reminders if task.reminders is not None else [AT_THE_DUE_TIME]
    found = {moment for text in written if (moment := _moment(text, task, day_hour))}
    if task.snoozed_until:
        found = {moment for moment in found if moment > task.snoozed_until} | {task.snoozed_until}
    return tuple(sorted(found))


def after_duration(moment: datetime, duration: str, *, zone: ZoneInfo) -> datetime:
    """The moment a duration after another: days of the zone's calendar, then exact seconds. Aware, UTC."""
    by = parse_reminder(duration)
    assert isinstance(by, Duration)
    if by.days:
        moment = (_local(moment, zone) + timedelta(days=by.days)).replace(tzinfo=zone).astimezone(UTC)
    return moment + timedelta(seconds=by.seconds)


def depends_on(task: Task) -> tuple[object, ...]:
    """The fields of a task that its moments depend on, apart from the user's hour of the day."""
    return task.completed, task.due_at, task.due_on, task.time_zone, task.reminders, task.snoozed_until


def needs_day_hour(task: Task) -> bool:
    return task.due_on is not None and not task.completed


def _moment(text: str, task: Task, day_hour: str) -> datetime | None:
    before = parse_reminder(text)
    if isinstance(before, datetime):
        return before.astimezone(UTC)
    if task.due is None:
        return None
    zone = ZoneInfo(task.time_zone)
    if task.due_at and not before.days:
        start = task.due_at
    else:
        local = _local(task.due_at, zone) if task.due_at else datetime.combine(task.due_on or date.min, _wall(day_hour))
        start = (local - timedelta(days=before.days)).replace(tzinfo=zone)
    return start.astimezone(UTC) - timedelta(seconds=before.seconds)


# In a series ----------------------------------------------------------------------------------------------------


def kept_for_a_series(task: Task) -> list[str] | None:
    """The task's reminders relative to its date: a moment becomes days from the due day and a wall time."""
    if task.reminders is None or task.due is None:
        return task.reminders
    zone = ZoneInfo(task.time_zone)
    return [_relative(text, _day(task, zone), zone) for text in task.reminders]


def moved_to(written: list[str] | None, *, due: datetime | date, time_zone: str) -> list[str] | None:
    """The relative reminders of a series, for its occurrence on this date.

    A moment before the year 1970 is left out. Raises OverflowError for one after the year 9000.
    """
    if written is None:
        return None
    zone = ZoneInfo(time_zone)
    day = due.astimezone(zone).date() if isinstance(due, datetime) else due
    moved = (_absolute(text, day, zone) for text in written)
    return list(dict.fromkeys(text for text in moved if text is not None))


def _relative(text: str, day: date, zone: ZoneInfo) -> str:
    moment = parse_reminder(text)
    if isinstance(moment, Duration):
        return text
    local = _local(moment, zone)
    return f"{(local.date() - day).days}@{local.time().isoformat()}"


def _absolute(text: str, day: date, zone: ZoneInfo) -> str | None:
    days, at, wall = text.partition("@")
    if not at:
        return text
    ordinal = min(max(day.toordinal() + int(days), 1), date.max.toordinal())
    moment = moment_of(date.fromordinal(ordinal), _wall(wall), zone)
    if moment.year > LATEST:
        raise OverflowError("a reminder lies behind the years of what is kept")
    return rfc3339.written(moment) if is_kept(moment) else None


def _day(task: Task, zone: ZoneInfo) -> date:
    return task.due_on or _local(task.due_at or datetime.min.replace(tzinfo=UTC), zone).date()


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _wall(text: str) -> time:
    return time.fromisoformat(text)
