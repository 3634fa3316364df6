"""The next occurrence: overdue jumps and what they skip, the ends of a series, and how little is searched for it."""

from datetime import UTC, date, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskmaster.domain import recurrence, rrule
from taskmaster.domain.recurrence import Next, next_occurrence, parse

ZURICH = ZoneInfo("Europe/Zurich")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "start", "position", "after", "expected"),
    [
        # In time: the one after the head, even though the task was completed early.
        ("daily", "2026-11-24T09:00", 1, None, (2, "2026-11-25T08:00", 0)),
        ("daily", "2026-11-24T09:00", 1, "2026-11-20T12:00", (2, "2026-11-25T08:00", 0)),
        ("daily", "2026-11-24T09:00", 5, "2026-11-20T12:00", (6, "2026-11-29T08:00", 0)),
        # Overdue: the first after the completion; exactly at an occurrence is not after it.
        ("daily", "2026-11-24T09:00", 1, "2026-11-27T07:59:59", (4, "2026-11-27T08:00", 2)),
        ("daily", "2026-11-24T09:00", 1, "2026-11-27T08:00", (5, "2026-11-28T08:00", 3)),
        ("daily", "2026-11-24T09:00", 3, "2026-11-27T08:00", (5, "2026-11-28T08:00", 1)),
        ("daily", "1996-11-24T09:00", 1, "2026-11-24T09:00", (10959, "2026-11-25T08:00", 10957)),
        ("monthly", "2027-01-31T09:00", 1, "2027-02-28T08:30", (3, "2027-03-31T07:00", 1)),
        ("weekdays", "2026-11-27T09:00", 1, "2026-11-28T12:00", (2, "2026-11-30T08:00", 0)),
        ("yearly", "2024-02-29T09:00", 1, "2027-06-01T00:00", (5, "2028-02-29T08:00", 3)),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2027-01-31T09:00", 1, "2027-04-30T00:00", (3, "2027-05-31T07:00", 1)),
        # Position 0 is a series that has not begun: the start itself can be next.
        ("daily", "2026-11-24T09:00", 0, None, (1, "2026-11-24T08:00", 0)),
        ("daily", "2026-11-24T09:00", 0, "2026-11-24T08:00", (2, "2026-11-25T08:00", 1)),
        # COUNT counts the skipped ones; UNTIL does not care.
        ("FREQ=DAILY;COUNT=3", "2026-11-24T09:00", 1, "2026-11-25T08:00", (3, "2026-11-26T08:00", 1)),
        ("FREQ=DAILY;COUNT=3", "2026-11-24T09:00", 1, "2026-11-26T08:00", None),
        ("FREQ=DAILY;COUNT=3", "2026-11-24T09:00", 3, None, None),
        ("FREQ=DAILY;COUNT=3", "2026-11-24T09:00", 1, "2027-11-24T09:00", None),
        ("FREQ=DAILY;UNTIL=20261126", "2026-11-24T09:00", 1, "2026-11-26T07:59", (3, "2026-11-26T08:00", 1)),
        ("FREQ=DAILY;UNTIL=20261126", "2026-11-24T09:00", 1, "2026-11-26T08:00", None),
        ("FREQ=DAILY;UNTIL=20261126", "2026-11-24T09:00", 1, "2600-11-26T08:00", None),
        # Over the clock change of 29 March: 02:30 rang at 03:30 (01:30 UTC), and the next is after that.
        ("daily", "2026-03-28T02:30", 1, "2026-03-29T01:29", (2, "2026-03-29T01:30", 0)),
        ("daily", "2026-03-28T02:30", 1, "2026-03-29T01:30", (3, "2026-03-30T00:30", 1)),
        # In the second 02:30 of 25 October the first is over.
        ("daily", "2026-10-24T02:30", 1, "2026-10-25T01:30", (3, "2026-10-26T01:30", 1)),
        # Far away, and past the end of the calendar.
        ("every 9999 days", "2000-01-01T09:00", 1, "2500-01-01T00:00", (20, "2520-02-25T08:00", 18)),
        ("daily", "2000-01-01T09:00", 1, "9999-12-31T23:59:59", None),
        ("daily", "2000-01-01T09:00", 10**9, None, None),
        ("yearly", "9998-06-01T09:00", 2, None, None),
    ],
)
def test_next(
    pattern: str, start: str, position: int, after: str | None, expected: tuple[int, str, int] | None
) -> None:
    found = next_occurrence(
        parse(pattern), local(start), ZURICH, position=position, after=utc(after) if after else None
    )
    number, due, skipped = expected or (0, "2000-01-01", 0)
    assert found == (Next(position=number, due=utc(due), skipped=skipped) if expected else None)


@pytest.mark.parametrize(
    ("pattern", "start", "after", "expected"),
    [
        ("daily", "2026-11-24", "2026-11-24", (2, "2026-11-25", 0)),
        ("daily", "2026-11-24", "2026-11-25", (3, "2026-11-26", 1)),
        ("monthly", "2027-01-31", "2027-02-28", (3, "2027-03-31", 1)),
        ("weekly", "1966-11-24", "2026-11-24", (3132, "2026-11-26", 3130)),
    ],
)
def test_next_day(pattern: str, start: str, after: str, expected: tuple[int, str, int]) -> None:
    found = next_occurrence(
        parse(pattern), date.fromisoformat(start), ZURICH, position=1, after=date.fromisoformat(after)
    )
    number, due, skipped = expected
    assert found == Next(position=number, due=date.fromisoformat(due), skipped=skipped)


HARD = [
    "daily",
    "every 2 days",
    "every 9999 days",
    "weekdays",
    "monthly",
    "yearly",
    "every 9999 years",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU;WKST=SU",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
]


@pytest.mark.parametrize("pattern", HARD)
def test_a_search_through_the_whole_calendar_works_out_fourteen_years(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out = []
    days_by_period = rrule._days_by_period

    def counted(*arguments: Any) -> dict[int, list[int]]:
        worked_out.append(arguments)
        return days_by_period(*arguments)

    rule = parse(pattern)
    monkeypatch.setattr(rrule, "_days_by_period", counted)
    next_occurrence(rule, local("0001-01-02T09:00"), ZURICH, position=1, after=utc("9999-01-01"))
    assert len(worked_out) <= 14


@pytest.mark.parametrize(
    ("start", "after"),
    [
        (utc("2026-11-24"), None),
        (local("2026-11-24T09:00"), local("2026-11-25T09:00")),
        (local("2026-11-24T09:00"), date(2026, 11, 25)),
        (date(2026, 11, 24), utc("2026-11-25")),
    ],
)
def test_a_moment_is_not_a_day_nor_a_wall_time_a_moment(start: date, after: date | None) -> None:
    with pytest.raises(TypeError):
        next_occurrence(parse("daily"), start, ZURICH, position=1, after=after)


def test_the_occurrences_begin_with_the_start_or_after_a_moment() -> None:
    start = local("2026-11-24T09:00")
    first = recurrence.occurrences(parse("daily"), start, ZURICH)
    assert [o.position for o in islice(first, 10)] == list(range(1, 11))
    later = islice(recurrence.occurrences(parse("daily"), start, ZURICH, after=utc("2026-12-24T08:00")), 2)
    assert [(o.position, o.due) for o in later] == [
        (32, utc("2026-12-25T08:00")),
        (33, utc("2026-12-26T08:00")),
    ]
