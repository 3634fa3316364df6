"""PostgreSQL's own log has neither what a user wrote nor a secret, whatever ends a statement."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor

from knative.local.embedded import Server, postgres
from taskmaster.database.session import StatementFailed
from tests.support import shared, tokens
from tests.support.command_line import prepare, taskmaster
from tests.support.function_pack import Pack

TITLE = "buy a ring for Grace, who must not know"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADDRESS = "https://example.com/grace-and-ada"
LOGINS = ("taskmaster_user", "taskmaster_system")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres(durable=False) as running:
        yield running


@pytest.fixture(scope="module")
def environment(server: Server) -> dict[str, str]:
    configured = {
        "MIGRATION_DATABASE_URL": server.url,
        "DATABASE_URL": server.login("taskmaster_user", "u", "postgres"),
        "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "s", "postgres"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        **tokens.settings(),
    }
    assert "not done" not in taskmaster(configured, "migrate").stdout
    return configured


@pytest.fixture(autouse=True)
def _sessions_of_its_own() -> Iterator[None]:
    """Each test changes settings of the logins, which count from the start of a session."""
    shared.close_sessions()
    yield
    shared.close_sessions()


@pytest.fixture(params=["as migrated", "where the server logs statements"])
def words(server: Server, environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """What the log must not have: where a login could not be kept from it (Neon), the secret at least."""
    if request.param == "as migrated":
        yield [TITLE, SECRET, ADDRESS, "MfKQ9r8"]
        return
    with psycopg.connect(server.url, autocommit=True) as owner:
        for login in LOGINS:
            owner.execute(f"ALTER ROLE {login} RESET log_min_error_statement")
            owner.execute(f"ALTER ROLE {login} RESET log_error_verbosity")
        yield [SECRET, ADDRESS, "MfKQ9r8"]
    prepare(environment, "migrate")


@pytest.fixture
def bounds(server: Server, request: pytest.FixtureRequest) -> Iterator[None]:
    """The time limits of the user's login."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        for name, value in request.param.items():
            owner.execute(f"ALTER ROLE taskmaster_user SET {name} = '{value}'")
        yield
        owner.execute("ALTER ROLE taskmaster_user SET lock_timeout = '3s'")
        owner.execute("ALTER ROLE taskmaster_user SET statement_timeout = '10s'")


@contextmanager
def held(server: Server, *tables: str) -> Iterator[None]:
    """Tables that nobody else writes."""
    with psycopg.connect(server.url) as owner:
        for table in tables:
            owner.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield
        owner.rollback()


@pytest.fixture
def logged(server: Server) -> Callable[[], str]:
    """What the server has logged since the test began."""
    file = server.directory / "postgres.log"
    before = len(file.read_bytes())

    def read() -> str:
        time.sleep(0.3)
        return file.read_bytes()[before:].decode()

    return read


def writes(pack: Pack) -> list[Callable[[], Any]]:
    """Calls whose statements carry a title, or a secret."""
    task = pack.create(title="dull")
    channel = {"type": "webhook", "url": ADDRESS, "secret": SECRET}
    return [
        lambda: pack.call("create-task", "POST", "/tasks", {"title": TITLE}),
        lambda: pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", {"title": TITLE}),
        lambda: pack.call("set-preferences", "PUT", "/preferences", {"channels": [channel], "day_hour": "07:00"}),
        lambda: pack.call("set-preferences", "PUT", "/preferences", {"channels": [channel]}, Idempotency_Key="k"),
    ]


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"lock_timeout": "500ms"}, "canceling statement due to lock timeout"),
        ({"lock_timeout": "0", "statement_timeout": "500ms"}, "canceling statement due to statement timeout"),
    ],
    indirect=["bounds"],
)
def test_a_statement_that_runs_into_its_limit_is_not_logged(
    server: Server,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    logged: Callable[[], str],
    bounds: None,
    said: str,
) -> None:
    with Pack.served(environment, monkeypatch, user="ada") as pack:
        calls = writes(pack)
        with held(server, "outbox", "preferences"):
            assert [call().status_code for call in calls] == [409 if "lock" in said else 503] * 4
    assert logged().count(said) == 4, logged()
    assert [word for word in words if word in logged()] == []
    assert (TITLE in logged()) is (TITLE not in words), "the test looks where it would be"


