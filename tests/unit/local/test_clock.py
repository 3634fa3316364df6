"""Business time is moved by a file that functions read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from knative.local.clock import Clock, duration


def test_without_a_file_business_time_is_real_time(tmp_path: Path) -> None:
    assert abs(Clock(tmp_path / "offset").now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_journeys_add_up_in_the_file_and_are_told(tmp_path: Path) -> None:
    clock, told = Clock(tmp_path / "offset"), []
    clock.on_move(lambda: told.append(clock.offset))
    clock.travel(timedelta(days=31))
    clock.travel(timedelta(hours=-1))
    assert told == [timedelta(days=31), timedelta(days=30, hours=23)]
    assert float((tmp_path / "offset").read_text()) == clock.offset.total_seconds()
    clock.reset()
    assert clock.offset == timedelta()


def test_a_journey_out_of_the_calendar_is_refused(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "offset")
    with pytest.raises(OverflowError):
        clock.travel(timedelta(days=365 * 9000))
    assert clock.offset == timedelta()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("31d", timedelta(days=31)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("-2w", timedelta(weeks=-2)),
        ("90m", timedelta(minutes=90)),
        ("P31D", timedelta(days=31)),
        ("-PT1H", timedelta(hours=-1)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "31", "d", "1y", "31 d", "-", "P1Y", "1d-2h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)
