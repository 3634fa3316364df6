"""Hundreds of commands, and then all of them again, from the first record of every topic: nothing new comes of it."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from knative.local import manifests
from knative.local.embedded import postgres
from knative.local.up import Platform
from tests.platform.user import User, eventually
from tests.support import brokers
from tests.support.brokers import Kafka
from tests.support.sizes import size

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
STATE = {
    "task": "SELECT * FROM task ORDER BY task_id",
    "series": "SELECT * FROM series ORDER BY series_id",
    "reminder": "SELECT * FROM reminder ORDER BY reminder_id",
    "preferences": "SELECT * FROM preferences ORDER BY user_id",
    "outbox": "SELECT headers->>'ce_id' FROM outbox",
}
FACTS = ("task-events", "task-updates", "reminders", "schedule-next-recurrence", "dispatch-due-reminders")
TITLES = size(48, 600)


@contextmanager
def running(root: Path, state: Path, environ: dict[str, str]) -> Iterator[Platform]:
    with Platform(root, state=state, environ=environ, watch=False, commit_interval=0.5) as platform:
        assert platform.wait_until_consuming(60)
        yield platform


def handled(platform: Platform) -> int:
    """How many records the KafkaSources are done with."""
    return sum(
        counts.get("delivered", 0) + counts.get("dead_lettered", 0)
        for counts in platform.status()["kafka_sources"].values()
    )


def rewind(kafka: Kafka) -> None:
    """Every consumer group back to the first record of its topics."""
    for source in manifests.read(ROOT / "knative", ROOT / "eventing").kafka_sources:
        consumer = KafkaConsumer(**kafka.client("source"), group_id=source.consumer_group, enable_auto_commit=False)
        partitions = [
            TopicPartition(topic, number) for topic in source.topics for number in consumer.partitions_for_topic(topic)
        ]
        consumer.assign(partitions)
        consumer.commit({partition: OffsetAndMetadata(0, "", -1) for partition in partitions})
        assert {consumer.committed(partition) for partition in partitions} == {0}
        consumer.close()


def everything(database_url: str, kafka: Kafka) -> dict[str, Any]:
    """Every row but the inbox's, and every event by id, topic by topic; of dead letters each once."""
    with psycopg.connect(database_url) as connection:
        found: dict[str, Any] = {name: connection.execute(query).fetchall() for name, query in STATE.items()}
    for topic in (*FACTS, "dead-letters"):
        consumer = KafkaConsumer(topic, **kafka.client(), auto_offset_reset="earliest", consumer_timeout_ms=2000)
        ids = [dict(record.headers)["ce_id"].decode() for record in consumer]
        consumer.close()
        found[topic] = sorted(set(ids) if topic == "dead-letters" else ids)
    return found


def send_commands(platform: Platform, user: User) -> None:
    """Creates first, of every kind; then what is done to the tasks they made, in no order among each other."""
    for number in range(TITLES):
        kind, event_id = number % 6, str(uuid4())
        command: dict[str, Any] = {"title": f"task {number}"}
        if kind == 0:
            command |= {"due_on": "2090-01-01", "recurrence_pattern": "daily"}
        if kind == 1:
            command |= {"due_at": "2090-01-01T09:00:00Z"}
        if kind == 2:  # in the original envelope, half of them told from others by their place alone
            envelope = {"event_type": "task.create", "user_id": user.name, "data": command}
            user.send("create-task", envelope | ({"event_id": event_id} if number % 12 == 2 else {}))
            continue
        for _ in range(2 if number % 10 == 3 else 1):  # and some twice
            user.produce("create-task", "task.create", command, event_id=event_id, key=str(number))
    for number in range(10):
        user.produce("create-task", "task.create", {"title": number})
    user.flush()
    eventually(lambda: len(user.tasks()) == TITLES, within=300)
    tasks = user.tasks()
    recurring = [task["task_id"] for task in tasks if task["series_id"]]
    others = [task["task_id"] for task in tasks if not task["series_id"]]
    for task_id in recurring:
        user.produce("complete-task", "task.complete", {"task_id": task_id})
    for number, task_id in enumerate(others[: TITLES // 3]):
        user.produce("update-task", "task.update", {"task_id": task_id, "title": f"changed {number}"})
    deleted = others[TITLES // 4 : TITLES // 4 + TITLES // 8]
    for task_id in deleted:
        user.produce("delete-task", "task.delete", {"task_id": task_id})
    user.flush()
    eventually(lambda: sum(task["completed"] for task in user.tasks()) == len(recurring), within=300)
    eventually(lambda: len(user.tasks()) == TITLES + len(recurring) - len(deleted), within=300)


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_commands_handled_again_from_the_first_record_make_nothing_new(pytestconfig: pytest.Config) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name,
        brokers.broker(pytestconfig.getoption("--broker")) as kafka,
        kafka.project(ROOT) as root,
    ):
        state = Path(name)
        state.chmod(0o711)
        with postgres(state / "database", durable=False) as server:
            environ = {"DATABASE_URL": server.url, **kafka.platform()}
            with running(root, state, environ) as platform, User.of(platform, kafka, f"user-{uuid4()}") as user:
                send_commands(platform, user)
                assert platform.wait_for_zero(60)
                first_time = handled(platform)
                assert first_time >= size(80, 1_000)
            before = everything(server.url, kafka)
            rewind(kafka)
            with running(root, state, environ) as platform:
                eventually(lambda: handled(platform) >= first_time, within=300)
                assert platform.wait_for_zero(60)
                assert handled(platform) == first_time
            after = everything(server.url, kafka)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    assert json.dumps(after, default=str) == json.dumps(before, default=str)
    assert before["outbox"] == []
    assert len(before["dead-letters"]) == 10