def test_a_statement_whose_session_is_ended_is_not_logged(
    server: Server,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    logged: Callable[[], str],
) -> None:
    with Pack.served(environment, monkeypatch, user="ada") as pack:
        calls = writes(pack)
        with held(server, "outbox", "preferences"):
            for call in calls:
                calling = threading.Thread(target=call)
                calling.start()
                deadline = time.monotonic() + 20
                while calling.is_alive() and time.monotonic() < deadline:
                    pack.sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE usename = 'taskmaster_user' AND wait_event_type = 'Lock'"
                    )
                    time.sleep(0.05)
                calling.join(5)
    assert logged().count("terminating connection due to administrator command") >= 4, logged()
    assert [word for word in words if word in logged()] == []


def test_a_row_that_a_constraint_refuses_is_not_logged(
    server: Server, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    with Pack.served(environment, monkeypatch, user="ada") as pack:
        task = pack.create(title="dull")

        def write() -> None:
            with pack.runtime.database.as_user("ada") as transaction:
                found = transaction.lock_task(task["task_id"])
                assert found is not None
                transaction.update_task(found.model_copy(update={"title": TITLE, "priority": "none such"}))

        with pytest.raises(StatementFailed):
            write()
    assert "task_priority_check" in logged()
    assert TITLE not in logged()


def test_two_in_each_others_way_are_not_logged(
    server: Server, environment: dict[str, str], logged: Callable[[], str]
) -> None:
    """What a deadlock tells of both sides is a detail of the error."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO preferences (user_id, time_zone, day_hour, channels) SELECT u, 'UTC', '09:00', '[]'"
            " FROM unnest(ARRAY['a', 'b']) AS u ON CONFLICT DO NOTHING"
        )
        owner.execute("CREATE POLICY deadlock ON preferences TO taskmaster_user USING (true)")
        ends: list[str] = []

        def cross(first: str, second: str, meet: threading.Barrier) -> None:
            with psycopg.connect(environment["DATABASE_URL"], cursor_factory=ClientCursor) as connection:
                change = "UPDATE preferences SET channels = to_jsonb(%s::text) WHERE user_id = %s"
                connection.execute(change, [TITLE, first])
                meet.wait(10)
                try:
                    connection.execute(change, [TITLE, second])
                except psycopg.errors.DeadlockDetected:
                    ends.append("deadlock")
                connection.rollback()

        meet = threading.Barrier(2)
        pair = [threading.Thread(target=cross, args=(*names, meet)) for names in (("a", "b"), ("b", "a"))]
        for each in pair:
            each.start()
        for each in pair:
            each.join(20)
        owner.execute("DROP POLICY deadlock ON preferences")
    assert ends == ["deadlock"]
    assert "deadlock detected" in logged()
    assert TITLE not in logged()


def test_a_search_that_takes_too_long_is_not_logged(
    server: Server, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    """Not even where the server logs statements: what is looked for is a parameter."""
    with (
        psycopg.connect(server.url, autocommit=True) as owner,
        Pack.served(environment, monkeypatch, user="ada") as pack,
    ):
        for login in LOGINS:
            owner.execute(f"ALTER ROLE {login} RESET log_min_error_statement")
        owner.execute("ALTER ROLE taskmaster_user SET statement_timeout = '500ms'")
        try:
            with psycopg.connect(server.url) as holder:
                holder.execute("LOCK TABLE task IN ACCESS EXCLUSIVE MODE")
                answer = pack.call("query-tasks", "GET", "/tasks?text=must%20not%20know")
                holder.rollback()
        finally:
            owner.execute("ALTER ROLE taskmaster_user SET statement_timeout = '10s'")
            prepare(environment, "migrate")
    assert answer.status_code == 503
    assert "canceling statement due to statement timeout" in logged()
    assert "must not know" not in logged()
