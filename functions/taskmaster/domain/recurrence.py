"""The occurrences of a recurring task: their positions, and the moments or days they are due in its zone.

Pure: no clock, no I/O, every instant is a parameter. What holds throughout, after RFC 5545 and RFC 7529:

- The start is occurrence 1 even where the rule would not choose it: DTSTART is the first instance of its
  recurrence set and counts for COUNT (RFC 5545 section 3.8.5.3). All others are later than the start.
- An occurrence keeps its wall time. One that a clock change leaves out is read with the offset before the
  gap, so 02:30 becomes 03:30; of one that comes twice, it is the first (RFC 5545 section 3.3.5).
- A series ends with COUNT, with UNTIL, after 400 years without a date, and where the calendar ends (year 9999,
  in the zone or in UTC): never with an error.
"""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskmaster.domain.pattern import RuleError, parse
from taskmaster.domain.rrule import RecurrenceRule, days_by_year

__all__ = [
    "Next",
    "RecurrenceInstance",
    "RecurrenceRule",
    "RuleError",
    "check",
    "next_occurrence",
    "occurrences",
    "parse",
    "wall_time_of",
]


class RecurrenceInstance(NamedTuple):
    """One occurrence of a series.

    `position` counts from 1, the start. `due` is an aware datetime in UTC where the task is due at a
    moment, a local date where it is due on a day.
    """

    position: int
    due: datetime | date


class Next(NamedTuple):
    """The next occurrence; the `skipped` ones before it count for COUNT."""

    position: int
    due: datetime | date
    skipped: int


def occurrences(
    rule: RecurrenceRule,
    start: datetime | date,
    zone: ZoneInfo,
    *,
    first: int = 1,
    after: datetime | date | None = None,
) -> Iterator[RecurrenceInstance]:
    """The occurrences from position `first` on and later than `after`, if given; in order, each later than the last.

    `start` is local: a naive datetime, the wall time in `zone`, for a task due at a moment; a date for one
    due on a day. Raises TypeError for an aware one. `after` is as in `next_occurrence`.
    """
    _require_kinds(start, after)
    for position, local in _local(rule, start, zone, beyond=first - 1, not_before=_day_before(after)):
        if rule.count is not None and position > rule.count:
            return
        try:
            due = _in_utc(local, zone)
        except OverflowError:
            return
        if rule.until is not None and _is_past(rule.until, local, due, zone):
            return
        if after is None or due > after:
            yield RecurrenceInstance(position=position, due=due)


def next_occurrence(
    rule: RecurrenceRule,
    start: datetime | date,
    zone: ZoneInfo,
    *,
    position: int,
    after: datetime | date | None = None,
) -> Next | None:
    """The first occurrence beyond `position` and strictly later than `after`, if given; None: it has ended.

    `after` is an aware datetime for a task due at a moment, a local date for one due on a day; TypeError
    otherwise.
    """
    for occurrence in occurrences(rule, start, zone, first=position + 1, after=after):
        skipped = occurrence.position - position - 1
        return Next(position=occurrence.position, due=occurrence.due, skipped=skipped)
    return None


def check(rule: RecurrenceRule, start: datetime | date, zone: ZoneInfo) -> None:
    """Raises RuleError where a rule, from this start, has no second date.

    FREQ=DAILY;INTERVAL=7;BYDAY=MO from a Tuesday does not. That COUNT=1 or UNTIL ends it with its start is no
    error; an UNTIL before the start is. Arguments as in `occurrences`.
    """
    if next(occurrences(rule, start, zone), None) is None:
        raise RuleError("UNTIL", "UNTIL ends the rule before its first date; write a later one.")
    if rule.count == 1 or next_occurrence(replace(rule, until=None), start, zone, position=1):
        return
    raise RuleError("pattern", "The rule never comes again after this due date; change the rule or the date.")


def _local(
    rule: RecurrenceRule, start: datetime | date, zone: ZoneInfo, *, beyond: int, not_before: int
) -> Iterator[tuple[int, datetime | date]]:
    """(position, wall time or day) beyond a position; years that end too early are counted, not visited."""
    position = 1
    if beyond < 1:
        yield 1, start
    wall_time = wall_time_of(rule, start)
    for first, offsets in _years(rule, start, zone):
        if position + len(offsets) <= beyond or first + offsets[-1] < not_before:
            position += len(offsets)
            continue
        for offset in offsets:
            position += 1
            if position > beyond:
                day = date.fromordinal(first + offset)
                yield position, day if wall_time is None else datetime.combine(day, wall_time)


