"""Through a real PgBouncer in transaction mode, with TLS and next to no server connections, as to Neon's pooler."""

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.support.brokers import Kafka
from tests.support.function_process import FunctionProcess, eventually
from tests.support.pgbouncer import OPENSSL, PGBOUNCER, PgBouncer
from tests.support.task_copy import TaskCopy
from tests.support.topic_reader import TopicReader

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE usename = 'taskmaster_user'"

pytestmark = [
    pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer here: apt-get install pgbouncer"),
    pytest.mark.skipif(OPENSSL is None, reason="there is no openssl here for a certificate: apt-get install openssl"),
]


@pytest.fixture
def pooler(connected: dict[str, str]) -> Iterator[PgBouncer]:
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
        Path(name).chmod(0o755)
        pooler = PgBouncer(Path(name), connected)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()


def sql(environment: dict[str, str], query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def test_tasks_are_made_changed_once_and_published_in_order(pooler: PgBouncer, kafka: Kafka) -> None:
    """Twelve clients, two functions of four threads each and their publishers, on two server connections a login."""
    user, topic = f"user-{uuid4()}", f"{uuid4().hex[:8]}.task-events"
    environment = pooler.environment("few") | {"KAFKA_TOPICS": kafka.rename({"task-events": topic})}
    sql(environment, "DELETE FROM outbox")
    with contextlib.ExitStack() as running:
        create = running.enter_context(FunctionProcess("create-task", environment))
        update = running.enter_context(FunctionProcess("update-task", environment))

        def live(number: int) -> int:
            """A task that is created and changed, by call or by event, each of it twice."""
            key, title = str(uuid4()), {"title": f"task {number}"}
            made = [create.call("POST", "/tasks", title, user=user, Idempotency_Key=key) for _ in range(2)]
            assert [answer.status_code for answer in made] == [201, 201], create.lines
            task_id = int(made[0].json()["task_id"])
            change = {"task_id": task_id, "priority": "high"}
            changed = [update.event("task.update", change, user=user, event_id=f"{number}") for _ in range(2)]
            assert [answer.status_code for answer in changed] == [204, 204]
            answer = update.call("PATCH", f"/tasks/{task_id}", {"tags": ["home"]}, user=user)
            assert (answer.status_code, answer.json()["version"]) == (200, 3)
            return task_id

        with ThreadPoolExecutor(12) as clients:
            tasks = set(clients.map(live, range(60)))
        with TopicReader(kafka, topic) as reader:
            events = reader.wait_for(180)
        assert {task_id: [e.data["version"] for e in events if e.data["task_id"] == task_id] for task_id in tasks} == {
            task_id: [1, 2, 3] for task_id in tasks
        }
        assert [create.terminate(), update.terminate()] == [0, 0]
        said = [line for line in create.lines + update.lines if "prepared" in line or '"ERROR"' in line]
        assert said == []
    assert len(tasks) == 60


def test_two_users_on_one_server_connection_never_see_each_others_tasks(pooler: PgBouncer) -> None:
    environment = pooler.environment("one")
    of_others = sql(environment, SESSIONS)  # of tests before, in the same process
    users = [f"user-{uuid4()}" for _ in range(2)]
    with contextlib.ExitStack() as running:
        create = running.enter_context(FunctionProcess("create-task", environment))
        query = running.enter_context(FunctionProcess("query-tasks", environment))

        def write_and_read(number: int) -> None:
            user = users[number % 2]
            made = create.call("POST", "/tasks", {"title": user}, user=user)
            assert made.status_code == 201, made.text
            task_id = made.json()["task_id"]
            listed = query.call("GET", "/tasks?limit=100", user=user)
            assert {task["title"] for task in listed.json()["tasks"]} == {user}
            assert query.call("GET", f"/tasks/{task_id}", user=user).status_code == 200
            assert query.call("GET", f"/tasks/{task_id}", user=users[(number + 1) % 2]).status_code == 404

        with ThreadPoolExecutor(8) as clients:
            list(clients.map(write_and_read, range(40)))

        with psycopg.connect(environment["DATABASE_URL"], autocommit=True, prepare_threshold=None) as nobody:
            assert nobody.execute("SELECT count(*) FROM task").fetchone() == (0,), "no user, no tasks"
        assert len(set(sql(environment, SESSIONS)) - set(of_others)) == 1


def test_the_change_feed_misses_nothing_through_one_server_connection(pooler: PgBouncer) -> None:
    user, environment = f"user-{uuid4()}", pooler.environment("one")
    with contextlib.ExitStack() as running:
        create = running.enter_context(FunctionProcess("create-task", environment))
        delete = running.enter_context(FunctionProcess("delete-task", environment))
        query = running.enter_context(FunctionProcess("query-tasks", environment))

        def ask(cursor: str | None) -> dict[str, Any]:
            after = f"&cursor={cursor}" if cursor else ""
            answer = query.call("GET", f"/tasks/changes?limit=3{after}", user=user)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        def live(number: int) -> None:
            made = create.call("POST", "/tasks", {"title": f"{number}"}, user=user).json()
            if number % 3 == 0:
                assert delete.call("DELETE", f"/tasks/{made['task_id']}", user=user).status_code == 204

        copy = TaskCopy(ask)
        with ThreadPoolExecutor(4) as clients:
            done = [clients.submit(live, number) for number in range(30)]
            while not all(each.done() for each in done):
                copy.catch_up()
        listed = query.call("GET", "/tasks?limit=100", user=user).json()["tasks"]
        assert copy.catch_up() == {task["task_id"]: task for task in listed}
        assert len(listed) == 20
        assert set(copy.told.values()) == {1}


def test_a_pooler_that_restarts_is_an_outage_to_nobody_who_was_idle(pooler: PgBouncer) -> None:
    user = f"user-{uuid4()}"
    with FunctionProcess("create-task", pooler.environment("few")) as function:
        for number in range(3):
            assert function.call("POST", "/tasks", {"title": f"{number}"}, user=user).status_code == 201
            assert function.event("task.create", {"title": "by event"}, user=user).status_code == 204
            pooler.stop()
            pooler.start()


def succeeds(function: FunctionProcess, task: dict[str, str], user: str) -> bool:
    return function.call("POST", "/tasks", task, user=user).status_code == 201


def test_server_connections_that_the_database_ended_are_replaced(pooler: PgBouncer) -> None:
    user, environment = f"user-{uuid4()}", pooler.environment("few")
    with FunctionProcess("create-task", environment) as function:
        for number in range(3):
            title = {"title": f"{number}"}
            eventually(partial(succeeds, function, title, user), "a new server connection")
            sql(
                environment,
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE usename LIKE 'taskmaster_%' AND state = 'idle'",
            )
