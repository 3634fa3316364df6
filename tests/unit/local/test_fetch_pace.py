"""How long a broker may wait before it answers the fetches of many sources."""

from types import SimpleNamespace

import pytest

from knative.local import fetch_pace
from knative.local.fetch_pace import BUSY_MS, IDLE_MS, FetchPace


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fetch_pace, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_a_source_asks_often_after_a_record_and_seldom_later(clock: Clock) -> None:
    pace = FetchPace()
    assert pace.wait_ms("create-task") == IDLE_MS
    pace.note_records("create-task")
    assert pace.wait_ms("create-task") == BUSY_MS
    assert pace.wait_ms("send-reminder") == IDLE_MS
    clock.now += 2
    assert pace.wait_ms("create-task") == IDLE_MS


def test_the_more_sources_are_busy_the_less_often_each_asks(clock: Clock) -> None:
    pace = FetchPace()
    for number in range(8):
        pace.note_records(f"source-{number}")
    assert pace.wait_ms("source-0") == 60
    clock.now += 1
    pace.note_records("source-0")
    clock.now += 1
    assert pace.wait_ms("source-0") == BUSY_MS