def _years(rule: RecurrenceRule, start: datetime | date, zone: ZoneInfo) -> Iterator[tuple[int, list[int]]]:
    """`days_by_year` as the zone lived them: the occurrences after the first, each once; no empty year."""
    left_out = _days_left_out(zone)
    wall_time = wall_time_of(rule, start)
    last = start.toordinal()
    if isinstance(start, datetime) and wall_time is not None and wall_time > start.time():
        last -= 1  # BYHOUR may put an occurrence on the start's own day and yet after it
    for first, days in days_by_year(rule, start):
        lived = sorted({day + (first + day in left_out) for day in days}) if left_out else days
        new = lived[bisect_right(lived, last - first) : bisect_right(lived, date.max.toordinal() - first)]
        if new:
            yield first, new
            last = first + new[-1]


def wall_time_of(rule: RecurrenceRule, start: datetime | date) -> time | None:
    """The time of day of all occurrences but the first; None where the task is due on a day."""
    if not isinstance(start, datetime):
        return None
    hour = start.hour if rule.by_hour is None else rule.by_hour
    minute = start.minute if rule.by_minute is None else rule.by_minute
    second = start.second if rule.by_second is None else rule.by_second
    return time(hour, minute, second, start.microsecond)


def _in_utc(local: datetime | date, zone: ZoneInfo) -> datetime | date:
    if not isinstance(local, datetime):
        return local
    # Fold 0 is RFC 5545 section 3.3.5: the first of two, and in a gap the offset before it.
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _is_past(until: datetime | date, local: datetime | date, due: datetime | date, zone: ZoneInfo) -> bool:
    """Whether an occurrence is later than UNTIL, in the terms of UNTIL: a moment, wall time or local day."""
    if isinstance(until, datetime) and isinstance(local, datetime):
        return due > until if until.tzinfo else local > until
    if isinstance(until, datetime) and until.tzinfo:
        with suppress(OverflowError):  # at an end of the calendar its day in UTC does as well
            until = until.astimezone(zone)
    return local.toordinal() > until.toordinal()


def _day_before(after: datetime | date | None) -> int:
    """The ordinal of a day too early to be later than `after`: no zone moves a wall time by two days."""
    if after is None:
        return 0
    day = after.astimezone(UTC) if isinstance(after, datetime) else after
    return day.toordinal() - 2


# No clock change within a zone is as large, and none across the date line is smaller.
_DATE_LINE = timedelta(hours=20)


@lru_cache(maxsize=64)
def _days_left_out(zone: ZoneInfo) -> frozenset[int]:
    """The days, as ordinals, that a zone left out by crossing the date line: Apia has no 30 December 2011.

    Read with the offset before the gap, their wall times are those of the day after: two occurrences become
    one.
    """
    found: set[int] = set()
    for year in range(1840, 2040):
        noon = datetime(year, 1, 1, 12)  # noqa: DTZ001 - a wall time
        if _offset(noon.replace(year=year + 1), zone) - _offset(noon, zone) > _DATE_LINE:
            noons = (noon + timedelta(days=number) for number in range(366))
            gaps = (n for n in noons if _offset(n.replace(fold=1), zone) - _offset(n, zone) > _DATE_LINE)
            found.update(gap.toordinal() for gap in gaps)
    return frozenset(found)


def _offset(local: datetime, zone: ZoneInfo) -> timedelta:
    return local.replace(tzinfo=zone).utcoffset() or timedelta(0)


def _require_kinds(start: datetime | date, after: datetime | date | None) -> None:
    if isinstance(start, datetime):
        if start.tzinfo is not None:
            raise TypeError("start is a naive datetime: the wall time in the zone")
        if after is not None and (not isinstance(after, datetime) or after.tzinfo is None):
            raise TypeError("after is an aware datetime where the task is due at a moment")
    elif isinstance(after, datetime):
        raise TypeError("after is a local date where the task is due on a day")
