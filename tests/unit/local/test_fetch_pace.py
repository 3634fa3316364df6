"""How long a broker may wait before it answers the fetches of many sources."""

import pytest

from knative.local import fetch_pace
from knative.local.fetch_pace import BUSY_MS, IDLE_MS, FetchPace
from tests.support.monotonic_clock import MonotonicClock, clock_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    return clock_of(fetch_pace, monkeypatch)


def test_a_source_asks_often_after_a_record_and_seldom_later(clock: MonotonicClock) -> None:
    pace = FetchPace()
    assert pace.wait_ms("create-task") == IDLE_MS
    pace.note_records("create-task")
    assert pace.wait_ms("create-task") == BUSY_MS
    assert pace.wait_ms("send-reminder") == IDLE_MS
    clock.on(2)
    assert pace.wait_ms("create-task") == IDLE_MS


def test_the_more_sources_are_busy_the_less_often_each_asks(clock: MonotonicClock) -> None:
    pace = FetchPace()
    for number in range(8):
        pace.note_records(f"source-{number}")
    assert pace.wait_ms("source-0") == 60
    clock.on(1)
    pace.note_records("source-0")
    clock.on(1)
    assert pace.wait_ms("source-0") == BUSY_MS
