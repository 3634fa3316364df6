"""What each login can read, run and alter, held against the table in docs/security.md; and ways to become the owner."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from knative.local.embedded import Server
from tests.support.command_line import migrate, prepare, taskmaster
from tests.support.function_pack import Pack, act_for
from tests.support.own_database import own_database

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"
LOGINS = {"taskmaster_user": "DATABASE_URL", "taskmaster_system": "SYSTEM_DATABASE_URL"}
DUE = "SELECT user_id, title FROM lock_due_reminders(%s, 1000)"


def rows() -> list[tuple[str, str, str]]:
    """The statements of the table, and what it says of each login: no, or how far it goes."""
    section = DOCUMENT.read_text().split("## What each login can do")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE)
    return [(statement, user.strip(), system.strip()) for statement, user, system in found]


CASES = [(statement, login, says) for statement, *both in rows() for login, says in zip(LOGINS, both, strict=True)]


@pytest.fixture
def connect(pack: Pack, environment: dict[str, str]) -> Any:
    """A session of a login, which acts for the user and leaves nothing behind."""

    @contextmanager
    def session(login: str) -> Iterator["psycopg.Connection[Any]"]:
        with psycopg.connect(environment[LOGINS[login]]) as connection:
            act_for(connection, pack.user)
            yield connection
            connection.rollback()

    return session


def rows_of(pack: Pack, user: str) -> None:
    """A row of a user's in every table that has users."""
    task = {"title": "a plan", "due_at": "2090-01-01T09:00:00Z", "recurrence_pattern": "daily"}
    assert pack.call("create-task", "POST", "/tasks", task, user=user, Idempotency_Key="k").status_code == 201
    pack.sql(
        "INSERT INTO preferences (user_id, time_zone, day_hour, channels) VALUES (%(user)s, 'UTC', '09:00', '[]')",
        user=user,
    )
    pack.sql("INSERT INTO deleted_task (task_id, user_id, version) VALUES (7, %(user)s, 2)", user=user)
    pack.call("show-calendar", "PUT", "/calendar", user=user)
    pack.sql("INSERT INTO reminder_move (user_id, ticket, asked_at) VALUES (%(user)s, uuidv7(), now())", user=user)


# The table --------------------------------------------------------------------------------------------------------


def test_the_table_tries_reading_running_and_altering() -> None:
    statements = " ".join(statement for statement, *_ in rows())
    for word in ("ALTER ROLE CURRENT_USER", "LOCK TABLE", "pg_advisory", "setval", "nextval", "COPY", "lo_create",
                 "pg_stat_activity", "SET ROLE", "row_security", "search_path", "session_replication_role",
                 "TEMPORARY", "CREATE TABLE", "CREATE FUNCTION", "lock_due_reminders"):  # fmt: skip
        assert word in statements
    assert len(CASES) > 90


@pytest.mark.parametrize(("statement", "login", "says"), CASES)
def test_a_login_can_do_what_the_table_says(pack: Pack, connect: Any, statement: str, login: str, says: str) -> None:
    stranger = f"stranger-{uuid4()}"
    if "user_id" in statement:
        for user in (pack.user, stranger):
            rows_of(pack, user)
    with connect(login) as connection:
        if says == "no":
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
            return
        cursor = connection.execute(statement)
        whose = {
            row[column.name]
            for column in cursor.description or ()
            if column.name == "user_id"
            for row in [
                dict(zip([each.name for each in cursor.description or ()], each, strict=True)) for each in cursor
            ]
        }
    if "own" in says and "user_id" in statement:
        assert whose == {pack.user}
    if "all" in says and "user_id" in statement:
        assert whose >= {pack.user, stranger}


# Ways to become the owner -----------------------------------------------------------------------------------------


@pytest.fixture
def bounded(pack: Pack) -> Iterator[None]:
    """As on a cluster, where nobody moves business time."""
    pack.sql("UPDATE clock SET may_be_moved = false")
    yield
    pack.sql("UPDATE clock SET may_be_moved = true")


@pytest.mark.parametrize("moment", ["infinity", "9000-01-01", "2090-01-01"])
def test_no_moment_shows_a_task_that_is_not_due(pack: Pack, connect: Any, bounded: None, moment: str) -> None:
    pack.create(title="a secret plan", due_at="2090-01-01T09:00:00Z")
    rung = pack.create(title="rings", due_at="2090-01-01T09:00:00Z")
    pack.sql("UPDATE reminder SET due_at = now() - interval '1 s' WHERE task_id = %(id)s", id=rung["task_id"])
    with connect("taskmaster_system") as connection:
        assert connection.execute(DUE, [moment]).fetchall() == [(pack.user, "rings")]
        old = "SELECT title FROM lock_tasks_to_remind_of(%s, 1000)"
        assert connection.execute(old, [moment]).fetchall() == [("rings",)]


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("name", ["reminder", "task", "clock", "alarm", "least", "date_bin"])
def test_nothing_temporary_stands_in_for_what_the_owner_reads(
    pack: Pack, connect: Any, bounded: None, login: str, name: str
) -> None:
    """Even where a login may make temporary objects: whatever a view there calls runs as the owner, or does not run."""
    pack.create(title="a secret plan", due_at="2090-01-01T09:00:00Z")
    pack.sql(f"GRANT TEMPORARY ON DATABASE postgres TO {login}")
    try:
        with connect(login) as connection:
            connection.execute(
                "CREATE FUNCTION pg_temp.escape() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
                " EXECUTE format('GRANT ALL ON public.task TO %I', session_user); RETURN true; END $$"
            )
            connection.execute(
                f"CREATE TEMPORARY VIEW {name} AS SELECT uuidv7() AS reminder_id, 1::bigint AS task_id, 'x' AS user_id,"
                " now() - interval '1 day' AS due_at, NULL::timestamptz AS fired_at, NULL::timestamptz AS closed_at,"
                " true AS may_be_moved WHERE pg_temp.escape()"
            )
            connection.execute(
                "CREATE FUNCTION pg_temp.date_bin(interval, timestamptz, timestamptz) RETURNS timestamptz"
                " LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.escape(); RETURN $2; END $$"
            )
            connection.execute("SET search_path = pg_temp, public, pg_catalog")
            if login == "taskmaster_system":
                assert connection.execute(DUE, ["infinity"]).fetchall() == []
            [(granted,)] = pack.sql(f"SELECT has_table_privilege('{login}', 'public.task', 'TRUNCATE')")
            assert not granted
    finally:
        pack.sql(f"REVOKE TEMPORARY ON DATABASE postgres FROM {login}")


