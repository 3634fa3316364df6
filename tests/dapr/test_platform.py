"""The whole pack on Dapr: the story of the demo on both brokers, outages, and the alarm as a job."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from rich.console import Console

from knative.demo.receiver import Receiver
from knative.demo.story import Story
from knative.local.logs import LogStream
from knative.local.processes import base_environment
from knative.local.up import Platform
from tests.dapr.stage import ROOT
from tests.platform.user import eventually

pytestmark = [pytest.mark.dapr, pytest.mark.timeout(400)]


def test_the_story_of_the_demo_is_true(kind: str) -> None:
    command = [sys.executable, "-m", "knative.demo", "--broker", kind]
    told = subprocess.run(command, cwd=ROOT, env=base_environment(), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def started(kind: str, state: Path, **environ: str) -> Iterator[Story]:
    with (state / "log").open("w") as log:
        platform = Platform(
            ROOT, state=state, broker=kind, environ=environ, watch=False, logs=LogStream(log, as_json=True)
        )
        with platform:
            story = Story(platform, Console(file=log))
            yield story
            story.records.close()


@pytest.fixture
def story(kind: str, state: Path) -> Iterator[Story]:
    yield from started(kind, state)


@pytest.fixture
def with_jobs(state: Path) -> Iterator[Story]:
    yield from started("dapr-redis", state, REMINDER_ALARM="dapr-jobs")


def kill(story: Story, name: str) -> None:
    pid = story.platform.status()["dapr"][name]["pid"]
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def test_commands_take_effect_once_while_each_part_is_killed(story: Story) -> None:
    parts = list(story.platform.status()["dapr"])
    by_record: list[str] = []
    for number in range(30):
        if number % 6 == 3:
            kill(story, parts[number // 6 % len(parts)])
        by_record.append(f"record {number}")
        event_id = str(uuid4())
        eventually(lambda number=number, event_id=event_id: is_sent(story, f"record {number}", event_id))  # type: ignore[misc]
        story.call("POST", "/tasks", {"title": f"call {number}"})
    wanted = sorted([*by_record, *(f"call {number}" for number in range(30))])
    eventually(lambda: len(story.tasks()) >= len(wanted), within=150)
    assert sorted(task["title"] for task in story.tasks()) == wanted
    facts = eventually(
        lambda: ids if len(ids := {fact.headers["ce_id"] for fact in story.records.seen("task-events")}) == 60 else None
    )
    assert len(facts) == 60


def is_sent(story: Story, title: str, event_id: str) -> bool:
    """Again under the same id, as a program does that was not told."""
    try:
        story.create_by_record(title, event_id=event_id, key="ada")
    except requests.RequestException:
        return False
    return True


def reminded(story: Story, receiver: Receiver, seconds: float) -> None:
    moment = story.platform.clock.now() + timedelta(seconds=seconds)
    task, _ = story.call("POST", "/tasks", {"title": "bread", "due_at": moment.isoformat()})
    eventually(lambda: receiver.about(task), within=seconds + 90)
    [message] = receiver.about(task)
    assert message.at >= moment


def test_the_alarm_is_a_job(with_jobs: Story) -> None:
    with with_jobs.receiver() as receiver:
        reminded(with_jobs, receiver, 8)
        assert "reminder-alarm" not in with_jobs.platform.status()["ping_sources"]
        eventually(lambda: with_jobs.platform.wait_for_zero(1), within=60)
        reminded(with_jobs, receiver, 90)  # beyond what the dispatcher waits for: the job wakes it from zero


def test_an_alarm_that_is_set_while_the_job_calls_back_rings_too(with_jobs: Story) -> None:
    with with_jobs.receiver() as receiver:
        moments = [with_jobs.platform.clock.now() + timedelta(seconds=seconds) for seconds in (80, 170)]
        tasks = [with_jobs.call("POST", "/tasks", {"title": "bread", "due_at": at.isoformat()})[0] for at in moments]
        eventually(lambda: receiver.about(tasks[0]), within=150)
        eventually(lambda: receiver.about(tasks[1]), within=150)
        [message] = receiver.about(tasks[1])
        assert moments[1] <= message.at < moments[1] + timedelta(seconds=60)


def test_a_scheduler_that_is_killed_loses_no_alarm(with_jobs: Story) -> None:
    with with_jobs.receiver() as receiver:
        moment = with_jobs.platform.clock.now() + timedelta(seconds=80)
        task, _ = with_jobs.call("POST", "/tasks", {"title": "bread", "due_at": moment.isoformat()})
        eventually(lambda: with_jobs.platform.wait_for_zero(1), within=60)
        kill(with_jobs, "scheduler")
        eventually(lambda: receiver.about(task), within=180)
        assert len(receiver.about(task)) == 1
