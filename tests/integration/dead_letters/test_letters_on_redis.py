"""What the tools do where Dapr keeps the topics on Redis: letters listed and put back, stories told, tasks rebuilt."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from taskmaster.broker import transports
from taskmaster.events.outgoing import dead_letter
from taskmaster.settings import read
from tests.support import dapr
from tests.support.command_line import at_once, migrate
from tests.support.function_process import FunctionProcess, eventually
from tests.support.own_database import own_database

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def bridged(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database, and what functions and tools need to publish and read by Dapr with Redis."""
    with own_database(environment) as own, dapr.redis_server() as address:
        migrate(own)
        with dapr.daprd(dapr.redis_pubsub(address), token="a token") as running:
            none = {name: "" for name in own if name.startswith("KAFKA_")}
            yield {**own, **none, **dapr.settings_of(running, REDIS_URL=address)}


def park(bridged: dict[str, str], **attributes: str) -> str:
    """A create of which the title was wrong, as the sink of dead letters keeps it; its id."""
    given = {"specversion": "1.0", "id": str(uuid4()), "source": "/tests", "type": "task.create", "userid": "ada"}
    why = {"reason": "title: wrong", "knativeerrordest": "http://create-task.default.svc.cluster.local/events"}
    letter = dead_letter({**given, **attributes}, "application/json", b'{"title": "x"}', **why)
    with closing(transports.broker(read(bridged))) as broker:
        broker.produce(letter, to="dead-letters")
    return given["id"]


def test_a_letter_is_listed_and_put_back_into_its_mailbox(bridged: dict[str, str]) -> None:
    event_id = park(bridged)
    listed = [json.loads(each) for each in at_once(bridged, "dead-letters", "list", "--json").output.splitlines()]
    [letter] = [each for each in listed if each["id"] == event_id]
    assert (letter["function"], letter["state"]) == ("create-task", "waiting")
    done = at_once(bridged, "dead-letters", "replay", event_id)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "replayed 1 event, of 1 dead letters")
    with transports.reading(read(bridged), ["create-task"]) as topics:
        [back] = [each for each in topics.read() if dict(each.headers)["ce_id"] == event_id.encode()]
    assert (back.key, back.value) == (b"ada", b'{"title": "x"}')
    assert "ce_knativeerrordest" not in dict(back.headers)
    again = at_once(bridged, "dead-letters", "replay", event_id)
    assert "skipped, replayed" in again.output


def test_a_task_is_told_and_rebuilt_from_its_streams(bridged: dict[str, str], tmp_path: Path) -> None:
    with FunctionProcess("create-task", bridged) as function:
        task = function.call("POST", "/tasks", {"title": "water the plants"}, user="ada").json()

        def told() -> bool:  # it waits in the outbox at first
            return "task-events/0/" in at_once(bridged, "trace", str(task["task_id"])).output

        eventually(told, "the event of the task")
    rebuilt = at_once(bridged, "rebuild", "--to", str(tmp_path / "tasks"))
    assert rebuilt.output.startswith("1 tasks from 1 events")
    assert "water the plants" in (tmp_path / "tasks").read_text()


def test_metrics_have_what_waits_for_the_bridge(bridged: dict[str, str]) -> None:
    ended = at_once(bridged, "metrics")
    assert ended.exit_code == 0
    assert 'taskmaster_source_up{source="dead_letters"} 1' in ended.output
    assert 'taskmaster_source_up{source="groups"} 1' in ended.output
    assert 'taskmaster_consumer_group_lag_records{group="taskmaster-create-task",topic="create-task"' in ended.output
