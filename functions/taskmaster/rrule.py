"""Reading a recurrence pattern: named patterns and RFC 5545 rules become one checked record.

Whatever a task cannot follow is refused here, with the part that is wrong and what to write instead. Nothing is
searched and no date is needed, so the answer comes at once whatever the text says.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeVar, cast, get_args

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
Skip = Literal["OMIT", "BACKWARD", "FORWARD"]

#: In the order of `date.weekday`, so that an index is a weekday.
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LONGEST_PATTERN = 500
LARGEST_NUMBER = 9999

_T = TypeVar("_T")


class RuleError(ValueError):
    """A pattern that cannot be followed.

    `part` is the rule part at fault ("BYDAY", "FREQ", ...), or "pattern" where the text as a whole is; `detail` is a
    sentence for the person who wrote it: what is wrong, and what to write instead.
    """

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(f"{part}: {detail}")
        self.part = part
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A recurrence rule, every part checked (RFC 5545 section 3.3.10, RFC 7529 section 4.1).

    A BYxxx part that was not given is empty: what it leaves open comes from the start of the series.
    """

    # The pattern as it was given, in one spelling: "monthly", "every 3 days", "FREQ=WEEKLY;BYDAY=MO,WE".
    text: str
    freq: Frequency
    interval: int = 1
    # Occurrences in all, the first one and skipped ones included; None: no end.
    count: int | None = None
    # The last moment or day that may still be an occurrence: aware (UTC), naive (wall time) or a date.
    until: datetime | date | None = None
    # (ordinal, weekday): (0, 0) is every Monday, (-1, 4) the last Friday of the month or year.
    by_day: frozenset[tuple[int, int]] = frozenset()
    by_month_day: frozenset[int] = frozenset()
    by_year_day: frozenset[int] = frozenset()
    by_week_no: frozenset[int] = frozenset()
    by_month: frozenset[int] = frozenset()
    by_set_pos: frozenset[int] = frozenset()
    # The wall time where the rule names one; None: that of the start.
    by_hour: int | None = None
    by_minute: int | None = None
    by_second: int | None = None
    # The weekday that weeks begin on, 0 for Monday.
    wkst: int = 0
    # What becomes of 31 April: left out, 30 April, or 1 May.
    skip: Skip = "OMIT"


def read(pattern: str) -> Rule:
    """The rule that a pattern stands for; RuleError names the part that is wrong."""
    if len(pattern) > LONGEST_PATTERN:
        raise RuleError("pattern", f"is longer than {LONGEST_PATTERN} characters; write a shorter rule")
    text = pattern.strip()
    if "=" in text or ":" in text:
        return _rrule(text.upper())
    return _named(" ".join(text.lower().split()))


_UNITS: dict[str, Frequency] = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_NAMES: dict[str, Frequency] = {
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "yearly": "YEARLY",
}
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONDAY_TO_FRIDAY = frozenset((0, day) for day in range(5))
_EVERY = re.compile(r"every (?:(?P<n>[0-9]+|other) )?(?P<unit>day|week|month|year)(?P<plural>s?)")


def _named(text: str) -> Rule:
    if text in _NAMES:
        # Clamping: a monthly task from the 31st falls on the last day of a shorter month, and never drifts.
        return Rule(text=text, freq=_NAMES[text], skip="BACKWARD")
    if text in ("weekdays", "every weekday"):
        return Rule(text=text, freq="WEEKLY", by_day=_MONDAY_TO_FRIDAY)
    if every := _EVERY.fullmatch(text):
        number = every["n"] or "1"
        interval = 2 if number == "other" else _number("INTERVAL", number, 1, LARGEST_NUMBER)
        return Rule(text=text, freq=_UNITS[every["unit"]], interval=interval, skip="BACKWARD")
    if text.startswith("every "):
        days = re.split(r", and |, | and ", text.removeprefix("every "))
        if all(day in _DAY_NAMES for day in days):
            by_day = frozenset((0, _DAY_NAMES.index(day)) for day in days)
            return Rule(text=text, freq="WEEKLY", by_day=by_day)
    raise RuleError(
        "pattern",
        "is not a pattern; write daily, weekdays, weekly, monthly, yearly, 'every 3 days', 'every other week', "
        "'every monday', or an RFC 5545 rule such as FREQ=MONTHLY;BYDAY=-1FR",
    )


def _rrule(text: str) -> Rule:
    raise RuleError("pattern", "RFC 5545 rules are read from the next commit on")


def _number(part: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise RuleError(part, f"is a whole number from {low} to {high}")
    return int(text)
