"""Cron schedules are due when robfig/cron, which Knative uses, would be."""

from datetime import UTC, datetime

import pytest

from knative.local.cron import parse


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "due"),
    [
        ("2 * * * *", "UTC", "2026-11-24T10:02:00", "2026-11-24T11:02:00"),
        ("2 * * * *", "UTC", "2026-11-24T10:01:59.999999", "2026-11-24T10:02:00"),
        ("*/10 * * * *", "UTC", "2026-11-24T10:51:00", "2026-11-24T11:00:00"),
        ("2-59/10 * * * *", "UTC", "2026-11-24T10:51:00", "2026-11-24T10:52:00"),
        ("30 5 9 24 11 *", "UTC", "2026-01-01T00:00:00", "2026-11-24T09:05:30"),
        ("*/15 * * * * *", "UTC", "2026-11-24T10:00:01", "2026-11-24T10:00:15"),
        ("0 9 * * MON-FRI", "UTC", "2026-11-27T09:00:00", "2026-11-30T09:00:00"),
        ("0 0 1,15 * *", "UTC", "2026-11-02T00:00:00", "2026-11-15T00:00:00"),
        ("0 0 31 * *", "UTC", "2026-02-01T00:00:00", "2026-03-31T00:00:00"),
        ("0 0 29 feb ?", "UTC", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 13 * FRI", "UTC", "2026-11-10T00:00:00", "2026-11-13T00:00:00"),
        ("0 0 13 * FRI", "UTC", "2026-11-13T00:00:00", "2026-11-20T00:00:00"),
        ("@daily", "UTC", "2026-11-24T10:00:00", "2026-11-25T00:00:00"),
        ("0 9 * * *", "Europe/Zurich", "2026-10-24T08:00:00", "2026-10-25T08:00:00"),
        ("CRON_TZ=Asia/Tokyo 0 9 * * *", "UTC", "2026-11-24T10:00:00", "2026-11-25T00:00:00"),
        # 02:30 does not exist on the morning of the change to summer time.
        ("30 2 * * *", "Europe/Zurich", "2026-03-28T12:00:00", "2026-03-30T00:30:00"),
    ],
)
def test_next_moment(schedule: str, zone: str, after: str, due: str) -> None:
    found = parse(schedule, zone).next_after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_the_30th_of_february_never_comes() -> None:
    assert parse("0 0 30 2 *").next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("schedule", "zone", "message"),
    [
        ("* * * *", "UTC", "has 4 fields"),
        ("60 * * * *", "UTC", "not within 0 to 59"),
        ("5-1 * * * *", "UTC", "not within"),
        ("*/0 * * * *", "UTC", "not within"),
        ("x * * * *", "UTC", "neither"),
        ("* * * * *", "Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("@sometimes", "UTC", "has 1 fields"),
    ],
)
def test_what_is_no_schedule_is_said(schedule: str, zone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(schedule, zone)
