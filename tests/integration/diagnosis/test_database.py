"""What can be wrong with a database is made, and found by doctor with what mends it."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import time_machine

from knative.local.processes import free_port
from tests.support.command_line import at_once
from tests.support.findings import doctor
from tests.support.pgbouncer import PGBOUNCER, PgBouncer

Sql = Callable[..., list[tuple[Any, ...]]]
MIGRATION = "0011.tick"


def test_nothing_is_found_where_nothing_is_wrong(own: dict[str, str]) -> None:
    found = doctor(own, "database", "work")
    assert found == []
    said = at_once(own, "doctor", "--only", "database")
    assert (said.exit_code, said.stdout) == (0, "nothing found (database)\n")


def test_an_area_that_cannot_be_asked_is_a_note() -> None:
    found = doctor({}, "database", "work", "broker", "groups")
    assert {(each["code"], each["severity"]) for each in found} == {("not-looked-at", "note")}
    assert "SYSTEM_DATABASE_URL is not set" in {each["what"].removeprefix("not looked at: ") for each in found}


def with_parts(url: str, **parts: str) -> str:
    split = urlsplit(url)
    user, password = parts.get("user", split.username), parts.get("password", split.password)
    port, name = parts.get("port", str(split.port)), parts.get("name", split.path[1:])
    return urlunsplit(split._replace(netloc=f"{user}:{password}@127.0.0.1:{port}", path=f"/{name}"))


@pytest.mark.parametrize(
    ("parts", "said", "mend"),
    [
        ({"password": "hunter2"}, "password authentication failed", "taskmaster migrate"),
        ({"name": "nowhere"}, "does not exist", "taskmaster migrate"),
        ({"port": "0"}, "refused", "the network policy"),
    ],
)
def test_a_database_that_refuses_is_found(own: dict[str, str], parts: dict[str, str], said: str, mend: str) -> None:
    if "port" in parts:
        parts = {"port": str(free_port())}
    found = doctor({**own, "DATABASE_URL": with_parts(own["DATABASE_URL"], **parts)}, "database")
    finding = found.of("database-unreachable")
    assert said in finding["what"]
    assert finding["what"].startswith("DATABASE_URL: ")
    assert mend in finding["mend"]
    assert "hunter2" not in str(found)


def test_a_schema_that_is_not_there_is_found(empty: dict[str, str]) -> None:
    assert doctor(empty, "database").of("schema-old")["what"] == "there is no schema"


def test_a_schema_that_is_old_or_newer_is_found(own: dict[str, str], sql: Sql) -> None:
    sql("DELETE FROM _yoyo_migration WHERE migration_id = %s", MIGRATION)
    assert doctor(own, "database").of("schema-old")["what"] == f"the schema lacks {MIGRATION}"
    sql("UPDATE _yoyo_migration SET migration_id = '9999.later' WHERE migration_id = '0002.tasks'")
    assert "9999.later" in doctor(own, "database").of("schema-newer")["what"]
    sql("REVOKE SELECT (migration_id) ON _yoyo_migration FROM taskmaster_system")
    assert "did not say its version" in doctor(own, "database").of("schema-old")["what"]


@pytest.mark.parametrize(("login", "table"), [("taskmaster_user", "task"), ("taskmaster_system", "outbox")])
def test_grants_that_a_restore_lost_are_found(own: dict[str, str], sql: Sql, login: str, table: str) -> None:
    sql(f"REVOKE ALL ON {table} FROM {login}")
    finding = doctor(own, "database").of("login-lacks-rights")
    assert finding["what"] == f"{login} may not use {table}"
    assert "GRANT" in finding["mend"]


def test_row_level_security_that_is_off_is_found(own: dict[str, str], sql: Sql) -> None:
    sql("ALTER TABLE preferences DISABLE ROW LEVEL SECURITY")
    assert doctor(own, "database").of("row-security-off")["what"].endswith("preferences")


def test_a_login_above_row_level_security_is_found(own: dict[str, str], sql: Sql) -> None:
    sql("ALTER ROLE taskmaster_user BYPASSRLS")
    try:
        finding = doctor(own, "database").of("login-above-row-security")
    finally:
        sql("ALTER ROLE taskmaster_user NOBYPASSRLS")
    assert "ALTER ROLE taskmaster_user NOSUPERUSER NOBYPASSRLS" in finding["mend"]


def test_a_login_that_owns_a_table_is_found(own: dict[str, str], sql: Sql) -> None:
    sql("ALTER TABLE series OWNER TO taskmaster_user")
    assert doctor(own, "database").of("login-owns-tables")["what"].startswith("taskmaster_user owns series")


def test_another_login_than_the_functions_own_is_found(own: dict[str, str]) -> None:
    found = doctor({**own, "DATABASE_URL": own["SYSTEM_DATABASE_URL"]}, "database")
    assert found.of("login-wrong")["what"] == "DATABASE_URL names the login taskmaster_system, not taskmaster_user"


def test_limits_that_a_login_lost_are_found_and_mended(own: dict[str, str], sql: Sql) -> None:
    sql("ALTER ROLE taskmaster_user RESET lock_timeout")
    sql("ALTER ROLE taskmaster_system RESET log_error_verbosity")
    found = doctor(own, "database")
    assert found.of("login-lacks-limits")["what"] == "taskmaster_user has no lock_timeout as it should"
    assert found.of("login-logs-statements")["severity"] == "note"
    assert found.of("login-lacks-limits")["mend"] == "taskmaster migrate"
    at_once(own, "migrate")
    assert doctor(own, "database") == []


@pytest.mark.parametrize(("by", "severity", "said"), [(-600, "critical", "ahead of"), (10, "warning", "behind")])
def test_a_clock_that_is_wrong_is_found(own: dict[str, str], by: float, severity: str, said: str) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=by), tick=True):
        found = [each for each in doctor(own, "database") if each["code"] == "clock-skew"]
    assert [each["severity"] for each in found] == [severity, severity]  # by either login
    assert f"s {said} this machine's" in found[0]["what"]


def test_a_server_without_connections_left_is_found(own: dict[str, str], sql: Sql) -> None:
    [(allowed,)] = sql(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )
    [(used,)] = sql("SELECT sum(numbackends)::int FROM pg_stat_database")
    held = [psycopg.connect(own["DATABASE_URL"]) for _ in range(int(allowed * 0.95) - used)]
    try:
        finding = doctor(own, "database").of("connections-full")
    finally:
        for each in held:
            each.close()
    assert f"of {allowed} connections" in finding["what"]


@pytest.mark.skipif(PGBOUNCER is None, reason="there is no pgbouncer here: apt-get install pgbouncer")
@pytest.mark.parametrize(
    ("mode", "code"),
    [("transaction", None), ("session", "pooler-session-mode"), ("statement", "pooler-statement-mode")],
)
def test_the_mode_of_a_pooler_is_found(connected: dict[str, str], mode: str, code: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
        Path(name).chmod(0o755)
        pooler = PgBouncer(Path(name), connected, mode=mode, few=3)
        pooler.start()
        try:
            environment = pooler.environment("few")
            environment["MIGRATION_DATABASE_URL"] = environment["SYSTEM_DATABASE_URL"]
            found = doctor(environment, "database")
        finally:
            pooler.stop()
    assert {each for each in found.codes if each.startswith("pooler")} == ({code} if code else set())
    assert "migration-through-pooler" in found.codes
