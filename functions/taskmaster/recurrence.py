"""The occurrences of a recurring task: which dates a rule falls on, and the moments they are in its zone.

Pure rules after RFC 5545 section 3.3.10 and RFC 7529 section 4: no clock, no I/O, every instant is a parameter.
Four decisions hold throughout:

- The start is occurrence 1 even where the rule would not choose it, as DTSTART is the first instance of its
  recurrence set and counts for COUNT (RFC 5545 section 3.8.5.3). All others are later than it.
- Occurrences keep their wall time. One that a clock change leaves out is read with the offset before the gap (02:30
  becomes 03:30), one that comes twice is the first of the two (RFC 5545 section 3.3.5).
- The calendar repeats itself every 400 years. A rule that is silent for as long has ended.
- What the calendar cannot say (past 31 December 9999, in the zone or in UTC) ends a series without an error.
"""

from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from zoneinfo import ZoneInfo

from taskmaster.rrule import Rule, RuleError, read

__all__ = [
    "Next",
    "Occurrence",
    "Rule",
    "RuleError",
    "check",
    "next_occurrence",
    "occurrences",
    "parse",
    "preview",
]

CYCLE_YEARS = 400
_LAST_ORDINAL = date.max.toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One occurrence of a series: its position, counted from 1 at the start, and when it is due.

    `due` is an aware datetime in UTC for a task due at a moment, a local date for one due on a day.
    """

    position: int
    due: datetime | date


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The occurrence that follows, and how many were jumped over on the way; they count for COUNT like any other."""

    position: int
    due: datetime | date
    skipped: int


def parse(pattern: str) -> Rule:
    """The rule that a pattern stands for.

    Raises RuleError for one that is malformed, comes more often than daily or can never fall due, whatever the start.
    """
    rule = read(pattern)
    if not _ever_fires(rule):
        raise RuleError(_never_because(rule), "never falls on a date together with the rest of the rule")
    return rule


def check(rule: Rule, start: datetime | date, zone: ZoneInfo) -> None:
    """Raises RuleError where the rule, from this very start, has no occurrence but the start itself.

    That a rule ends by its own COUNT is no error. The arguments are those of `occurrences`.
    """
    if rule.count is None and next_occurrence(rule, start, zone, position=1) is None:
        if rule.until is not None and next_occurrence(replace(rule, until=None), start, zone, position=1):
            raise RuleError("UNTIL", "ends the rule before it falls due a second time; write a later one")
        raise RuleError(
            "pattern", "never falls due again after the task's own due date; change one of the two"
        )


def occurrences(
    rule: Rule, start: datetime | date, zone: ZoneInfo, *, first: int = 1
) -> Iterator[Occurrence]:
    """Every occurrence from position `first` on, in order, until COUNT, UNTIL or the calendar ends the series.

    `start` is local: a naive datetime (wall time in `zone`) for a task due at a moment, a date for one due on a day.
    """
    return _occurrences(rule, start, zone, beyond=first - 1)


def next_occurrence(
    rule: Rule,
    start: datetime | date,
    zone: ZoneInfo,
    *,
    position: int,
    after: datetime | date | None = None,
) -> Next | None:
    """The first occurrence beyond `position` and, where `after` is given, strictly later than it; None: it has ended.

    `after` is an aware datetime for a task due at a moment, a local date for one due on a day.
    """
    for occurrence in _occurrences(rule, start, zone, beyond=position, after=after):
        skipped = occurrence.position - position - 1
        return Next(position=occurrence.position, due=occurrence.due, skipped=skipped)
    return None


def preview(
    pattern: str,
    start: datetime | date,
    zone: ZoneInfo,
    *,
    count: int = 10,
    after: datetime | date | None = None,
) -> list[Occurrence]:
    """The first `count` occurrences of a pattern, after a moment or day where one is given; RuleError for a bad one."""
    rule = parse(pattern)
    check(rule, start, zone)
    return list(islice(_occurrences(rule, start, zone, beyond=0, after=after), count))


