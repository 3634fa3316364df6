"""The pack on a real Knative with Dapr, on Kafka and then on Redis. The tests of each run in this order.

They print how long things took and what the bridge costs.
"""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from knative.cluster.report import lives
from knative.local.dapr.side import missing
from tests.cluster.conftest import Tell
from tests.cluster.on_dapr import BRIDGE, KINDS, REDIS, OnDapr, command, installed, memory, ready_after
from tests.support.function_process import eventually

_MISSING = missing(with_redis=True)
pytestmark = [pytest.mark.timeout(900), pytest.mark.skipif(bool(_MISSING), reason=_MISSING)]

WEEKLY = {"due_on": "2090-01-01", "recurrence_pattern": "weekly"}


@pytest.fixture(scope="module", params=KINDS)
def on_dapr(request: pytest.FixtureRequest) -> Iterator[OnDapr]:
    with (
        tempfile.TemporaryDirectory(prefix="taskmaster-dapr-") as made,
        installed(request.param, Path(made)) as running,
    ):
        yield running


def open_ones(on_dapr: OnDapr, title: str) -> int:
    return sum(1 for task in on_dapr.person.titled(title) if not task["completed_at"])


def complete(on_dapr: OnDapr, task: dict[str, object]) -> None:
    said = on_dapr.person.call("complete-task", "POST", f"/tasks/{task['task_id']}/complete")
    assert said.status == 200, said


def test_the_bridge_and_every_service_are_ready(on_dapr: OnDapr, tell: Tell) -> None:
    pod = eventually(on_dapr.bridge, "a bridge that is Ready", within=180)
    on_dapr.kubectl.run("wait", "ksvc", "--all", "--for=condition=Ready", "--timeout=300s", timeout=320)
    restarts = {each["name"]: each["restartCount"] for each in pod["status"]["containerStatuses"]}
    tell(f"\n{on_dapr.kind}: the bridge is Ready {ready_after(pod)} after it was asked for; restarts: {restarts}.")
    assert restarts == {"bridge": 0, "daprd": 0}
    on_dapr.pods.wait_for_zero(timeout=180, gone=True)
    tell(f"Nothing but the bridge runs. Its working set, MiB: {mebibytes(on_dapr)}")


def test_a_task_created_by_rest_has_its_event_published(on_dapr: OnDapr) -> None:
    task = on_dapr.person.create("by REST")
    eventually(lambda: on_dapr.events(task) == ["task.created"], "the fact", within=60)
    eventually(lambda: on_dapr.around.rows("outbox") == 0, "an empty outbox", within=60)


def test_an_event_wakes_its_function_from_zero(on_dapr: OnDapr, tell: Tell) -> None:
    task = on_dapr.person.create("weekly", **WEEKLY)
    on_dapr.pods.wait_for_zero(["schedule-next-recurrence"])
    begun, since = datetime.now(UTC), time.monotonic()
    complete(on_dapr, task)
    eventually(lambda: len(on_dapr.person.titled("weekly")) == 2, "the successor", within=90)
    tell(f"\n{on_dapr.kind}: a completion became a successor within {time.monotonic() - since:.1f} s, from zero.")
    assert any(life.asked > begun for life in on_dapr.pods.ledger.lives("schedule-next-recurrence"))


def test_a_command_by_daprd_is_carried_out_and_a_refused_one_is_parked(on_dapr: OnDapr) -> None:
    refused = on_dapr.publish("create-task", "task.create", {"title": 7})
    on_dapr.publish("create-task", "task.create", {"title": "behind the poison"})
    eventually(lambda: on_dapr.person.titled("behind the poison"), "the task behind it", within=90)
    [letter] = eventually(lambda: letters(on_dapr, refused), "the dead letter", within=60)
    assert letter["ce_knativeerrordest"].startswith("http://create-task.")
    assert letter["ce_knativeerrorcode"] == "422"


def test_an_event_from_inside_needs_a_token_of_the_bridges_account(on_dapr: OnDapr) -> None:
    address = f"http://create-task.{on_dapr.kubectl.namespace}.svc.cluster.local/events"
    event = {"content-type": "application/json", **command("task.create", str(uuid4()), prefix="ce-")}
    headers = {name: text.encode() for name, text in event.items()}
    assert on_dapr.way_in.sink(address, headers, b'{"title": "by whom?"}', 60).status == 404
    token = on_dapr.kubectl.run("create", "token", BRIDGE, "--audience=taskmaster").strip()
    headers["authorization"] = f"Bearer {token}".encode()
    assert on_dapr.way_in.sink(address, headers, b'{"title": "by the bridge"}', 60).status < 300
    assert on_dapr.person.titled("by the bridge")
    assert not on_dapr.person.titled("by whom?")


def test_everything_but_the_bridge_is_at_zero_again(on_dapr: OnDapr, tell: Tell) -> None:
    on_dapr.pods.wait_for_zero(timeout=180, gone=True)
    assert on_dapr.bridge()
    tell(lives(on_dapr.pods.ledger, since=on_dapr.pods.since, until=datetime.now(UTC)))


def test_a_bridge_that_is_deleted_in_mid_work_loses_nothing(on_dapr: OnDapr, tell: Tell) -> None:
    """Calls are answered while it is away; their events wait in the outbox, or at the broker."""
    titles = [f"series {number}" for number in range(8)]
    tasks = [on_dapr.person.create(title, **WEEKLY) for title in titles]
    before = eventually(on_dapr.bridge, "the bridge")
    for number, task in enumerate(tasks):
        if number == 3:
            on_dapr.kubectl.run("delete", "pod", before["metadata"]["name"], "--wait=false")
        complete(on_dapr, task)
    last = on_dapr.person.create("while it is away")
    pod = eventually(lambda: another(on_dapr, before), "another bridge", within=180)
    tell(f"\n{on_dapr.kind}: another bridge is Ready {ready_after(pod)} after it was asked for.")
    on_dapr.person.create("publishes what is left")
    eventually(lambda: all(open_ones(on_dapr, title) for title in titles), "every successor", within=240)
    eventually(lambda: on_dapr.around.rows("outbox") == 0, "an empty outbox", within=120)
    assert {len(on_dapr.person.titled(title)) for title in titles} == {2}
    for task in tasks:
        assert sorted(on_dapr.events(task)) == ["task.completed", "task.created"]
    assert on_dapr.events(last) == ["task.created"]
    tell(f"Working set of the bridge, MiB: {mebibytes(on_dapr)}")


def test_old_records_are_deleted_on_redis_by_the_cronjob(on_dapr: OnDapr) -> None:
    if on_dapr.kind != REDIS:
        pytest.skip("Kafka deletes old records itself")
    kept = len(on_dapr.records("task-events"))
    on_dapr.kubectl.run("create", "job", "now", "--from=cronjob/taskmaster-topics")
    on_dapr.kubectl.run("wait", "job/now", "--for=condition=Complete", "--timeout=120s", timeout=130)
    assert len(on_dapr.records("task-events")) == kept


def letters(on_dapr: OnDapr, event_id: str) -> list[dict[str, str]]:
    return [headers for headers, _ in on_dapr.records("dead-letters") if headers["ce_id"] == event_id]


def another(on_dapr: OnDapr, before: Any) -> Any:
    pod = on_dapr.bridge()
    return pod if pod and pod["metadata"]["uid"] != before["metadata"]["uid"] else None


def mebibytes(on_dapr: OnDapr) -> str:
    pod = on_dapr.bridge()
    assert pod is not None, f"there is no {BRIDGE}"
    return ", ".join(f"{name} {used / 2**20:.0f}" for name, used in memory(on_dapr.kubectl, pod).items())
