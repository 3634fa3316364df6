"""The promises, on real processes: nothing lost, nothing twice, in order, whoever is killed."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from knative.local.up import Platform
from tests.platform.user import User, eventually
from tests.support.command_line import at_once
from tests.support.sizes import size
from tests.support.task_rows import copied

pytestmark = pytest.mark.long

COMMANDS = size(80, 1_000)


@pytest.mark.thorough
def test_many_commands_from_eight_clients_make_exactly_the_right_tasks(platform: Platform, user: User) -> None:
    titles = [f"task {number}" for number in range(COMMANDS)]

    def send(number: int) -> None:
        title, event_id = titles[number], str(uuid4())
        times = 2 if number % 10 == 0 else 1
        for _ in range(times):
            if number % 2:
                assert user.call("POST", "/tasks", {"title": title}, Idempotency_Key=event_id).status_code == 201
            else:
                user.produce("create-task", "task.create", {"title": title}, event_id=event_id, key=str(number))

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(send, range(COMMANDS)))
    user.flush()

    eventually(lambda: len(user.tasks()) >= COMMANDS)
    tasks = user.tasks()
    assert sorted(task["title"] for task in tasks) == sorted(titles)
    eventually(lambda: len(user.facts()) >= COMMANDS)
    facts = user.facts()
    assert facts.keys() == {task["task_id"] for task in tasks}
    assert all([event_type for _, event_type, _ in events] == ["task.created"] for events in facts.values())


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_functions_killed_in_mid_work_lose_nothing_and_keep_the_order(
    platform: Platform, user: User, looked_at: dict[str, str], tmp_path: Path
) -> None:
    """Updates of a few tasks by eight clients, while whatever handles them is killed again and again."""
    chance = random.Random(7)
    tasks: list[int] = [user.call("POST", "/tasks", {"title": f"task {n}"}).json()["task_id"] for n in range(6)]
    over, changed = threading.Event(), threading.Event()
    killed: list[int] = []
    acknowledged: list[int] = []

    def kill() -> None:
        """However slow the machine, there is a change between two kills."""
        while not over.wait(chance.uniform(0.1, 0.4)):
            for pod in platform.pods("update-task"):
                if pod.ready and pod.in_flight and changed.is_set():
                    changed.clear()
                    with suppress(ProcessLookupError):  # killed the last time, and not yet taken off
                        os.kill(pod.pid, signal.SIGKILL)
                        killed.append(pod.pid)

    def update(number: int) -> int:
        """One acknowledged change; a call that was cut off is made again under the same key."""
        task_id, key = tasks[number % len(tasks)], str(uuid4())
        while True:
            with suppress(requests.RequestException):  # cut off in mid-answer
                answer = user.call("PATCH", f"/tasks/{task_id}", {"title": f"change {number}"}, Idempotency_Key=key)
                if answer.status_code == 200:
                    changed.set()
                    return task_id
                assert answer.status_code in (409, 502, 503, 504), answer.text
            time.sleep(0.05)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as clients:
            while len(acknowledged) < size(20, 60) or len(killed) < size(5, 15):
                acknowledged += clients.map(update, range(len(acknowledged), len(acknowledged) + 8))
    finally:
        over.set()
        killer.join()
    acknowledged.append(update(len(tasks) * 100))  # any function that starts publishes what is left

    versions = {task["task_id"]: task["version"] for task in user.tasks()}
    for task_id in tasks:
        assert versions[task_id] == 1 + acknowledged.count(task_id), "an acknowledged change took effect exactly once"
    eventually(lambda: all(len(user.facts()[task_id]) >= versions[task_id] for task_id in tasks))
    for task_id, events in user.facts().items():
        assert [version for _, _, version in events] == list(range(1, versions[task_id] + 1)), task_id
    ended = at_once(looked_at, "rebuild", "--user", user.name, "--to", str(tmp_path / "tasks"))
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "tasks").read_bytes() == copied(looked_at["DATABASE_URL"], user.name)


def test_completions_delivered_twice_and_in_any_order_make_one_successor_each(platform: Platform, user: User) -> None:
    daily = {"title": "water the plants", "due_on": "2090-01-01", "recurrence_pattern": "daily"}
    series = [user.call("POST", "/tasks", daily).json()["task_id"] for _ in range(10)]
    for task_id in series * 2:
        user.produce("complete-task", "task.complete", {"task_id": task_id}, key=str(random.Random(task_id).random()))
    user.flush()
    eventually(lambda: len([task for task in user.tasks() if task["completed"]]) == len(series))
    for task_id in series * 2:
        user.produce("schedule-next-recurrence", "task.completed", {"task_id": task_id})
    user.flush()

    eventually(lambda: len(user.tasks()) >= 2 * len(series))
    eventually(lambda: platform.wait_for_zero(60))
    open_tasks = [task for task in user.tasks() if not task["completed"]]
    assert sorted(task["series_id"] for task in open_tasks) == sorted(series)
    assert {task["due_on"] for task in open_tasks} == {"2090-01-02"}
