"""How fast an outbox drains beside kafka-python's own rate, and how fast one hot key does.

    python -m tests.programs.bench.relay [--rows 100000] [--keys 1000] [--hot 5000] [--rounds 3]
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from knative.local.embedded import broker, postgres
from taskmaster import settings
from taskmaster.broker.outbox import publish
from taskmaster.broker.transports import broker as transport
from taskmaster.database.store import Database
from taskmaster.domain.task import Task
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from tests.support.command_line import taskmaster

_TOPIC = "task-events"
_PARTITIONS = 3
_NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
_USERS = 100


def event(key: int) -> Outgoing:
    """An event as the functions make it, for one topic."""
    task = Task(
        task_id=key, title="water the plants", description="all of them, and the ferns twice", priority="high",
        tags=["home", "garden"], due_at=_NOW, time_zone="Europe/Berlin", version=1, created_at=_NOW, updated_at=_NOW,
    )  # fmt: skip
    origin = Origin(function="update-task", user_id=f"user-{key % _USERS}", correlation_id="a-correlation")
    made = outgoing("task.updated", task, origin=origin, at=_NOW, key=str(key), subject=f"tasks/{key}")
    return Outgoing(key=made.key, topics=(_TOPIC,), headers=made.headers, value=made.value)


def fill(url: str, rows: int, keys: int) -> None:
    """Rows of each key in turn, as concurrent callers leave them."""
    events = [event(key) for key in range(keys)]
    with psycopg.connect(url, autocommit=True) as owner, owner.cursor() as cursor:
        cursor.execute("TRUNCATE outbox")
        with cursor.copy("COPY outbox (key, topics, headers, value) FROM STDIN") as copy:
            for number in range(rows):
                each = events[number % keys]
                copy.write_row((each.key, list(each.topics), json.dumps(each.headers), each.value))
        cursor.execute("VACUUM ANALYZE outbox")


def raw(bootstrap_servers: str, rows: int, keys: int, **options: Any) -> float:
    """Seconds that kafka-python takes for the same records, as they are and acknowledged by all."""
    events = [event(key) for key in range(keys)]
    ready = [(e.key.encode(), [(n, t.encode()) for n, t in e.headers.items()], e.value) for e in events]
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", **options)
    producer.partitions_for(_TOPIC)
    begun = time.perf_counter()
    futures = []
    for number in range(rows):
        key, headers, value = ready[number % keys]
        futures.append(producer.send(_TOPIC, key=key, value=value, headers=headers))
    producer.flush()
    for each in futures:
        each.get(timeout=30)
    took = time.perf_counter() - begun
    producer.close()
    return took


def drain(environment: Mapping[str, str]) -> tuple[float, int]:
    configured = settings.read(environment)
    database = Database(
        user_url=environment["DATABASE_URL"], system_url=environment["SYSTEM_DATABASE_URL"], pool_size=2, timeout=5
    )
    to = transport(configured)
    try:
        to.connect()
        begun = time.perf_counter()
        count = publish(database, to)
        return time.perf_counter() - begun, count
    finally:
        to.close()
        database.close()


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    with postgres() as server, broker() as bootstrap_servers:
        environment = {
            "MIGRATION_DATABASE_URL": server.url,
            "DATABASE_URL": server.login("taskmaster_user", "secret", "postgres"),
            "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", "postgres"),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        }
        taskmaster(environment, "migrate")
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        admin.create_topics([NewTopic(_TOPIC, _PARTITIONS, 1)])
        admin.close()
        yield environment


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--hot", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    o = parser.parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with surroundings() as environment:
        servers = environment["KAFKA_BOOTSTRAP_SERVERS"]
        for _ in range(o.rounds):
            print("raw", f"{o.rows / raw(servers, o.rows, o.keys):,.0f}/s", flush=True)
            ours = raw(servers, o.rows, o.keys, enable_idempotence=False, max_in_flight_requests_per_connection=1, linger_ms=1)
            print("raw, our settings", f"{o.rows / ours:,.0f}/s", flush=True)
            if o.hot:
                fill(environment["MIGRATION_DATABASE_URL"], o.hot, 1)
                took, count = drain(environment)
                print("hot key", count, f"{took:.1f} s", flush=True)
            fill(environment["MIGRATION_DATABASE_URL"], o.rows, o.keys)
            took, count = drain(environment)
            print("drain", count, f"{count / took:,.0f}/s", flush=True)


if __name__ == "__main__":
    main()
