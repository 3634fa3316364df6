"""Recurrence patterns: a name, an interval or an RFC 5545 rule, parsed into one checked record.

A pattern that no task can follow is refused here. The error names the part that is wrong and what to write instead.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeVar, get_args

from taskmaster.domain.rrule import Frequency, RecurrenceRule, Skip, unfulfillable_part
from taskmaster.rfc3339 import date_time

_Choice = TypeVar("_Choice", bound=str)

LONGEST_PATTERN = 500
LARGEST_INTERVAL = 9_999
LARGEST_COUNT = 999_999

# In the order of date.weekday: an index is a weekday.
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONDAY_TO_FRIDAY = frozenset((0, weekday) for weekday in range(5))


class RuleError(ValueError):
    """A pattern that no task can follow.

    `part` is the rule part at fault ("BYDAY", "FREQ", ...), or "pattern" where it is the text as a whole;
    `detail` is a sentence for the person who wrote it: what is wrong, and what to write instead.
    """

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(detail)
        self.part = part
        self.detail = detail


@lru_cache(maxsize=64)
def parse(pattern: str) -> RecurrenceRule:
    """The rule that a pattern stands for. Cached: each next date of a series needs its rule.

    Raises RuleError for one that is malformed, comes more often than daily or can fall on no day, whatever
    its start.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise RuleError("pattern", f"A pattern has at most {LONGEST_PATTERN} characters; shorten it.")
    text = pattern.strip()
    if "=" not in text and ":" not in text:
        return _read_name(" ".join(text.lower().split()))
    rule = _read_rrule(text.upper())
    if part := unfulfillable_part(rule):
        subject = "The rule" if part == "pattern" else part
        raise RuleError(part, f"{subject} never falls on a day; change it, or leave it out.")
    return rule


_NAMES: dict[str, Frequency] = {
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "yearly": "YEARLY",
}
_UNITS: dict[str, Frequency] = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_EVERY = re.compile(r"every (?:(?P<number>[1-9][0-9]{0,3}|other) )?(?P<unit>day|week|month|year)s?")


def _read_name(text: str) -> RecurrenceRule:
    # SKIP=BACKWARD is what plain words promise: monthly from the 31st is the last day of each month, counted
    # from the start every time, so that it comes back to the 31st.
    if text in _NAMES:
        return RecurrenceRule(text=text, freq=_NAMES[text], skip="BACKWARD")
    if every := _EVERY.fullmatch(text):
        number = every["number"] or "1"
        interval = 2 if number == "other" else int(number)
        return RecurrenceRule(text=text, freq=_UNITS[every["unit"]], interval=interval, skip="BACKWARD")
    if text in ("weekdays", "every weekday"):
        return RecurrenceRule(text=text, freq="WEEKLY", by_day=_MONDAY_TO_FRIDAY)
    days = re.split(r", and |, | and ", text.removeprefix("every "))
    if text.startswith("every ") and all(day in _WEEKDAY_NAMES for day in days):
        by_day = frozenset((0, _WEEKDAY_NAMES.index(day)) for day in days)
        return RecurrenceRule(text=text, freq="WEEKLY", by_day=by_day)
    if re.fullmatch(r"(hourly|minutely)|every (\S+ )?(hour|minute|second)s?", text):
        raise RuleError("pattern", f"{_quoted(text)} is more often than daily; write daily, or 'every 2 days'.")
    if re.fullmatch(r"every [0-9]+ (day|week|month|year)s?", text):
        raise RuleError("pattern", f"{_quoted(text)} is out of range; write a number from 1 to {LARGEST_INTERVAL}.")
    raise RuleError(
        "pattern",
        f"{_quoted(text)} is no pattern; write daily, weekdays, weekly, monthly, yearly, 'every 3 days', "
        "'every other week', 'every monday and friday' or an RFC 5545 rule such as FREQ=MONTHLY;BYDAY=-1FR.",
    )


def _read_rrule(text: str) -> RecurrenceRule:
    rule, parts = _split(text)
    freq = _frequency(parts)
    _refuse_mismatches(freq, parts)
    return RecurrenceRule(
        text=rule,
        freq=freq,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, LARGEST_INTERVAL),
        count=_number("COUNT", parts["COUNT"], 1, LARGEST_COUNT) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        by_day=_by_day(freq, parts),
        by_month_day=_numbers(parts, "BYMONTHDAY", 31),
        by_year_day=_numbers(parts, "BYYEARDAY", 366),
        by_week_no=_numbers(parts, "BYWEEKNO", 53),
        by_month=_numbers(parts, "BYMONTH", 12, signed=False),
        by_set_pos=_numbers(parts, "BYSETPOS", 366),
        by_hour=_time_part(parts, "BYHOUR", 23),
        by_minute=_time_part(parts, "BYMINUTE", 59),
        by_second=_time_part(parts, "BYSECOND", 59),
        wkst=WEEKDAYS.index(_one_of("WKST", parts.get("WKST", "MO"), WEEKDAYS)),
        skip=_one_of("SKIP", parts.get("SKIP", "OMIT"), get_args(Skip)),
    )


