"""How long `taskmaster rebuild` takes: a topic of generated events on an embedded broker, read by its command line."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from knative.local.embedded import broker
from knative.local.processes import base_environment
from taskmaster.domain.task import Task
from taskmaster.events.routes import TASK_EVENTS
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step

_FUNCTIONS = Path(__file__).parents[3] / "functions"
_VERSIONS = 2  # events of one task
_HEADERS = [("ce_source", b"/taskmaster/create-task"), ("ce_userid", b"ada"), ("content-type", b"application/json")]


def measure(step: Step, *, events: int = 1_000_000) -> Section:
    with tempfile.TemporaryDirectory() as directory, broker() as bootstrap_servers:
        step(f"publishing {events:,} events")
        _publish(bootstrap_servers, events)
        step("taskmaster rebuild")
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "taskmaster.cli", "rebuild", "--to", str(Path(directory) / "tasks")],
            env={**base_environment(), "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers},
            cwd=_FUNCTIONS,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        took = time.monotonic() - began
        tasks = sum(1 for _ in (Path(directory) / "tasks").open())
    if tasks != -(-events // _VERSIONS):
        raise Wrong(f"{events:,} events became {tasks:,} tasks")
    return Section(
        title="Tasks made again from their events",
        how=f"`taskmaster rebuild` of a topic with {events:,} events of half as many tasks, by its command line.",
        figures=[Figure(what=f"{events:,} events", value=took, unit="s", goal=300 * events / 1e6)],
    )


def _publish(bootstrap_servers: str, count: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics([NewTopic(TASK_EVENTS, 3, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=50, batch_size=500_000)
    for event_type, task_id, value in _events(count):
        headers = [*_HEADERS, ("ce_type", event_type.encode())]
        producer.send(TASK_EVENTS, key=str(task_id).encode(), value=value, headers=headers)
    producer.flush()
    producer.close()


def _events(count: int) -> Iterator[tuple[str, int, bytes]]:
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    task = Task(task_id=1, title="water the plants", description="all of them " * 5, created_at=at, updated_at=at)
    said = json.loads(task.model_dump_json())
    for number in range(count):
        task_id, version = number // _VERSIONS + 1, number % _VERSIONS + 1
        value = json.dumps({**said, "task_id": task_id, "version": version}).encode()
        yield "task.created" if version == 1 else "task.updated", task_id, value
