"""The alarm on a real daprd with its real scheduler: one job, which calls the application of that daprd."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from urllib.parse import urlsplit

import pytest
import requests

from taskmaster import clock
from taskmaster.reminding.dapr_job import DaprJob
from taskmaster.settings import read
from tests.support import dapr
from tests.support.function_pack import Pack
from tests.support.function_process import eventually
from tests.support.http_sink import http_sink

pytestmark = pytest.mark.long

START = datetime(2089, 11, 20, 12, tzinfo=UTC)


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
def alarm() -> Iterator[tuple[dapr.Daprd, Bridge]]:
    bridge = Bridge()
    with http_sink(bridge.take) as url, dapr.scheduler() as address:
        port = urlsplit(url).port or 0
        with dapr.daprd(token="a token", app_port=port, scheduler=address) as running:
            yield running, bridge


@pytest.fixture
def running(alarm: tuple[dapr.Daprd, Bridge]) -> dapr.Daprd:
    return alarm[0]


@pytest.fixture
def bridge(alarm: tuple[dapr.Daprd, Bridge]) -> Bridge:
    alarm[1].calls.clear()
    return alarm[1]


@pytest.fixture
def job(running: dapr.Daprd) -> DaprJob:
    return DaprJob(read(settings_of(running)))


def settings_of(running: dapr.Daprd) -> dict[str, str]:
    return {"DAPR_URL": running.url, "DAPR_API_TOKEN": running.token, "REMINDER_ALARM": "dapr-jobs"}


def due(running: dapr.Daprd) -> datetime | None:
    """When the job is due, as Dapr has it; None where there is none."""
    address = f"{running.url}/v1.0-alpha1/jobs/reminder-alarm"
    found = requests.get(address, headers={"dapr-api-token": running.token}, timeout=10)
    return datetime.fromisoformat(found.json()["dueTime"]) if found.ok else None


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


def test_what_was_cancelled_is_no_job_any_more(job: DaprJob, running: dapr.Daprd) -> None:
    job.cancel()
    job.schedule(clock.now() + timedelta(hours=1))
    assert due(running) is not None
    job.cancel()
    job.cancel()
    assert due(running) is None


def test_dispatch_sets_the_job_for_what_is_far(
    pack: Pack, running: dapr.Daprd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds before it is due; and a callback that comes twice, or too early, changes nothing of that."""
    for name, value in settings_of(running).items():
        monkeypatch.setenv(name, value)
    pack.restart()
    pack.travel(to=START)
    pack.create(due_at=(START + timedelta(hours=3)).isoformat())
    for _ in range(3):
        assert pack.tick("dispatch-due-reminders").status_code == 204
        at = due(running)
        assert at is not None
        assert abs(at + timedelta(seconds=10) - datetime.now(UTC) - timedelta(hours=3)) < timedelta(minutes=1)
    assert pack.events("reminder.due") == []