_DAY_PARTS = {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH"}
_TIME_PARTS = {"BYHOUR", "BYMINUTE", "BYSECOND"}
_PARTS = _DAY_PARTS | _TIME_PARTS | {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYSETPOS", "WKST", "SKIP", "RSCALE"}


def _split(text: str) -> tuple[str, dict[str, str]]:
    """The rule without "RRULE:" and blanks, and its parts by name."""
    lines = text.splitlines()
    for line in lines:
        if other := re.match(r"(?!RRULE:)[A-Z-]+(?=[:;])", line):
            detail = f"{_quoted(other[0])} is no rule; write the rule alone, such as FREQ=DAILY."
            raise RuleError(other[0][:20], detail)
    if len(lines) > 1:
        raise RuleError("pattern", "A task follows one rule on one line; write a single one.")
    rule = text.removeprefix("RRULE:").replace(" ", "").rstrip(";")
    parts: dict[str, str] = {}
    for part in rule.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not re.fullmatch("[A-Z-]+", name):
            raise RuleError("pattern", f"{_quoted(part)} is no rule part; write NAME=VALUE, such as INTERVAL=2.")
        if name not in _PARTS:
            raise RuleError(name[:20], f"{_quoted(name)} is no part of an RFC 5545 rule; leave it out.")
        if name in parts:
            raise RuleError(name, f"{name} is there twice; write it once, with commas between its values.")
        parts[name] = value
    return rule, parts


def _frequency(parts: dict[str, str]) -> Frequency:
    if "FREQ" not in parts:
        raise RuleError("FREQ", "FREQ is missing; begin with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY.")
    if parts["FREQ"] in ("HOURLY", "MINUTELY", "SECONDLY"):
        raise RuleError("FREQ", f"FREQ={parts['FREQ']} is more often than daily; write FREQ=DAILY.")
    choices: tuple[Frequency, ...] = get_args(Frequency)
    return _one_of("FREQ", parts["FREQ"], choices)


# "N/A" in the table of RFC 5545 section 3.3.10.
_NOT_WITH: dict[str, tuple[Frequency, ...]] = {
    "BYMONTHDAY": ("WEEKLY",),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYWEEKNO": ("DAILY", "WEEKLY", "MONTHLY"),
}


def _refuse_mismatches(freq: Frequency, parts: dict[str, str]) -> None:
    """Parts that are right alone and wrong together."""
    for part, frequencies in _NOT_WITH.items():
        if part in parts and freq in frequencies:
            raise RuleError(part, f"{part} does not go with FREQ={freq}; leave it out or change FREQ.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleError("COUNT", "COUNT and UNTIL both end the rule; write one of them.")
    if "BYWEEKNO" in parts and "BYYEARDAY" in parts:
        raise RuleError("BYWEEKNO", "BYWEEKNO and BYYEARDAY both choose days of the year; write one of them.")
    if "BYSETPOS" in parts and not parts.keys() & _DAY_PARTS:
        raise RuleError("BYSETPOS", "BYSETPOS chooses among days; add the days, such as BYDAY=MO,TU,WE,TH,FR.")
    if parts.get("SKIP", "OMIT") != "OMIT" and parts.keys() & {"BYYEARDAY", "BYWEEKNO"}:
        raise RuleError("SKIP", "SKIP moves days of a month; leave it out beside BYYEARDAY and BYWEEKNO.")
    if parts.get("RSCALE", "GREGORIAN") != "GREGORIAN":
        raise RuleError("RSCALE", "RSCALE is GREGORIAN here, for no other calendar is known; leave it out.")


def _by_day(freq: Frequency, parts: dict[str, str]) -> frozenset[tuple[int, int]]:
    if "BYDAY" not in parts:
        return frozenset()
    most = {"MONTHLY": 5, "YEARLY": 5 if "BYMONTH" in parts else 53}.get(freq, 0)
    days = set()
    for value in parts["BYDAY"].split(","):
        ordinal, weekday = value[:-2], _one_of("BYDAY", value[-2:], WEEKDAYS)
        if ordinal and (not most or "BYWEEKNO" in parts):
            detail = f"{_quoted(value)} counts weekdays of a month or year; write {weekday} in this rule."
            raise RuleError("BYDAY", detail)
        number = _number("BYDAY", ordinal, 1, most, signed=True) if ordinal else 0
        days.add((number, WEEKDAYS.index(weekday)))
    return frozenset(days)


_DATE_OR_DATE_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z)?)?")


def _until(value: str) -> datetime | date:
    """A date, a wall time or a moment in UTC (RFC 5545 sections 3.3.4 and 3.3.5), with the leap second of RFC 3339."""
    if form := _DATE_OR_DATE_TIME.fullmatch(value):
        *numbers, zulu = form.groups()
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        with suppress(ValueError):
            last = date(year, month, day)
            return last if form[4] is None else date_time(last, hour, minute, second, offset=UTC if zulu else None)
    detail = f"UNTIL is a date or a moment such as 20261231 or 20261231T225959Z, not {_quoted(value)}."
    raise RuleError("UNTIL", detail)


def _numbers(parts: dict[str, str], part: str, high: int, *, signed: bool = True) -> frozenset[int]:
    if part not in parts:
        return frozenset()
    return frozenset(_number(part, value, 1, high, signed=signed) for value in parts[part].split(","))


def _time_part(parts: dict[str, str], part: str, high: int) -> int | None:
    if part not in parts:
        return None
    if "," in parts[part]:
        raise RuleError(part, f"{part} with several values is more often than daily; write one value.")
    return _number(part, parts[part], 0, high)


def _number(part: str, text: str, low: int, high: int, *, signed: bool = False) -> int:
    if re.fullmatch(r"[+-]?[0-9]{1,6}", text):
        number = int(text)
        if low <= (abs(number) if signed else number) <= high:
            return number
    negative = f" or -{high} to -{low}" if signed else ""
    raise RuleError(part, f"{part} takes numbers from {low} to {high}{negative}, not {_quoted(text)}.")


def _one_of(part: str, text: str, choices: tuple[_Choice, ...]) -> _Choice:
    for choice in choices:
        if text == choice:
            return choice
    raise RuleError(part, f"{part} takes {', '.join(choices)}, not {_quoted(text)}.")


def _quoted(text: str) -> str:
    """A user's text, shortened and in ASCII."""
    return ascii(text if len(text) <= 20 else text[:20] + "...")
