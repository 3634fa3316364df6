"""Row-level security, as the logins themselves meet it: the last line, which holds whatever the code above it does."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.support.function_pack import Pack, act_for


@pytest.fixture
def stranger() -> str:
    return f"stranger-{uuid4()}"


def test_the_users_login_sees_nothing_without_a_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.event("create-task", "task.create", {"title": "x"})
    for user in (None, "", "somebody else"):
        if user is not None:
            act_for(user_login, user)
        for table in ("task", "series", "inbox"):
            assert user_login.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    act_for(user_login, pack.user)
    assert user_login.execute("SELECT count(*) FROM task").fetchone() == (2,)


def test_the_users_login_changes_no_row_of_another_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    task = pack.create()
    act_for(user_login, "somebody else")
    assert user_login.execute("UPDATE task SET title = 'x'").rowcount == 0
    assert user_login.execute("DELETE FROM task").rowcount == 0
    assert pack.get(task) == task


def test_the_users_login_gives_no_row_to_another_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    task = pack.create()
    act_for(user_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute("UPDATE task SET user_id = 'somebody else' WHERE task_id = %s", [task["task_id"]])
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute(
            "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
            " VALUES ('f', 'somebody else', 's', 'i', '', now())"
        )


def test_a_calendar_feed_is_its_users_alone(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    pack.call("show-calendar", "PUT", "/calendar")
    act_for(user_login, "somebody else")
    assert user_login.execute("SELECT count(*) FROM calendar_feed").fetchone() == (0,)
    assert user_login.execute("DELETE FROM calendar_feed").rowcount == 0
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute("INSERT INTO calendar_feed VALUES ('another', sha256('x'), now())")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM outbox",
        "DELETE FROM outbox",
        "UPDATE outbox SET topics = '{}'",
        "DELETE FROM inbox",
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_of_it ON task USING (true)",
        "TRUNCATE task",
        "DROP TABLE outbox",
        "GRANT taskmaster_system TO taskmaster_user",
        "SET ROLE taskmaster_system",
        "ALTER ROLE taskmaster_user BYPASSRLS",
        "CREATE TABLE public.mine (a int)",
    ],
)
def test_the_users_login_may_do_no_more_than_it_needs(
    pack: Pack, user_login: "psycopg.Connection[Any]", statement: str
) -> None:
    act_for(user_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege):
        user_login.execute(statement)


def test_the_users_login_leaves_events_only_for_somebody(user_login: "psycopg.Connection[Any]") -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute("INSERT INTO outbox (key, topics, headers, value) VALUES ('k', '{t}', '{}', '')")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM task",
        "SELECT FROM series",
        "DELETE FROM task",
        "SELECT nextval('task_id')",
        "SELECT FROM calendar_feed",
    ],
)
def test_the_systems_login_sees_no_task(pack: Pack, system_login: "psycopg.Connection[Any]", statement: str) -> None:
    pack.create()
    act_for(system_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege):
        system_login.execute(statement)


def test_no_login_owns_a_table_or_passes_by_row_level_security(pack: Pack) -> None:
    logins = "('taskmaster_user', 'taskmaster_system')"
    above = f"SELECT rolname FROM pg_roles WHERE (rolsuper OR rolbypassrls OR rolcreaterole) AND rolname IN {logins}"
    assert pack.sql(above) == []
    assert pack.sql(f"SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) IN {logins}") == []
    tables = "('task', 'series', 'inbox', 'outbox')"
    secured = pack.sql(f"SELECT bool_and(relrowsecurity) FROM pg_class WHERE relname IN {tables} AND relkind = 'r'")
    assert secured == [(True,)]


def test_a_pooled_connection_forgets_whom_it_served(pack: Pack, stranger: str) -> None:
    for _ in range(5):
        pack.create()
        assert pack.call("query-tasks", "GET", "/tasks", user=stranger).json == {"tasks": [], "next_cursor": None}