def _occurrences(
    rule: Rule,
    start: datetime | date,
    zone: ZoneInfo,
    *,
    beyond: int,
    after: datetime | date | None = None,
) -> Iterator[Occurrence]:
    """What is beyond a position and later than `after`; whole years of what is neither are counted, not visited."""
    _require_kinds(start, after)
    earliest = 0
    if after is not None:
        # A day's margin: whatever the zone does to a wall time, it does not move it further.
        local = after.astimezone(zone) if isinstance(after, datetime) else after
        earliest = local.toordinal() - 1
    for position, wall in _walls(rule, start, zone, beyond=beyond, earliest=earliest):
        if rule.count is not None and position > rule.count:
            return
        try:
            due = _due(wall, zone)
        except OverflowError:
            return
        if rule.until is not None and _is_later(due, wall, rule.until, zone):
            return
        if after is None or due > after:
            yield Occurrence(position=position, due=due)


def _walls(
    rule: Rule, start: datetime | date, zone: ZoneInfo, *, beyond: int, earliest: int
) -> Iterator[tuple[int, datetime | date]]:
    """(position, wall time or day) in order; may leave out what is not beyond the position or before `earliest`."""
    position = 1
    if beyond < 1:
        yield 1, start
    wall_time = _wall_time(rule, start)
    for year in _years(rule, start, zone):
        if position + len(year) <= beyond or year[-1] < earliest:
            position += len(year)
            continue
        for ordinal in year:
            position += 1
            if position > beyond:
                day = date.fromordinal(ordinal)
                yield position, day if wall_time is None else datetime.combine(day, wall_time)


def _years(rule: Rule, start: datetime | date, zone: ZoneInfo) -> Iterator[list[int]]:
    """The days of the rule after the start as proleptic ordinals, one list a year, none of them empty."""
    rule = _anchored(rule, start)
    wall_time = _wall_time(rule, start)
    last = start.toordinal()
    if isinstance(start, datetime) and wall_time is not None and wall_time > start.time():
        last -= 1  # BYHOUR can put an occurrence on the day of the start and still after it
    anchor = _period(rule, start)
    matches: dict[tuple[int, bool, bool, bool], list[tuple[int, int]]] = {}
    silent = 0
    for year in range(start.year - 1, date.max.year + 1):
        kind = ((_january_1(year) - 1) % 7, isleap(year - 1), isleap(year), isleap(year + 1))
        if kind not in matches:
            matches[kind] = _matches(rule, 2000 + year % CYCLE_YEARS)
        first = _first_day(rule, year)
        phase = _first_period(rule, year) - anchor
        days = []
        for period, offset in matches[kind]:
            if (phase + period) % rule.interval == 0:
                ordinal = _as_lived(first + offset, zone, year)
                if last < ordinal <= _LAST_ORDINAL:
                    days.append(ordinal)
                    last = ordinal
        if days:
            yield days
        silent = 0 if days else silent + 1
        if silent > CYCLE_YEARS:
            return


