"""One parser of timestamps and durations: the same texts mean the same at every door."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from taskmaster import rfc3339
from taskmaster.domain import pattern, reminders
from taskmaster.domain.paging import Bound
from taskmaster.domain.task import Day, Timestamp
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed

# What is written, and what it means in UTC.
TIMESTAMPS = [
    ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00"),
    ("2026-11-24t09:00:00z", "2026-11-24T09:00:00"),
    ("2026-11-24T09:00:00z", "2026-11-24T09:00:00"),
    ("2026-11-24t09:00:00+01:00", "2026-11-24T08:00:00"),
    ("2026-11-24 09:00:00Z", "2026-11-24T09:00:00"),
    ("2026-11-24T09:00Z", "2026-11-24T09:00:00"),
    ("2026-11-24T09:00:00+0530", "2026-11-24T03:30:00"),
    ("2026-11-24T09:00:00-00:00", "2026-11-24T09:00:00"),
    ("2026-11-24T00:30:00+23:59", "2026-11-23T00:31:00"),
    ("2026-11-24T09:00:00.5Z", "2026-11-24T09:00:00.500000"),
    ("2026-11-24T09:00:00.1234567890123z", "2026-11-24T09:00:00.123456"),
    ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59"),
    # Leap seconds: of the past, of a future month, and where another offset shows them.
    ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59"),
    ("2016-12-31t23:59:60z", "2016-12-31T23:59:59"),
    ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59"),
    ("2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59"),
    ("2026-11-30T23:59:60.25Z", "2026-11-30T23:59:59.250000"),
    ("2028-02-29T23:59:60Z", "2028-02-29T23:59:59"),
]
NO_TIMESTAMPS = [
    "2026-11-24T09:00:60Z",
    "2026-11-29T23:59:60Z",
    "2016-12-31T23:58:60Z",
    "2016-12-31T23:59:60+01:00",
    "2016-12-31T23:59:61Z",
    "2027-02-28T23:59:60+00:01",
    "2026-02-30T09:00:00Z",
    "2026-11-24T24:00:00Z",
    "2026-11-24T25:00:00Z",
    "2026-11-24T09:60:00Z",
    "2026-11-24T09:00:00+24:00",
    "2026-11-24T09:00:00+01:75",
    "2026-11-24T09:00:00+01",
    "2026-11-24T09:00:00 Z",
    "2026-11-24T09:00:00.Z",
    "2026-11-24T09:00:00,5Z",
    "2026-11-24T09Z",
    "20261124T090000Z",
    "2026-W48-2T09:00:00Z",
    "26-11-24T09:00:00Z",
    "2026-11-24x09:00:00Z",
    "٢٠٢٦-11-24T09:00:00Z",
    "yesterday",
    "",
]
WITHOUT_OFFSET = ["2026-11-24T09:00:00", "2026-11-24 09:00", "2016-12-31T23:59:60"]

# What is written, and its calendar days and exact seconds.
DURATIONS = [
    ("PT30M", (0, 1800)),
    ("pt30m", (0, 1800)),
    ("P1D", (1, 0)),
    ("p1dT2h", (1, 7200)),
    ("P2W", (14, 0)),
    ("P1W1D", (8, 0)),
    ("PT0S", (0, 0)),
    ("PT1H1M1S", (0, 3661)),
    ("PT90S", (0, 90)),
]
NO_DURATIONS = ["P", "PT", "P1Y", "P1M", "PT1.5H", "-PT1M", "PT1S1M", "P1DT", "1D", "PT1H PT1M", "P٣D", "PT1M\n"]


def of_a_field(text: str) -> datetime:
    """due_at, snoozed until, and each other field of that type."""
    try:
        return TypeAdapter[datetime](Timestamp).validate_python(text)
    except ValidationError as error:
        raise ValueError(error) from None


def of_a_query(text: str) -> datetime:
    """due_from and due_to."""
    try:
        bound = TypeAdapter[Any](Bound).validate_python(text)
    except ValidationError as error:
        raise ValueError(error) from None
    assert isinstance(bound, datetime)
    return bound


def of_a_reminder(text: str) -> datetime:
    try:
        [kept] = TypeAdapter[list[str]](reminders.Reminders).validate_python([text])
    except ValidationError as error:
        raise ValueError(error) from None
    moment = reminders.parse_reminder(kept)
    assert isinstance(moment, datetime)
    return moment


def of_an_event(text: str) -> datetime:
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": text}
    try:
        moment = cloudevent.time_of(cloudevent.checked(attributes))
    except Malformed as error:
        raise ValueError(error) from None
    assert moment is not None
    return moment


DOORS = [rfc3339.timestamp, of_a_field, of_a_query, of_a_reminder, of_an_event]
doors = pytest.mark.parametrize("read", DOORS, ids=lambda door: door.__name__)


@doors
@pytest.mark.parametrize(("text", "utc"), TIMESTAMPS)
def test_a_timestamp_means_the_same_at_every_door(read: Callable[[str], datetime], text: str, utc: str) -> None:
    assert read(text).astimezone(UTC) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@doors
@pytest.mark.parametrize("text", NO_TIMESTAMPS)
def test_what_is_no_timestamp_is_refused_at_every_door(read: Callable[[str], datetime], text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("read", [rfc3339.timestamp, of_a_field, of_a_query, of_an_event])
def test_blanks_belong_to_no_timestamp(read: Callable[[str], datetime]) -> None:
    for text in ("2026-11-24T09:00:00Z\n", " 2026-11-24T09:00:00Z"):
        with pytest.raises(ValueError):
            read(text)
    assert of_a_reminder(" 2026-11-24T09:00:00Z ") == of_a_field("2026-11-24T09:00:00Z")


@pytest.mark.parametrize("read", DOORS[:-1], ids=lambda door: door.__name__)
@pytest.mark.parametrize("text", WITHOUT_OFFSET)
def test_a_timestamp_says_its_offset(read: Callable[[str], datetime], text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("text", WITHOUT_OFFSET)
def test_the_time_of_an_event_may_lack_its_offset_and_is_no_moment_then(text: str) -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": text}
    assert cloudevent.time_of(cloudevent.checked(attributes)) is None


def test_the_offset_that_was_written_is_kept() -> None:
    read = rfc3339.timestamp("2026-11-24T09:00:00-03:30")
    assert read.tzinfo == timezone(-timedelta(hours=3, minutes=30))
    assert rfc3339.written(read) == "2026-11-24T12:30:00Z"


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261231T235959Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("20261231T235960Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("20261231t235960z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("20261231T235960", datetime(2026, 12, 31, 23, 59, 59)),  # noqa: DTZ001 - a wall time
        ("20261231t090000", datetime(2026, 12, 31, 9)),  # noqa: DTZ001
        ("20261231", date(2026, 12, 31)),
    ],
)
def test_until_is_read_by_the_same_clock(until: str, last: datetime | date) -> None:
    assert pattern.parse(f"FREQ=DAILY;UNTIL={until}").until == last


@pytest.mark.parametrize("until", ["20261230T235960Z", "20261231T225960Z", "20261231T235961Z", "20261231T240000Z"])
def test_until_refuses_what_the_clock_does_not_have(until: str) -> None:
    with pytest.raises(pattern.RuleError, match="UNTIL"):
        pattern.parse(f"FREQ=DAILY;UNTIL={until}")


@pytest.mark.parametrize(("text", "expected"), DURATIONS)
def test_a_duration_means_the_same_at_every_door(text: str, expected: tuple[int, int]) -> None:
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    snoozed = TypeAdapter[str](reminders.DurationText).validate_python(text)
    [kept] = TypeAdapter[list[str]](reminders.Reminders).validate_python([text])
    assert rfc3339.duration(text) == reminders.parse_reminder(kept) == expected
    days, seconds = expected
    assert reminders.after_duration(start, snoozed, zone=ZoneInfo("UTC")) == start + timedelta(
        days=days, seconds=seconds
    )


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_refused_at_every_door(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339.duration(text)
    if text == text.strip():
        for door in (reminders.DurationText, reminders.Reminder):
            with pytest.raises(ValidationError):
                TypeAdapter[str](door).validate_python(text)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-1-1", "20261124", "2026-11-24T00:00:00Z", "٢٠٢٦-11-24"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rfc3339.day(text)
    with pytest.raises(ValidationError):
        TypeAdapter[date](Day).validate_python(text)


def test_a_moment_is_written_in_utc_with_or_without_its_fraction() -> None:
    moment = datetime(2089, 5, 20, 14, 0, 1, 500_000, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339.written(moment) == "2089-05-20T12:00:01.500000Z"
    assert rfc3339.to_the_second(moment) == "2089-05-20T12:00:01Z"
