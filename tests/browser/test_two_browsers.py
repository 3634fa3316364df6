"""Two browsers of one person: one is killed, one sleeps, and much is changed meanwhile by another program."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from knative.local.up import Platform
from tests.browser.conftest import Visitor, program, visiting
from tests.platform.user import User
from tests.support.brokers import Kafka
from tests.support.function_process import eventually
from tests.support.sizes import size

pytestmark = [pytest.mark.timeout(600), pytest.mark.thorough]

TASKS = 30
PRIORITIES = ("low", "medium", "high", "urgent")


@contextmanager
def lasting(chromium: Any, profile: Path) -> Iterator[Any]:
    """A browser that keeps what it has in a folder, as a person's does."""
    from playwright.sync_api import Error

    context = chromium.browser_type.launch_persistent_context(
        profile, executable_path=program(), args=["--no-sandbox"], viewport={"width": 1280, "height": 900}
    )
    try:
        yield context
    finally:
        with suppress(Error):  # it was killed
            context.close()


def kill(profile: Path) -> None:
    """End all processes of the browser with this folder, with no time to write anything."""
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            is_ours = f"--user-data-dir={profile}".encode() in found.read_bytes().split(b"\0")
        except OSError:
            continue
        if is_ours:
            os.kill(int(found.parent.name), signal.SIGKILL)


def shown(visitor: Visitor) -> dict[str, str]:
    """The titles and priorities of all tasks in the list."""
    more = visitor.page.get_by_role("button", name="Show more")
    while more.is_visible():
        more.click()
        visitor.page.wait_for_timeout(200)
    rows = visitor.page.locator(".task")
    found: dict[str, str] = rows.evaluate_all(
        "(rows) => Object.fromEntries(rows.map((row) => [row.querySelector('.title').innerText, row.className]))"
    )
    return {title: next(each for each in PRIORITIES if each in look.split()) for title, look in found.items()}


def change(user: User, tasks: list[dict[str, Any]], count: int) -> dict[int, int]:
    """Send so many updates by Kafka, spread over the tasks at random; by task, how many it got."""
    sent = dict.fromkeys((task["task_id"] for task in tasks), 0)
    for _ in range(count):
        task_id = random.choice(list(sent))
        sent[task_id] += 1
        wanted = {"task_id": task_id, "title": f"{task_id}, {sent[task_id]}", "priority": random.choice(PRIORITIES)}
        user.produce("update-task", "task.update", wanted, key=str(task_id))
    user.flush()
    return sent


def test_both_end_equal_to_the_database(platform: Platform, chromium: Any, tmp_path: Path) -> None:
    kafka = Kafka({"KAFKA_BOOTSTRAP_SERVERS": platform.bootstrap_servers})
    with visiting(platform, chromium) as asleep, User.of(platform, kafka, asleep.user) as elsewhere:
        tasks = [asleep.call("POST", "/tasks", {"title": f"first {number}"}) for number in range(TASKS)]
        with lasting(chromium, tmp_path / "profile") as context:
            killed = Visitor(platform, context, asleep.user)
            eventually(lambda: len(shown(killed)) == len(shown(asleep)) == TASKS, "all tasks in both")
            killed.kept()
            context.set_offline(True)
            killed.page.locator(".chip.stale").wait_for()
            killed.page.get_by_label("New task").fill("Made before the end")
            killed.page.get_by_label("New task").press("Enter")
            killed.row("Made before the end").wait_for()
            kill(tmp_path / "profile")
        asleep.become("hidden")
        asleep.context.set_offline(True)

        sent = change(elsewhere, tasks, size(300, 10_000))
        gone = tasks.pop()
        asleep.call("DELETE", f"/tasks/{gone['task_id']}")
        last = {f"{task_id}, {count}" for task_id, count in sent.items() if count and task_id != gone["task_id"]}
        eventually(
            lambda: last <= {task["title"] for task in elsewhere.tasks()}, "every update in the database", within=400
        )

        with lasting(chromium, tmp_path / "profile") as context:
            back = Visitor(platform, context, asleep.user)
            asleep.context.set_offline(False)
            asleep.become("visible")
            back.row("Made before the end").wait_for()
            back.settled()
            kept = {task["title"]: task["priority"] for task in elsewhere.tasks()}
            assert kept.keys() >= last | {"Made before the end"}
            eventually(lambda: shown(back) == shown(asleep) == kept, f"both browsers equal to {kept}")


def test_behind_the_last_page_that_is_hidden_everything_sleeps(platform: Platform, chromium: Any) -> None:
    with visiting(platform, chromium) as visitor, visiting(platform, chromium) as other:
        visitor.add(f"Seen {uuid4().hex[:6]}")
        for each in (visitor, other):
            each.become("hidden")
        assert platform.wait_for_zero(60)
        visitor.page.wait_for_timeout(3_000)
        assert platform.wait_for_zero(0.1)
        visitor.become("visible")
        visitor.add("Awake again")
