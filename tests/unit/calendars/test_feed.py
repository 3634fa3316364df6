"""The calendar feed, read back by its library and by python-dateutil: nothing is lost, and dates are the pack's own."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, example, given
from hypothesis import strategies as st
from icalendar import Calendar

from taskmaster.calendars import zones
from taskmaster.calendars.components import LONGEST_DESCRIPTION
from taskmaster.calendars.feed import CalendarFeed
from taskmaster.domain import recurrence
from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.rrule import CYCLE_YEARS
from taskmaster.domain.series import Series
from taskmaster.domain.task import Refused, Task
from tests.unit.domain.test_recurrence_properties import ZONES, patterns

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
JANUARY = datetime.fromisoformat("2026-01-01")
SEEN = 15  # dates of a series that are compared

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200)
moments = st.datetimes(JANUARY, datetime.fromisoformat("2034-01-01")).map(lambda moment: moment.replace(microsecond=0))


def task(**fields: Any) -> Task:
    given = {"task_id": 7, "title": "pay the rent", "created_at": NOW, "updated_at": NOW, **fields}
    return first_occurrence(check_recurrence(Task(**given)))


def parsed(*tasks: Task, series: Series | None = None, now: datetime = NOW) -> Any:
    known = series or (Series.started_by(tasks[0]) if tasks and tasks[0].series_id else None)
    text = CalendarFeed(tasks, {known.series_id: known} if known else {}, now=now).text
    assert all(len(line) <= 75 for line in text.encode().split(b"\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    found = Calendar.from_ical(text)
    assert not [each.errors for each in found.walk() if each.errors]
    return found


def dates(component: Any) -> list[Any]:
    """The first dates of an event or a to-do, as a calendar program works them out."""
    start = component.decoded("dtstart" if "dtstart" in component else "due")
    is_day = not isinstance(start, datetime)
    begin = datetime.combine(start, datetime.min.time()) if is_day else start
    found = [begin]
    if "rrule" in component:
        rule = component["rrule"].to_ical().decode()
        if is_day:
            rule = re.sub("UNTIL=([0-9]{8})$|UNTIL=([0-9]{8})(?=;)", r"UNTIL=\1\2T000000", rule)
        found = list(islice(rrulestr(rule, dtstart=begin), SEEN))
    if "rdate" in component:
        found += [each.dt for each in component["rdate"].dts]
    days = [each.date() if isinstance(each, datetime) else each for each in found]
    return days[:SEEN] if is_day else [each.astimezone(UTC) for each in found[:SEEN]]


def _until_a_series_ends(told: list[Any]) -> list[Any]:
    """Without what stands behind 400 years without a date: a series ends there, which no RRULE can say."""
    for place, (one, following) in enumerate(pairwise(told), 1):
        if following.year - one.year > CYCLE_YEARS:
            return told[:place]
    return told


@example(r"C:\New folder", r"\N, \n; \\N", [r"\N,"], "low")
@given(texts, texts, st.lists(texts.map(lambda text: text[:50]), max_size=5), st.sampled_from(["low", "urgent"]))
def test_any_text_comes_back_as_it_was(title: str, notes: str, tags: list[str], priority: Any) -> None:
    found = parsed(task(title=title, description=notes, tags=tags, priority=priority))
    [todo] = found.todos
    assert found.events == []

    def shown(text: str) -> str:
        return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", " ", text.replace("\r\n", "\n").replace("\r", "\n"))

    assert str(todo["summary"]) == shown(title)
    assert str(todo["description"]) == shown(notes)
    assert [str(each) for each in todo["categories"].cats] if tags else "categories" not in todo
    if tags:
        assert [str(each) for each in todo["categories"].cats] == [shown(tag) for tag in tags]
    assert todo["priority"] == {"low": 9, "urgent": 1}[priority]


@example("FREQ=MONTHLY;BYMONTH=1;INTERVAL=13;BYDAY=TU;BYMONTHDAY=1;COUNT=5", JANUARY, ZONES[0], False, 0, 0)
@given(patterns, moments, st.sampled_from(ZONES), st.booleans(), st.integers(0, 6), st.integers(-400, 2000))
def test_the_dates_of_a_series_are_the_packs(
    pattern: str, start: datetime, zone: ZoneInfo, on_a_day: bool, done: int, days: int
) -> None:
    """After any number of completions, with the task on time or late."""
    due = {"due_on": start.date()} if on_a_day else {"due_at": start.replace(tzinfo=zone, fold=0).astimezone(UTC)}
    try:
        head = task(**due, time_zone=zone.key, recurrence_pattern=pattern)
    except (Refused, recurrence.RuleError):
        assume(False)
        raise
    rule = recurrence.parse(pattern)
    # What python-dateutil has other days for: tests/unit/domain/test_recurrence_properties.py.
    assume(len({ordinal == 0 for ordinal, _ in rule.by_day}) < 2)
    series = Series.started_by(head)
    for number in range(done):
        following = series.next(head.due, done_at=series.done_on(head.due or date.min))
        if following is None:
            break
        head = series.occurrence(following, task_id=8 + number, at=NOW)
        series = series.advanced(to=following)
    now = start.replace(tzinfo=UTC) + timedelta(days=days)
    ahead = list(islice(series.upcoming(head.due, now=now), SEEN))
    assume(len(ahead) == SEEN or rule.count or rule.until)  # dateutil searches for ever where nothing comes

    found = parsed(head, series=series, now=now)

    told = _until_a_series_ends([each for event in found.events for each in dates(event)])
    assert told[: SEEN - 1] == [head.due, *ahead][: SEEN - 1]
    assert len(told) >= min(SEEN, 1 + len(ahead))
    [todo] = found.todos
    assert todo.decoded("due") == (head.due if on_a_day else head.due.astimezone(zone))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pattern", "due_on", "rule"),
    [
        ("daily", "2027-01-31", "FREQ=DAILY"),
        ("weekly", "2027-01-31", "FREQ=WEEKLY;BYDAY=SU"),
        ("every 2 weeks", "2027-01-31", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU"),
        ("weekdays", "2027-02-01", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("monthly", "2027-01-15", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("monthly", "2027-01-31", "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"),
        ("monthly", "2027-01-30", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"),
        ("yearly", "2028-02-29", "FREQ=YEARLY;BYMONTHDAY=28,29;BYMONTH=2;BYSETPOS=-1"),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=5", "2027-01-29", "FREQ=MONTHLY;COUNT=5;BYDAY=-1FR"),
        ("FREQ=DAILY;UNTIL=20270301", "2027-01-31", "FREQ=DAILY;UNTIL=20270301"),
    ],
)
def test_a_pattern_as_a_rule(pattern: str, due_on: str, rule: str) -> None:
    found = parsed(task(due_on=date.fromisoformat(due_on), recurrence_pattern=pattern))
    for component in (*found.todos, *found.events):
        assert component["rrule"].to_ical().decode() == rule


def test_until_is_the_last_moment_in_utc() -> None:
    due = {"due_at": datetime(2027, 1, 31, 8, tzinfo=UTC), "time_zone": "Europe/Zurich"}
    [event] = parsed(task(**due, recurrence_pattern="FREQ=DAILY;UNTIL=20270401T085959")).events
    assert event["rrule"].to_ical() == b"FREQ=DAILY;UNTIL=20270331T070000Z"
    assert event["dtstart"].to_ical() == b"20270131T090000"
    assert event["dtstart"].params["TZID"] == "Europe/Zurich"


def test_a_task_that_was_moved_stands_beside_its_series() -> None:
    head = task(due_on=date(2027, 1, 31), recurrence_pattern="monthly")
    series = Series.started_by(head)
    todo_and_events = parsed(head.changed(at=NOW, due_on=date(2027, 2, 3)), series=series)
    moved, ahead = todo_and_events.events
    assert "rrule" not in moved
    assert moved.decoded("dtstart") == date(2027, 2, 3)
    assert dates(ahead)[:2] == [date(2027, 2, 28), date(2027, 3, 31)]
    assert "rrule" not in todo_and_events.todos[0]


def test_dates_that_were_missed_are_not_told() -> None:
    head = task(due_on=date(2026, 11, 20), recurrence_pattern="daily")
    late, ahead = parsed(head).events
    assert dates(late) == [date(2026, 11, 20)]
    assert dates(ahead)[0] == date(2026, 11, 25)


@pytest.mark.parametrize("fields", [{"recurrence_from": "completion"}, {"recurrence_paused": True}])
def test_what_goes_on_at_no_date_has_no_rule(fields: dict[str, Any]) -> None:
    found = parsed(task(due_on=date(2027, 1, 31), recurrence_pattern="monthly", **fields))
    assert len(found.events) == 1
    assert not any("rrule" in each or "rdate" in each for each in found.walk())


def test_a_long_description_is_cut() -> None:
    [todo] = parsed(task(description="é" * 10_000)).todos
    assert len(str(todo["description"])) == LONGEST_DESCRIPTION


def test_the_tag_is_another_when_anything_is() -> None:
    head = task(due_on=date(2026, 11, 24), recurrence_pattern="daily")
    series = {7: Series.started_by(head)}
    tags = {
        CalendarFeed([], {}, now=NOW).tag,
        CalendarFeed([head], series, now=NOW).tag,
        CalendarFeed([head.changed(at=NOW, title="x")], series, now=NOW).tag,
        CalendarFeed([head], series, now=NOW + timedelta(days=3)).tag,
    }
    assert len(tags) == 4
    assert CalendarFeed([head], series, now=NOW + timedelta(hours=3)).tag in tags


@pytest.mark.parametrize("key", sorted(zone.key for zone in ZONES if zone.key != "UTC"))
def test_a_vtimezone_tells_the_zones_clock(key: str) -> None:
    """Read as RFC 5545 has it (3.6.5): the latest onset before a moment, each with the offset before it."""
    found: Any = zones.described(key, first_year=2026, last_year=2036)
    onsets = []
    for part in found.subcomponents:
        offset_from, offset = part.decoded("tzoffsetfrom"), part.decoded("tzoffsetto")
        listed = [part.decoded("dtstart"), *(each.dt for each in (part["rdate"].dts if "rdate" in part else []))]
        onsets += [(each - offset_from, offset) for each in listed]
    onsets.sort()
    for hours in range(0, 11 * 365 * 24, 5):
        moment = datetime.fromisoformat("2026-01-01") + timedelta(hours=hours)
        told = [offset for onset, offset in onsets if onset <= moment][-1]
        assert told == moment.replace(tzinfo=UTC).astimezone(ZoneInfo(key)).utcoffset(), moment
