"""Quiet hours are read off the clock, whatever the clock does."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from taskmaster.domain.preferences import Preferences, QuietHours

# A night on which the clock goes back, and one on which it goes forward; where that is no whole hour, or at midnight.
NIGHTS = [
    ("Europe/Zurich", "2027-10-31"), ("Europe/Zurich", "2027-03-28"),
    ("America/New_York", "2027-11-07"), ("America/New_York", "2027-03-14"),
    ("Australia/Lord_Howe", "2027-04-04"), ("Australia/Lord_Howe", "2027-10-03"),
    ("America/Havana", "2027-11-07"), ("America/Havana", "2027-03-14"),
    ("Africa/Cairo", "2027-10-29"), ("Africa/Cairo", "2027-04-30"),
    ("Antarctica/Troll", "2027-10-31"), ("Asia/Kathmandu", "2027-10-31"),
]  # fmt: skip
HOURS = [
    ("22:00", "02:30"), ("22:00", "01:45"), ("22:00", "00:30"), ("20:00", "23:30"), ("02:15", "02:45"),
    ("01:00", "02:15"), ("00:15", "23:45"), ("03:15", "02:30"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "day"), NIGHTS)
@pytest.mark.parametrize(("start", "end"), HOURS)
def test_what_is_quiet_lasts_until_the_clock_first_shows_what_is_not(zone: str, day: str, start: str, end: str) -> None:
    preferences = Preferences(time_zone=zone, quiet_hours=QuietHours(start=start, end=end))
    moments = list(_minutes(datetime.fromisoformat(day).replace(tzinfo=UTC)))
    loud = [moment for moment in moments if not _is_quiet(moment, zone, start, end)]
    for moment in moments[: 36 * 60 : 7]:
        until = preferences.quiet_until(moment)
        expected = next(each for each in loud if each >= moment)
        assert (until or moment) == expected, moment.astimezone(ZoneInfo(zone))


def _minutes(day: datetime) -> Iterator[datetime]:
    for minute in range(72 * 60):
        yield day - timedelta(hours=14) + timedelta(minutes=minute)


def _is_quiet(moment: datetime, zone: str, start: str, end: str) -> bool:
    wall = moment.astimezone(ZoneInfo(zone)).time()
    first, last = time.fromisoformat(start), time.fromisoformat(end)
    return first <= wall < last if first < last else wall >= first or wall < last