def test_a_function_with_the_owners_rights_is_safe_to_be_called(pack: Pack) -> None:
    """Every one in the database, whoever adds it."""
    found = pack.sql(
        "SELECT p.oid::regprocedure::text, p.proconfig, pg_get_userbyid(p.proowner), p.proacl IS NULL OR EXISTS"
        "  (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0), (SELECT pg_get_userbyid(relowner) FROM pg_class"
        "  WHERE oid = 'task'::regclass)"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert {name.partition("(")[0] for name, *_ in found} >= {"lock_due_reminders"}
    for name, settings, owner, is_public, owner_of_tables in found:
        assert "search_path=pg_catalog, pg_temp" in (settings or []), name
        assert not is_public, name
        assert owner == owner_of_tables, name


def test_no_role_passes_by_row_level_security_and_every_table_has_it(pack: Pack) -> None:
    assert pack.sql("SELECT rolname FROM pg_roles WHERE rolbypassrls AND NOT rolsuper") == []
    assert pack.sql("SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
                    " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)") == []  # fmt: skip
    open_to_all = pack.sql(
        "SELECT DISTINCT c.relname FROM pg_class c, unnest(ARRAY['taskmaster_user', 'taskmaster_system']) AS l,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND has_table_privilege(l, c.oid, p)"
    )
    assert open_to_all == [("alarm",)], "one row, of nobody's"


# What migrate makes sure of ---------------------------------------------------------------------------------------


@pytest.fixture
def fresh(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database of its own on the same server."""
    with own_database(environment) as own:
        yield own


def test_migrate_puts_back_what_a_login_did_to_itself(pack: Pack, environment: dict[str, str]) -> None:
    for url in LOGINS.values():
        with psycopg.connect(environment[url], autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET lock_timeout = '1h'")
            connection.execute("ALTER ROLE CURRENT_USER PASSWORD 'mine now'")
    migrate(environment)
    for url in LOGINS.values():
        with psycopg.connect(environment[url]) as connection:
            assert connection.execute("SHOW lock_timeout").fetchone() == ("3s",)


def test_migrate_says_whether_business_time_may_be_moved(fresh: dict[str, str]) -> None:
    for setting, may in (("", False), ("/dev/null", True), ("", False)):
        prepare({**fresh, "CLOCK_OFFSET_FILE": setting}, "migrate")
        with psycopg.connect(fresh["MIGRATION_DATABASE_URL"]) as owner:
            assert owner.execute("SELECT may_be_moved FROM clock").fetchall() == [(may,)]


def test_an_owner_who_may_do_less_says_what_is_left(database_server: Server, fresh: dict[str, str]) -> None:
    """As on Neon: the owner of the database, and no superuser."""
    owner, name = f"owner_{uuid4().hex[:8]}", fresh["MIGRATION_DATABASE_URL"].rpartition("/")[2]
    with psycopg.connect(database_server.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'o'")
        admin.execute(f"GRANT taskmaster_user, taskmaster_system TO {owner} WITH ADMIN OPTION")
        admin.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
        for login in LOGINS:
            admin.execute(f"ALTER ROLE {login} RESET log_min_error_statement")
        try:
            ended = taskmaster({**fresh, "MIGRATION_DATABASE_URL": database_server.login(owner, "o", name)}, "migrate")
            told = ended.stdout.splitlines()
            assert told[0].startswith("applied")
            assert len(told) == 2
            assert told[1].startswith("not done: the server may log what users wrote")
            for login in LOGINS:
                assert f'ALTER ROLE "{login}" SET "log_min_error_statement" = \'panic\'' in told[1]
            with psycopg.connect(fresh["DATABASE_URL"]) as login_of_users, pytest.raises(errors.InsufficientPrivilege):
                login_of_users.execute("CREATE TEMPORARY TABLE reminder (a int)")
        finally:
            admin.execute(f"ALTER DATABASE {name} OWNER TO postgres")
            with psycopg.connect(fresh["MIGRATION_DATABASE_URL"], autocommit=True) as inside:
                inside.execute(f"REASSIGN OWNED BY {owner} TO postgres")
                inside.execute(f"DROP OWNED BY {owner}")
            admin.execute(f"DROP ROLE {owner}")
            migrate(fresh)


def test_the_schema_may_have_another_name_than_public(fresh: dict[str, str]) -> None:
    with psycopg.connect(fresh["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute("CREATE SCHEMA pack")
        owner.execute("GRANT USAGE ON SCHEMA pack TO taskmaster_user, taskmaster_system")
    there = {
        name: f"{url}?options=-csearch_path%3Dpack" if name.endswith("DATABASE_URL") else url
        for name, url in fresh.items()
    }
    prepare(there, "migrate")
    with psycopg.connect(there["SYSTEM_DATABASE_URL"]) as connection:
        assert connection.execute(DUE, ["infinity"]).fetchall() == []
