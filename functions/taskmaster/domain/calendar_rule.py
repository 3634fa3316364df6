"""The dates ahead of a recurring task as a calendar takes them: a start with an RRULE (RFC 5545), or with dates. Pure.

A calendar knows neither completions nor SKIP (RFC 7529). So the rule here begins at a date that it has itself, says
all that a pattern leaves to its start, and has what SKIP=BACKWARD means in parts that every calendar reads. Where there
is no such rule, the next dates are listed.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from taskmaster.domain.pattern import WEEKDAYS
from taskmaster.domain.recurrence import RecurrenceRule, parse, wall_time_of
from taskmaster.domain.rrule import anchored, days_by_year
from taskmaster.domain.series import Due, Series
from taskmaster.domain.task import Task

MOST_DATES = 50  # where no rule says them
_SHORTEST_MONTH = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """The dates of a task from `start` on: a moment in UTC, or a day. By a rule, or listed behind the start."""

    start: Due
    rule: str | None = None  # the value of RRULE; None where all dates are in `dates`
    dates: tuple[Due, ...] = ()


def repetition(series: Series | None, task: Task, *, now: datetime) -> Repetition | None:
    """The dates ahead of an open task, where they can be told; None where none follows by date.

    It begins at the task itself where that is on its date and no date between it and now is jumped over; else behind
    it. A series that is paused, or counted from completions, has no dates ahead.
    """
    if series is None or task.due is None or task.occurrence != series.head or series.recurrence_from == "completion":
        return None
    if series.ended_at or series.paused_at:
        return None
    following = series.next(task.due, done_at=max(now, series.done_on(task.due)))
    if following is None:
        return None
    rule = parse(series.recurrence_pattern)
    begins_here = (
        series.own_date() == task.due
        and following.position == series.position + 1
        and (series.position > series.anchor or _has(rule, series.start))
    )
    start, position = (task.due, series.position) if begins_here else (following.due, following.position)
    if text := _text(rule, series, position):
        return Repetition(start=start, rule=text)
    dates = tuple(islice(series.upcoming(task.due, now=now), MOST_DATES))
    return Repetition(start=start, dates=dates if begins_here else dates[1:])


def _has(rule: RecurrenceRule, start: Due) -> bool:
    """Whether a rule has its own start among its dates: anything else is undefined there (RFC 5545, 3.8.5.3)."""
    if isinstance(start, datetime) and wall_time_of(rule, start) != start.time():
        return False
    ordinal = start.toordinal()
    for first, offsets in days_by_year(rule, start):
        if first > ordinal:
            break
        if ordinal - first in offsets:
            return True
    return False


def _text(rule: RecurrenceRule, series: Series, position: int) -> str | None:
    """The rule from one of its dates on; None where RFC 5545 alone has none, or calendars differ about it."""
    found = _without_skip(anchored(rule, series.start))
    if found is None or (found.freq == "WEEKLY" and found.by_set_pos) or (found.by_week_no and found.interval > 1):
        return None
    parts = {
        "FREQ": found.freq,
        "INTERVAL": str(found.interval) if found.interval > 1 else "",
        "COUNT": "" if found.count is None else str(found.count - position + 1),
        "UNTIL": _until(found, series.start, ZoneInfo(series.time_zone)),
        "WKST": WEEKDAYS[found.wkst] if found.wkst else "",
        "BYMONTH": _listed(found.by_month),
        "BYWEEKNO": _listed(found.by_week_no),
        "BYYEARDAY": _listed(found.by_year_day),
        "BYMONTHDAY": _listed(found.by_month_day),
        "BYDAY": ",".join(f"{number or ''}{WEEKDAYS[weekday]}" for number, weekday in sorted(found.by_day)),
        "BYSETPOS": _listed(found.by_set_pos),
    }
    return ";".join(f"{name}={value}" for name, value in parts.items() if value)


def _without_skip(rule: RecurrenceRule) -> RecurrenceRule | None:
    """The same days without SKIP: the 31st or the last day of the month before it is the last of 28 to 31."""
    is_moot = rule.freq not in ("MONTHLY", "YEARLY") or all(abs(day) <= _SHORTEST_MONTH for day in rule.by_month_day)
    if rule.skip == "OMIT" or is_moot:
        return replace(rule, skip="OMIT")
    in_one_month = rule.freq == "MONTHLY" or len(rule.by_month) == 1
    if rule.skip == "FORWARD" or not in_one_month or rule.by_day or rule.by_set_pos or len(rule.by_month_day) > 1:
        return None
    [day] = rule.by_month_day
    if day < 0:
        return None
    days = frozenset(range(_SHORTEST_MONTH, day + 1))
    return replace(rule, skip="OMIT", by_month_day=days, by_set_pos=frozenset({-1}))


def _until(rule: RecurrenceRule, start: Due, zone: ZoneInfo) -> str:
    """UNTIL in the terms that a calendar wants beside this start: a day, or a moment in UTC (RFC 5545, 3.3.10)."""
    until = rule.until
    if until is None:
        return ""
    wall = wall_time_of(rule, start)
    if wall is None:
        with suppress(OverflowError):  # at an end of the calendar its day in UTC does as well
            until = until.astimezone(zone) if isinstance(until, datetime) and until.tzinfo else until
        return f"{until:%Y%m%d}"
    if isinstance(until, datetime) and until.tzinfo:
        return f"{until.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    day = date.fromordinal(until.toordinal())
    if isinstance(until, datetime) and until.time() < wall:
        day -= timedelta(days=1)
    with suppress(OverflowError):
        return f"{datetime.combine(day, wall, zone).astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return ""


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))
