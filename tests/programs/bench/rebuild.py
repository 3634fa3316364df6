"""How long `taskmaster rebuild` takes: a topic of generated events on an embedded broker, read by its command line.

python -m tests.programs.bench.rebuild [--events 1000000]
"""

import argparse
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

_FUNCTIONS = Path(__file__).parents[3] / "functions"
_VERSIONS = 2  # events of one task
_HEADERS = [("ce_source", b"/taskmaster/create-task"), ("ce_userid", b"ada"), ("content-type", b"application/json")]


def main() -> int:
    count = _options().events
    with tempfile.TemporaryDirectory() as directory, broker() as bootstrap_servers:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        admin.create_topics([NewTopic(TASK_EVENTS, 3, 1)])
        admin.close()
        producer = KafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=50, batch_size=500_000)
        for event_type, task_id, value in _events(count):
            headers = [*_HEADERS, ("ce_type", event_type.encode())]
            producer.send(TASK_EVENTS, key=str(task_id).encode(), value=value, headers=headers)
        producer.flush()
        producer.close()
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "taskmaster.cli", "rebuild", "--to", str(Path(directory) / "tasks")],
            env={**base_environment(), "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers},
            cwd=_FUNCTIONS,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        took = time.monotonic() - began
        lines = sum(1 for _ in (Path(directory) / "tasks").open())
    print(f"{ended.stdout.strip().partition(' in ')[0]} in {took:.0f} s, {count / took:,.0f} a second")
    return 0 if lines == -(-count // _VERSIONS) else 1


def _events(count: int) -> Iterator[tuple[str, int, bytes]]:
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    task = Task(task_id=1, title="water the plants", description="all of them " * 5, created_at=at, updated_at=at)
    said = json.loads(task.model_dump_json())
    for number in range(count):
        task_id, version = number // _VERSIONS + 1, number % _VERSIONS + 1
        value = json.dumps({**said, "task_id": task_id, "version": version}).encode()
        yield "task.created" if version == 1 else "task.updated", task_id, value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.rebuild", description="Measure taskmaster rebuild."
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="events on the topic (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