def _matches(rule: Rule, year: int) -> list[tuple[int, int]]:
    """The days that a year offers a rule, as (period, day), both counted from the year's first; INTERVAL comes later.

    A period is the stretch that FREQ speaks of: a day, week, month or the year.
    """
    first = _first_day(rule, year)
    days = [date.fromordinal(ordinal) for ordinal in range(first, _first_day(rule, year + 1))]
    if rule.by_month:
        days = [day for day in days if day.month in rule.by_month]
    if rule.by_week_no:
        weeks = (_first_day(rule, year + 1) - first) // 7
        chosen = {number if number > 0 else weeks + 1 + number for number in rule.by_week_no}
        days = [day for day in days if (day.toordinal() - first) // 7 + 1 in chosen]
    if rule.by_year_day:
        days = [day for day in days if not rule.by_year_day.isdisjoint(_both_ways(*_place_in_year(day)))]
    if rule.by_month_day:
        days = [day for day in days if not rule.by_month_day.isdisjoint(_both_ways(*_place_in_month(day)))]

    found = [(_period(rule, day), day) for day in days]
    if rule.skip != "OMIT" and rule.freq in ("MONTHLY", "YEARLY"):
        found = sorted({*found, *_moved(rule, year)})
    if rule.by_day:
        found = [(period, day) for period, day in found if _is_chosen_weekday(rule, day)]
    if rule.by_set_pos:
        found = [
            pair for _, group in groupby(found, itemgetter(0)) for pair in _positioned(rule, list(group))
        ]
    first_period = _first_period(rule, year)
    return [(period - first_period, day.toordinal() - first) for period, day in found]


def _moved(rule: Rule, year: int) -> Iterator[tuple[int, date]]:
    """Where SKIP puts the days that a month does not have (RFC 7529 section 4.1), each in the month that lacks it."""
    for month in rule.by_month or range(1, 13):
        last = date(year, month, monthrange(year, month)[1])
        if any(number > last.day for number in rule.by_month_day):
            yield _period(rule, last), last if rule.skip == "BACKWARD" else last + timedelta(days=1)


def _is_chosen_weekday(rule: Rule, day: date) -> bool:
    """Whether BYDAY has this day; an ordinal counts within the month, in a yearly rule without BYMONTH the year."""
    weekday = day.weekday()
    if (0, weekday) in rule.by_day:
        return True
    yearly = rule.freq == "YEARLY" and not rule.by_month
    place, length = _place_in_year(day) if yearly else _place_in_month(day)
    return (1 + (place - 1) // 7, weekday) in rule.by_day or (
        -1 - (length - place) // 7,
        weekday,
    ) in rule.by_day


def _positioned(rule: Rule, group: list[tuple[int, date]]) -> list[tuple[int, date]]:
    size = len(group)
    indexes = {number - 1 if number > 0 else size + number for number in rule.by_set_pos}
    return [group[index] for index in sorted(indexes) if 0 <= index < size]


def _place_in_month(day: date) -> tuple[int, int]:
    return day.day, monthrange(day.year, day.month)[1]


def _place_in_year(day: date) -> tuple[int, int]:
    return day.toordinal() - _january_1(day.year) + 1, 365 + isleap(day.year)


def _both_ways(place: int, length: int) -> tuple[int, int]:
    """A place counted from the front and, negative, from the back."""
    return place, place - length - 1


def _anchored(rule: Rule, start: date) -> Rule:
    """The rule with what it leaves open taken from the start, as RFC 5545 section 3.3.10 has it."""
    if rule.by_day or rule.by_month_day or rule.by_year_day or rule.freq == "DAILY":
        return rule
    if rule.freq == "WEEKLY" or rule.by_week_no:
        return replace(rule, by_day=frozenset({(0, start.weekday())}))
    by_month = rule.by_month
    if rule.freq == "YEARLY" and not by_month:
        by_month = frozenset({start.month})
    return replace(rule, by_month=by_month, by_month_day=frozenset({start.day}))


def _counts_weeks(rule: Rule) -> bool:
    """Whether the years of this rule are week years, so that no week is cut in two."""
    return rule.freq == "WEEKLY" or bool(rule.by_week_no)


def _january_1(year: int) -> int:
    """The proleptic ordinal of 1 January; unlike `date`, also for the years just outside 1 to 9999."""
    return 365 * (year - 1) + (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400 + 1


def _first_day(rule: Rule, year: int) -> int:
    """The ordinal of a year's first day: 1 January, or of the first week with four days in it (RFC 5545, BYWEEKNO)."""
    if not _counts_weeks(rule):
        return _january_1(year)
    january_4 = _january_1(year) + 3
    return january_4 - (january_4 - 1 - rule.wkst) % 7


def _first_period(rule: Rule, year: int) -> int:
    match rule.freq:
        case "DAILY":
            return _first_day(rule, year)
        case "WEEKLY":
            return (_first_day(rule, year) - 1 - rule.wkst) // 7
        case "MONTHLY":
            return 12 * year
        case "YEARLY":
            return year


def _period(rule: Rule, day: date) -> int:
    """The number of the day, week, month or year that INTERVAL counts."""
    match rule.freq:
        case "DAILY":
            return day.toordinal()
        case "WEEKLY":
            return (day.toordinal() - 1 - rule.wkst) // 7
        case "MONTHLY":
            return 12 * day.year + day.month - 1
        case "YEARLY" if rule.by_week_no:
            ordinal = day.toordinal()
            return next(y for y in (day.year + 1, day.year, day.year - 1) if _first_day(rule, y) <= ordinal)
        case "YEARLY":
            return day.year


def _wall_time(rule: Rule, start: datetime | date) -> time | None:
    """The time of day of every occurrence but the first; None where the task is due on a day."""
    if not isinstance(start, datetime):
        return None
    hour = start.hour if rule.by_hour is None else rule.by_hour
    minute = start.minute if rule.by_minute is None else rule.by_minute
    second = start.second if rule.by_second is None else rule.by_second
    return time(hour, minute, second, start.microsecond)


def _as_lived(ordinal: int, zone: ZoneInfo, year: int) -> int:
    """The day itself, or the one after it where the zone left the day out (Apia had no 30 December 2011)."""
    return ordinal + 1 if ordinal == _left_out(zone, year) else ordinal


@lru_cache(maxsize=1024)
def _left_out(zone: ZoneInfo, year: int) -> int | None:
    """The ordinal of the day that a zone crossing the date line left out in a year, if it did."""
    if not 1 <= year < date.max.year:
        return None
    noon = datetime(year, 1, 1, 12)
    noons = [noon + timedelta(days=days) for days in range(365 + isleap(year))]
    if _offset(noons[-1] + timedelta(days=1), zone) - _offset(noon, zone) < timedelta(hours=20):
        return None
    gap = (n for n in noons if _offset(n.replace(fold=1), zone) - _offset(n, zone) > timedelta(hours=20))
    return next((n.toordinal() for n in gap), None)


def _offset(wall: datetime, zone: ZoneInfo) -> timedelta:
    return wall.replace(tzinfo=zone).utcoffset() or timedelta(0)


def _due(wall: datetime | date, zone: ZoneInfo) -> datetime | date:
    # Fold 0 is what RFC 5545 section 3.3.5 asks for: the first of two, and in a gap the offset before it.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC) if isinstance(wall, datetime) else wall


def _is_later(due: datetime | date, wall: datetime | date, until: datetime | date, zone: ZoneInfo) -> bool:
    """Whether an occurrence is past UNTIL, in UNTIL's own terms: a moment, a wall time or a whole day in the zone."""
    if isinstance(until, datetime) and isinstance(wall, datetime):
        return due > until if until.tzinfo else wall > until
    if isinstance(until, datetime):
        until = (until.astimezone(zone) if until.tzinfo else until).date()
    return wall.toordinal() > until.toordinal()


def _require_kinds(start: datetime | date, after: datetime | date | None) -> None:
    """A moment goes with a moment, a day with a day: a mix-up is a bug of the caller, so TypeError."""
    if isinstance(start, datetime):
        if start.tzinfo is not None:
            raise TypeError("start is the wall time in zone: a naive datetime")
        if after is not None and (not isinstance(after, datetime) or after.tzinfo is None):
            raise TypeError("after is an aware datetime where the task is due at a moment")
    elif isinstance(after, datetime):
        raise TypeError("after is a date where the task is due on a day")


def _ever_fires(rule: Rule) -> bool:
    # 28 years have every kind of year, and 1 January is a day that every month and year has.
    anchored = _anchored(rule, date(2000, 1, 1))
    return any(_matches(anchored, year) for year in range(2000, 2028))


def _never_because(rule: Rule) -> str:
    """The first part without which the rule would fire."""
    without = {
        "BYSETPOS": replace(rule, by_set_pos=frozenset()),
        "BYDAY": replace(rule, by_day=frozenset()),
        "BYMONTHDAY": replace(rule, by_month_day=frozenset()),
        "BYYEARDAY": replace(rule, by_year_day=frozenset()),
        "BYWEEKNO": replace(rule, by_week_no=frozenset()),
    }
    return next((part for part, rest in without.items() if rest != rule and _ever_fires(rest)), "pattern")
