"""Reminders on the stand-in, from the real manifests: functions asleep, an alarm to wake them, a clock that moves."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests

from knative.local.manifests import read
from knative.local.up import Platform
from tests.support import brokers
from tests.support.receiver import SECRET, Receiver
from tests.support.sizes import size

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.timeout(240), pytest.mark.long]


class User:
    """Somebody who calls the REST address."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.platform, self.name = platform, name
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {platform.token(name)}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, self.platform.url + path, json=body, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def create(self, due: datetime, **fields: Any) -> Any:
        return self.call("POST", "/tasks", {"title": "ring", "due_at": due.isoformat(), **fields})

    def prefer(self, *channels: dict[str, str]) -> None:
        self.call("PUT", "/preferences", {"channels": channels})


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Platform]:
    """One for all tests of this file: each goes on from the business time at which the last one ended."""
    with (
        brokers.broker(pytestconfig.getoption("--broker")) as kafka,
        kafka.project(ROOT) as root,
        Platform(
            root, state=tmp_path_factory.mktemp("state"), environ=kafka.platform(), watch=False, session_timeout=2
        ) as running,
    ):
        assert running.wait_until_consuming(30)
        yield running


@pytest.fixture
def user(platform: Platform, receiver: Receiver) -> Iterator[User]:
    """Somebody with a webhook, which rings no more in the next test."""
    somebody = User(platform, f"user-{uuid4()}")
    somebody.prefer({"type": "webhook", "url": receiver.url, "secret": SECRET})
    yield somebody
    somebody.prefer()
    receiver.forget()


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def schedule(platform: Platform) -> str:
    return str(platform.status()["ping_sources"]["reminder-alarm"]["schedule"])


@pytest.mark.thorough
def test_many_reminders_ring_once_each(user: User, platform: Platform, receiver: Receiver) -> None:
    """50 a second, every other one of a task of its own, the others fifty of a task. How late, `make bench` says."""
    count, of_a_task = size(100, 1_000), 50
    start = platform.clock.now() + timedelta(hours=2)
    moments = [start + timedelta(milliseconds=20 * number) for number in range(count)]
    alone, shared = moments[::2], moments[1::2]
    tasks = [[moment] for moment in alone]
    tasks += [shared[first :: len(shared) // of_a_task] for first in range(len(shared) // of_a_task)]
    users = [User(platform, user.name) for _ in range(4)]

    def create(number: int) -> None:
        own = [moment.isoformat() for moment in tasks[number]]
        users[number % 4].create(start + timedelta(hours=1), reminders=own)

    with ThreadPoolExecutor(4) as side_by_side:
        list(side_by_side.map(create, range(len(tasks))))
    until(lambda: is_set_to(platform, start))
    platform.travel(start - platform.clock.now() - timedelta(seconds=15))
    until(lambda: len(receiver.rung) >= count, 300)
    time.sleep(1)
    assert len(receiver.rung) == sum(receiver.rung.values()) == count


def is_set_to(platform: Platform, due: datetime) -> bool:
    alarm = due.astimezone(UTC) - timedelta(seconds=10)
    return schedule(platform).startswith(f"{alarm.second} {alarm.minute} {alarm.hour} ")


def used(platform: Platform) -> tuple[int, int]:
    """How often any function has been called, and how many sessions the database has seen."""
    elsewhere = platform.database_urls["owner"].rpartition("/")[0] + "/postgres"  # looking is no session of theirs
    with psycopg.connect(elsewhere) as connection:
        [(sessions,)] = connection.execute(
            "SELECT sessions FROM pg_stat_database WHERE datname = 'taskmaster'"
        ).fetchall()
    return sum(function.invocations for function in platform.report().values()), sessions


def test_an_hour_without_work_is_one_call_and_one_session(user: User, platform: Platform, receiver: Receiver) -> None:
    """With the next reminder three hours away. An alarm that was not set yet rings at the next full minute."""
    now = platform.clock.now()
    platform.travel(now.replace(minute=30, second=0) + timedelta(hours=1) - now)
    due = platform.clock.now() + timedelta(hours=3)
    user.create(due)
    until(lambda: is_set_to(platform, due))
    assert platform.wait_for_zero(60)
    hours = [used(platform)]
    for _ in range(2):
        platform.travel(timedelta(hours=1))
        until(lambda: used(platform)[0] > hours[-1][0])
        assert platform.wait_for_zero(40)
        time.sleep(1)
        hours.append(used(platform))
    spent = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(hours)]
    assert spent == [(1, 1), (1, 1)]
    platform.travel(due - platform.clock.now() - timedelta(seconds=15))
    until(lambda: len(receiver.rung) == 1, 40)


def test_a_manifest_of_the_alarm_that_is_applied_anew_is_healed_within_a_minute(user: User, platform: Platform) -> None:
    due = platform.clock.now() + timedelta(hours=3)
    user.create(due)
    until(lambda: is_set_to(platform, due))
    [alarm] = (ping for ping in platform._pings if ping.source.name == "reminder-alarm")
    [manifest] = (
        ping for ping in read(ROOT / "knative", ROOT / "eventing").ping_sources if ping.name == alarm.source.name
    )
    assert "schedule" not in manifest.manifest["spec"]  # so that nobody who applies it sets the alarm
    alarm.replace(manifest)  # deleted and made anew, at worst
    platform.travel(timedelta(minutes=1))
    until(lambda: is_set_to(platform, due))
    assert platform.wait_for_zero(40)


def test_a_lost_tick_of_the_alarm_is_made_good_within_the_hour(
    user: User, platform: Platform, receiver: Receiver
) -> None:
    due = platform.clock.now() + timedelta(minutes=20)
    user.create(due)
    until(lambda: is_set_to(platform, due))
    [alarm] = (ping for ping in platform._pings if ping.source.name == "reminder-alarm")
    alarm.replace(replace(alarm.source, schedule="0 0 0 1 1 *"))
    platform.travel(timedelta(minutes=80))
    until(lambda: len(receiver.rung) == 1, 40)


def test_a_dispatcher_killed_while_it_waits_loses_and_repeats_nothing(
    user: User, platform: Platform, receiver: Receiver
) -> None:
    start = platform.clock.now() + timedelta(seconds=6)
    user.create(
        start + timedelta(hours=1),
        reminders=[(start + timedelta(milliseconds=200 * number)).isoformat() for number in range(40)],
    )
    until(lambda: len(receiver.rung) >= 5)
    for pod in platform.pods("dispatch-due-reminders"):
        os.kill(pod.pid, signal.SIGKILL)
    until(lambda: len(receiver.rung) >= 40, 40)
    time.sleep(1)
    assert len(receiver.rung) == sum(receiver.rung.values()) == 40


def test_after_a_night_asleep_all_ring_once(user: User, platform: Platform, receiver: Receiver) -> None:
    now = platform.clock.now()
    for minutes in range(10, 180, 17):
        user.create(now + timedelta(minutes=minutes))
    until(lambda: is_set_to(platform, now + timedelta(minutes=10)))
    platform.travel(timedelta(hours=3))
    until(lambda: len(receiver.rung) >= 10)
    time.sleep(1)
    assert len(receiver.rung) == sum(receiver.rung.values()) == 10
