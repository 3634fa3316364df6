"""The alarm on a real daprd with its real scheduler: one job, which calls the application of that daprd."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from urllib.parse import urlsplit

import pytest

from taskmaster import clock
from taskmaster.reminding.dapr_job import DaprJob
from taskmaster.settings import read
from tests.support import dapr
from tests.support.function_process import eventually
from tests.support.http_sink import http_sink

pytestmark = pytest.mark.long


@dataclass
class Bridge:
    """What daprd calls: it answers as it is told to, and counts."""

    answers: list[int] = field(default_factory=list)  # of the next callbacks; 200 when they are used up
    calls: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, headers: "Message[str, str]", body: bytes) -> int:
        with self.lock:
            self.calls.append((path, body, headers["dapr-api-token"]))
            return self.answers.pop(0) if self.answers else 200


@pytest.fixture(scope="module")
def alarm() -> Iterator[tuple[DaprJob, Bridge]]:
    bridge = Bridge()
    with http_sink(bridge.take) as url, dapr.scheduler() as address:
        port = urlsplit(url).port or 0
        with dapr.daprd(token="a token", app_port=port, scheduler=address) as running:
            settings = {"DAPR_URL": running.url, "DAPR_API_TOKEN": "a token", "REMINDER_ALARM": "dapr-jobs"}
            yield DaprJob(read(settings)), bridge


@pytest.fixture
def bridge(alarm: tuple[DaprJob, Bridge]) -> Bridge:
    alarm[1].calls.clear()
    return alarm[1]


@pytest.fixture
def job(alarm: tuple[DaprJob, Bridge]) -> DaprJob:
    return alarm[0]


def test_the_bridge_is_called_once_when_it_is_due(job: DaprJob, bridge: Bridge) -> None:
    job.schedule(clock.now() + timedelta(hours=1))
    job.schedule(clock.now() + timedelta(milliseconds=300))  # takes the place of the one before
    eventually(lambda: bridge.calls, "the callback")
    assert bridge.calls == [("/job/reminder-alarm", b"{}", "a token")]


def test_a_moment_that_is_over_calls_at_once(job: DaprJob, bridge: Bridge) -> None:
    job.schedule(clock.now() - timedelta(days=1))
    eventually(lambda: bridge.calls, "the callback")


def test_a_callback_that_fails_is_repeated_until_it_succeeds(job: DaprJob, bridge: Bridge) -> None:
    bridge.answers = [503] * 5  # Dapr itself would give up after three
    job.schedule(clock.now())
    eventually(lambda: len(bridge.calls) >= 6, "callback 6")


def test_what_was_cancelled_does_not_call(job: DaprJob, bridge: Bridge) -> None:
    job.cancel()
    job.schedule(clock.now() + timedelta(milliseconds=500))
    job.cancel()
    job.cancel()
    cancelled_at = clock.now()
    eventually(lambda: clock.now() > cancelled_at + timedelta(seconds=1), "the moment")
    assert bridge.calls == []
