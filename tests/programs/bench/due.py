"""Reminders that are due, while a million are pending: how late they are on their topic, and what looking costs."""

import contextlib
import json
import statistics
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import requests
from kafka import KafkaConsumer, TopicPartition

from taskmaster.broker.publisher import ThreadPublisher
from taskmaster.reminding.due import DueReminders
from taskmaster.settings import read
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step, percentile
from tests.programs.bench.surroundings import database, surroundings
from tests.support.function_process import FunctionProcess

EACH = 5  # reminders of a task that is pending, and of a user that are due at once
_GREEDY = "greedy"  # one user with a thousand due at the same moment, of whom thirty may be under way

_TASKS = """
INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, due_at, recurrence_from,
                  recurrence_paused, version, created_at, updated_at)
SELECT n + %(after)s, %(user)s || n / %(each)s, 'water the plants', false, 'low', '{}', 'UTC',
       now() + interval '1 year', 'due', false, 1, now(), now() FROM generate_series(1, %(count)s) AS n
"""
_PENDING = """
INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at)
SELECT uuidv7(), task_id, user_id, at, at FROM task, generate_series(1, %(each)s) AS m,
       LATERAL (SELECT now() + interval '1 day' + m * interval '30 days' + task_id * interval '1 second' AS at) AS of
"""
_DUE = """
INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at)
SELECT uuidv7(), task_id, user_id, at, at FROM (
  SELECT task_id, user_id, %(at)s + random() * make_interval(secs => %(seconds)s) AS at FROM task
   WHERE task_id > %(after)s AND task_id <= %(last)s OFFSET 0) AS due
"""


def measure(step: Step, *, pending: int = 1_000_000, minute: int = 10_000, second: int = 20_000) -> Section:
    with surroundings("reminders", "task-updates") as environment:
        owner = environment["MIGRATION_DATABASE_URL"]
        step(f"writing {pending:,} reminders")
        seed(owner, pending, minute + second)
        step("looking with nothing due")
        looks, plans = _looks(environment)
        first = pending // EACH
        with FunctionProcess("dispatch-due-reminders", environment) as function:
            step(f"{minute:,} within a minute")
            spread = dispatched(environment, function, first, minute, 60.0)
            step(f"{second:,} within a second")
            _add_greedy(owner, first + minute + second)
            burst = dispatched(environment, function, first + minute, second, 1.0)
    took = max(burst) + 1.0
    return Section(
        title="Reminders that are due",
        how=f"{pending:,} reminders are pending. dispatch-due-reminders runs as in a pod, its publisher behind it."
        f" Of users with {EACH} each, {minute:,} are due within a minute, and then {second:,} within a second,"
        " with a thousand of one more user, of whom thirty may be under way. Late is the record on its topic,"
        " by its timestamp, behind the moment of its reminder. A look is what the dispatcher asks of "
        "PostgreSQL when nothing is due.",
        figures=[
            Figure(what="a look with nothing due, p50", value=statistics.median(looks), unit="ms", goal=5),
            Figure(what="finding the next moment, p50", value=statistics.median(plans), unit="ms", goal=5),
            *(
                Figure(what=f"{minute:,} in a minute: late, {name}", value=late * 1000, unit="ms", goal=goal)
                for name, late, goal in (
                    ("p50", percentile(spread, 0.5), None),
                    ("p99", percentile(spread, 0.99), 1000),
                )
            ),
            Figure(what=f"{second:,} in a second: the last is late", value=max(burst), unit="s"),
            Figure(what=f"{second:,} in a second", value=second / took, unit="a second", goal=2000, less=False),
        ],
    )


def seed(url: str, pending: int, due: int) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        lists = owner.execute("SELECT indexname FROM pg_indexes WHERE indexname ~ '^task_(listed|found|by_change)'")
        for (name,) in lists.fetchall():
            owner.execute(f"DROP INDEX {name}")  # dispatch does not read them, and they are most of the time of writing
        count = pending // EACH
        owner.execute(_TASKS, {"after": 0, "user": "pending-", "each": EACH, "count": count})
        owner.execute(_PENDING, {"each": EACH})
        owner.execute(_TASKS, {"after": count, "user": "due-", "each": EACH, "count": due})
        owner.execute(_TASKS, {"after": count + due, "user": _GREEDY, "each": 1_000_000, "count": 1000})
        owner.execute("VACUUM ANALYZE task, reminder")


def _add_greedy(url: str, after: int) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        at = datetime.now(UTC) + timedelta(seconds=5)
        owner.execute(_DUE, {"at": at, "seconds": 0.0, "after": after, "last": after + 1000})


def _looks(environment: dict[str, str]) -> tuple[list[float], list[float]]:
    """Milliseconds of a look for what is due, and of finding the next moment."""
    with database(environment) as opened:
        due = DueReminders(read(environment), opened, ThreadPublisher(lambda: None, later=()))
        looks, plans = [], []
        for _ in range(50):
            begun = time.perf_counter()
            if due.dispatch(now=datetime.now(UTC)):
                raise Wrong("something is due already")
            looked = time.perf_counter()
            due.schedule_next_wakeup(now=datetime.now(UTC), by=None)
            looks.append((looked - begun) * 1000)
            plans.append((time.perf_counter() - looked) * 1000)
    return looks[5:], plans[5:]


def dispatched(
    environment: dict[str, str], function: FunctionProcess, after: int, count: int, seconds: float
) -> list[float]:
    """Seconds by which each reminder was late on its topic."""
    at = datetime.now(UTC) + timedelta(seconds=5)
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute(_DUE, {"at": at, "seconds": seconds, "after": after, "last": after + count})
    threading.Thread(target=_arm, args=(function, at), daemon=True).start()
    late: dict[str, float] = {}
    consumer = KafkaConsumer(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="earliest")
    consumer.assign([TopicPartition("reminders", number) for number in range(3)])
    deadline = time.monotonic() + seconds + 90
    time.sleep(5 + seconds)  # reading meanwhile would take what is measured
    while len(late) < count:
        if time.monotonic() > deadline:
            raise Wrong(f"{len(late)} of {count} reminders were dispatched:\n" + "\n".join(function.lines[-5:]))
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                data = json.loads(record.value)
                if after < data.get("task_id", 0) <= after + count:  # else it wakes send-reminder, or is of another run
                    moment = datetime.fromisoformat(data["remind_at"])
                    late.setdefault(data["reminder_id"], record.timestamp / 1000 - moment.timestamp())
    consumer.close()
    return sorted(late.values())


def _arm(function: FunctionProcess, at: datetime) -> None:
    """Have the dispatcher look. Its first request is answered once nothing is due soon."""
    with contextlib.suppress(requests.RequestException):
        function.event("reminder.armed", {"moment": at.isoformat()}, user="taskmaster")
