"""How fast a full outbox drains, beside kafka-python alone with the same records; and one key with all the rows."""

import json
import time
from datetime import UTC, datetime

import psycopg
from kafka import KafkaProducer

from taskmaster import settings
from taskmaster.broker.outbox import publish
from taskmaster.broker.transports import broker as transport
from taskmaster.domain.task import Task
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Compared, Comparison, Figure, Section, Step
from tests.programs.bench.surroundings import database, surroundings

_TOPIC = "task-events"
_NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
_USERS = 100


def measure(step: Step, *, rows: int = 100_000, keys: int = 1_000, hot: int = 5_000, rounds: int = 3) -> Section:
    alone, drained, one_key = [], [], []
    with surroundings(_TOPIC) as environment:
        for number in range(1, rounds + 1):
            step(f"round {number} of {rounds}: kafka-python alone")
            alone.append(rows / _sent_alone(environment, rows, keys))
            step(f"round {number} of {rounds}: {rows:,} rows of {keys:,} keys")
            drained.append(rows / _drained(environment, rows, keys))
            step(f"round {number} of {rounds}: {hot:,} rows of one key")
            one_key.append(_drained(environment, hot, 1))
    return Section(
        title="The outbox",
        how=f"{rows:,} rows of {keys:,} keys and {_USERS} users are published by one run of the publish loop, to "
        "one topic of three partitions. Beside it kafka-python as it is shipped, with acks=all, sends the "
        "same records from memory, encoded already.",
        compared=[
            Compared(
                title="Draining",
                base="kafka-python alone",
                ours="publish",
                comparisons=[
                    Comparison(what="records a second", base=alone, ours=drained, goal=0.8, less=False),
                ],
            )
        ],
        figures=[Figure(what=f"{hot:,} rows of one key, slowest round", value=max(one_key), unit="s", goal=10)],
    )


def event(number: int) -> Outgoing:
    """An event as the functions make it, for one topic."""
    task = Task(
        task_id=number,
        title="water the plants",
        description="all of them, and the ferns twice",
        priority="high",
        tags=["home", "garden"],
        due_at=_NOW,
        time_zone="Europe/Berlin",
        created_at=_NOW,
        updated_at=_NOW,
    )
    origin = Origin(function="update-task", user_id=f"user-{number % _USERS}", correlation_id="a-correlation")
    made = outgoing("task.updated", task, origin=origin, at=_NOW, key=str(number), subject=f"tasks/{number}")
    return Outgoing(key=made.key, topics=(_TOPIC,), headers=made.headers, value=made.value)


def _drained(environment: dict[str, str], rows: int, keys: int) -> float:
    """Seconds from a full outbox to an empty one."""
    events = [event(number) for number in range(keys)]
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as owner, owner.cursor() as cursor:
        cursor.execute("TRUNCATE outbox")
        with cursor.copy("COPY outbox (key, topics, headers, value) FROM STDIN") as copy:
            for number in range(rows):
                each = events[number % keys]
                copy.write_row((each.key, list(each.topics), json.dumps(each.headers), each.value))
        cursor.execute("VACUUM ANALYZE outbox")
    broker = transport(settings.read(environment))
    try:
        with database(environment) as opened:
            broker.connect()
            begun = time.perf_counter()
            published = publish(opened, broker)
            took = time.perf_counter() - begun
    finally:
        broker.close()
    if published != rows:
        raise Wrong(f"{published} of {rows} rows were published")
    return took


def _sent_alone(environment: dict[str, str], rows: int, keys: int) -> float:
    events = [event(number) for number in range(keys)]
    ready = [(e.key.encode(), [(name, text.encode()) for name, text in e.headers.items()], e.value) for e in events]
    producer = KafkaProducer(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"], acks="all")
    producer.partitions_for(_TOPIC)
    begun = time.perf_counter()
    sent = []
    for number in range(rows):
        key, headers, value = ready[number % keys]
        sent.append(producer.send(_TOPIC, key=key, value=value, headers=headers))
    producer.flush()
    for each in sent:
        each.get(timeout=30)
    took = time.perf_counter() - begun
    producer.close()
    return took
