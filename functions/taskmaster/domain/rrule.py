"""A recurrence rule and the days it falls on: the calendar arithmetic of RFC 5545, without time or zone.

Days are proleptic ordinals (`date.toordinal`) and are computed a year at a time, so that passing over decades
counts years instead of visiting days. Only fourteen kinds of year exist, and each is computed once.
"""

from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date, datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Literal

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
Skip = Literal["OMIT", "BACKWARD", "FORWARD"]

# The Gregorian calendar repeats, weekdays included, after this many years: a rule that has no date for as long
# has none at all, or practically none.
CYCLE_YEARS = 400


def _january_1(year: int) -> int:
    """The ordinal of 1 January, also for the years just outside those that `date` knows."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 + 1


# Years of the same length that begin on the same weekday are alike, and 28 in a row have one of every kind.
_MODELS = {(_january_1(year) % 7, isleap(year)): year for year in range(2000, 2028)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrenceRule:
    """A recurrence rule with every part checked (RFC 5545 section 3.3.10, RFC 7529 section 4).

    A BYxxx part that was not given is empty: what it leaves open is taken from the start of the series.
    """

    # The pattern as it was given, in one spelling: "monthly", "every 3 days", "FREQ=WEEKLY;BYDAY=MO,WE".
    text: str
    freq: Frequency
    # How many days, weeks, months or years from one period to the next.
    interval: int = 1
    # Occurrences in all, the first and the skipped ones included; None: no end.
    count: int | None = None
    # The last moment or day that can be an occurrence: aware (UTC), naive (wall time) or a local date.
    until: datetime | date | None = None
    # (ordinal, weekday): (0, 0) is every Monday, (-1, 4) the last Friday of the month or year.
    by_day: frozenset[tuple[int, int]] = frozenset()
    by_month_day: frozenset[int] = frozenset()
    by_year_day: frozenset[int] = frozenset()
    by_week_no: frozenset[int] = frozenset()
    by_month: frozenset[int] = frozenset()
    by_set_pos: frozenset[int] = frozenset()
    # The wall time, where the rule itself names one.
    by_hour: int | None = None
    by_minute: int | None = None
    by_second: int | None = None
    # The weekday on which weeks begin, 0 for Monday.
    wkst: int = 0
    # What becomes of 31 April: left out, 30 April, or 1 May.
    skip: Skip = "OMIT"


def days_by_year(rule: RecurrenceRule, start: date) -> Iterator[tuple[int, list[int]]]:
    """The days of a rule from about the start to the year 9999, as (first day of a year, offsets from it).

    The offsets ascend and may be none. The first years reach back before the start, and a day moved by SKIP can
    end one year and begin the next: the caller skips repeated days. Ends after 400 years without a day.
    """
    rule = anchored(rule, start)
    anchor = _period_number(rule, start)
    periods_of = cache(partial(_days_by_period, _calendar(rule)))

    @cache
    def days_of(model: int, lead: int) -> list[int]:
        periods = periods_of(model)
        chosen = (periods.get(number, ()) for number in range(lead, 366, rule.interval))
        # Each day once: moved forward, 31 April is 1 May, which the rule may have as well.
        return sorted({day for days in chosen for day in days})

    silent = 0
    for year in range(start.year - 1, MAXYEAR + 1):
        model = _MODELS[_january_1(year) % 7, isleap(year)]
        lead = (anchor - _periods_before(rule, year)) % rule.interval
        days = days_of(model, lead)
        yield _first_day(rule, year), days
        silent = 0 if days else silent + 1
        if silent == CYCLE_YEARS:
            return


def anchored(rule: RecurrenceRule, start: date) -> RecurrenceRule:
    """The rule with what it leaves open taken from the start, as RFC 5545 section 3.3.10 has it."""
    if rule.freq == "DAILY" or rule.by_day or rule.by_month_day or rule.by_year_day:
        return rule
    if rule.freq == "WEEKLY" or rule.by_week_no:
        return replace(rule, by_day=frozenset({(0, start.weekday())}))
    by_month = rule.by_month
    if rule.freq == "YEARLY" and not by_month:
        by_month = frozenset({start.month})
    return replace(rule, by_month=by_month, by_month_day=frozenset({start.day}))


def unfulfillable_part(rule: RecurrenceRule) -> str | None:
    """The name of the part that keeps a rule from falling on any day, whatever its start; None if it can."""
    if _can_fall(rule):
        return None
    without = {
        "BYSETPOS": replace(rule, by_set_pos=frozenset()),
        "BYDAY": replace(rule, by_day=frozenset()),
        "BYMONTHDAY": replace(rule, by_month_day=frozenset()),
        "BYYEARDAY": replace(rule, by_year_day=frozenset()),
        "BYWEEKNO": replace(rule, by_week_no=frozenset()),
    }
    return next((part for part, rest in without.items() if rest != rule and _can_fall(rest)), "pattern")


def _can_fall(rule: RecurrenceRule) -> bool:
    calendar = _calendar(anchored(rule, date(2000, 1, 1)))  # the first of a month is a day that none lacks
    return any(_days_by_period(calendar, model) for model in _MODELS.values())


def _calendar(rule: RecurrenceRule) -> RecurrenceRule:
    """The parts of a rule that determine its days. COUNT is not one of them, and changes at every step of a series."""
    return replace(rule, text="", interval=1, count=None, until=None, by_hour=None, by_minute=None, by_second=None)


# Kept for the whole process: a series that is counted from its completions begins its rule anew with each date. 64 are
# a few rules with all their kinds of year, 4 MB at most. Callers do not change what is returned.
@lru_cache(maxsize=64)
def _days_by_period(rule: RecurrenceRule, year: int) -> dict[int, list[int]]:
    """The days of a year that a rule has but for INTERVAL, by period, both counted from the year's first.

    A period is what FREQ counts: a day, a week, a month or the year. To expand a period and to limit it is
    the same when all its days are there to choose from, so the table of RFC 5545 section 3.3.10 needs no
    cases; its order of parts is kept, and SKIP has its place in it (RFC 7529 section 4.1).
    """
    first, end = _first_day(rule, year), _first_day(rule, year + 1)
    days = [date.fromordinal(ordinal) for ordinal in range(first, end)]
    if rule.by_month:
        days = [day for day in days if day.month in rule.by_month]
    if rule.by_week_no:
        weeks = (end - first) // 7
        days = [d for d in days if _is_numbered(rule.by_week_no, 1 + (d.toordinal() - first) // 7, weeks)]
    if rule.by_year_day:
        days = [d for d in days if _is_numbered(rule.by_year_day, *_place_in_year(d))]
    if rule.by_month_day:
        lengths = [0, *(monthrange(year, month)[1] for month in range(1, 13))]
        days = [d for d in days if _is_numbered(rule.by_month_day, d.day, lengths[d.month])]
    found = [(_period(rule, day, first), day) for day in days]
    if rule.skip != "OMIT" and rule.freq in ("MONTHLY", "YEARLY"):
        found = sorted({*found, *_moved(rule, year)})
    if rule.by_day:
        ordinals = [{number for number, weekday in rule.by_day if weekday == each} for each in range(7)]
        found = [pair for pair in found if _is_chosen(rule, ordinals[pair[1].weekday()], pair[1])]
    periods: dict[int, list[int]] = {}
    for period, day in found:
        periods.setdefault(period, []).append(day.toordinal() - first)
    if not rule.by_set_pos:
        return periods
    chosen = {
        period: [day for place, day in enumerate(days, 1) if _is_numbered(rule.by_set_pos, place, len(days))]
        for period, days in periods.items()
    }
    return {period: days for period, days in chosen.items() if days}


def _moved(rule: RecurrenceRule, year: int) -> Iterator[tuple[int, date]]:
    """Where SKIP puts the days that a month lacks, in the period of that month (RFC 7529 section 4.1).

    They lie behind its last day or, counted from its end, before its first.
    """
    back = rule.skip == "BACKWARD"
    for month in rule.by_month or range(1, 13):
        first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
        period = _period(rule, first, _january_1(year))
        if any(number > last.day for number in rule.by_month_day):
            yield period, last if back else last + timedelta(days=1)
        if any(-number > last.day for number in rule.by_month_day):
            yield period, first - timedelta(days=1) if back else first


def _is_chosen(rule: RecurrenceRule, ordinals: set[int], day: date) -> bool:
    """Whether BYDAY means this day, by the ordinals of its weekday: 0 is each, the others count in its month or, yearly
    without BYMONTH, its year."""
    if 0 in ordinals or not ordinals:
        return 0 in ordinals
    in_year = rule.freq == "YEARLY" and not rule.by_month
    place, length = _place_in_year(day) if in_year else (day.day, monthrange(day.year, day.month)[1])
    return 1 + (place - 1) // 7 in ordinals or -1 - (length - place) // 7 in ordinals


def _is_numbered(numbers: frozenset[int], place: int, length: int) -> bool:
    """Whether the numbers have a place from 1 to `length`, counted from the front or (negative) the back."""
    return place in numbers or place - length - 1 in numbers


def _place_in_year(day: date) -> tuple[int, int]:
    return day.toordinal() - _january_1(day.year) + 1, 365 + isleap(day.year)


def _period_number(rule: RecurrenceRule, day: date) -> int:
    """The number of the day, week, month or year that a day is in: what INTERVAL takes every n-th of."""
    ordinal = day.toordinal()
    year = next(y for y in (day.year + 1, day.year, day.year - 1) if _first_day(rule, y) <= ordinal)
    return _periods_before(rule, year) + _period(rule, day, _first_day(rule, year))


def _periods_before(rule: RecurrenceRule, year: int) -> int:
    match rule.freq:
        case "DAILY":
            return _first_day(rule, year)
        case "WEEKLY":
            return _first_day(rule, year) // 7
        case "MONTHLY":
            return 12 * year
        case "YEARLY":
            return year


def _period(rule: RecurrenceRule, day: date, first: int) -> int:
    """Which period of its year a day is in, from 0; `first` is the ordinal of the year's first day."""
    match rule.freq:
        case "DAILY":
            return day.toordinal() - first
        case "WEEKLY":
            return (day.toordinal() - first) // 7
        case "MONTHLY":
            return day.month - 1
        case "YEARLY":
            return 0


def _first_day(rule: RecurrenceRule, year: int) -> int:
    """The ordinal of a year's first day. Where weeks count, years are whole weeks (RFC 5545, BYWEEKNO)."""
    if rule.freq != "WEEKLY" and not rule.by_week_no:
        return _january_1(year)
    january_4 = _january_1(year) + 3  # always in week 1
    return january_4 - (january_4 - 1 - rule.wkst) % 7
