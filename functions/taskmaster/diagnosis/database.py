"""The database: whether it answers, its schema, what each login may do, the pooler in front of it, its clock."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors

from taskmaster.database import migrations
from taskmaster.database.logins import LOGINS, SILENCE, missing_settings
from taskmaster.database.queries import named
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.settings import Settings

AREA = "database"
SKEW_SECONDS = 2.0  # between two clocks that nobody notices
_SQL = named("diagnosis.sql")
_FULL = 0.9  # of all connections
_POOLED_SESSIONS = 3  # at once, to see whether they share a connection of the server

Connection = psycopg.Connection[tuple[Any, ...]]


def examine(settings: Settings) -> Iterator[Finding]:
    """What is wrong there; what cannot be asked is a finding of its own. Raises nothing of psycopg's."""
    urls = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SYSTEM_DATABASE_URL": settings.system_database_url.get_secret_value(),
    }
    for (name, url), login in zip(urls.items(), LOGINS, strict=True):
        if not url:
            yield not_looked_at(AREA, f"{name} is not set", "run it where the functions' Secrets are")
            continue
        try:
            with connect(url, settings) as connection:
                yield from _login(connection, name, login)
                if login == LOGINS[1]:
                    yield from _schema(connection)
                    yield from _server(connection)
                pooled = connection.info.backend_pid != asked(connection, "login")[3]
            if pooled:
                yield from _pooler(url, name, settings)
        except psycopg.Error as error:
            yield _unreachable(name, error)
    if owner := settings.migration_database_url.get_secret_value():
        yield from _migration_url(owner, settings)


def connect(url: str, settings: Settings) -> Connection:
    """A session that keeps no state, as a pooler in transaction mode wants it. Raises psycopg's errors."""
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, connect_timeout=max(2, int(settings.database_timeout))
    )


def asked(connection: Connection, query: str, **parameters: Any) -> tuple[Any, ...]:
    """The one row of a query of diagnosis.sql."""
    row = connection.execute(_SQL[query], parameters or None).fetchone()
    assert row is not None
    return row


def _names(connection: Connection, query: str) -> str:
    return ", ".join(name for (name,) in connection.execute(_SQL[query]).fetchall())


def _unreachable(name: str, error: psycopg.Error) -> Finding:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    mend = "check the URL in the Secret, the network policy and whether the database runs"
    if "password authentication" in said or "does not exist" in said:
        mend = "taskmaster migrate (it gives the logins the passwords of their URLs)"
    if "too many" in said or "remaining connection slots" in said:
        mend = "lower functions.NAME.maxScale or DATABASE_POOL_SIZE, or put a pooler in front"
    return Finding(
        code="database-unreachable",
        severity=Severity.CRITICAL,
        area=AREA,
        what=f"{name}: {said}",
        why="calls are answered with 503, and events are retried until it is back",
        mend=mend,
    )


def _login(connection: Connection, name: str, login: str) -> Iterator[Finding]:
    before = datetime.now(UTC)
    user, is_above, configured, _, server_time = asked(connection, "login")
    yield from _clock(server_time, before, datetime.now(UTC), name)
    if user != login:
        yield Finding(
            code="login-wrong",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{name} names the login {user}, not {login}",
            why="row-level security and the limits of each login are made for these two",
            mend=f"set {name} to postgresql://{login}:PASSWORD@HOST/DATABASE, then taskmaster migrate",
        )
        return
    if is_above:
        yield Finding(
            code="login-above-row-security",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{login} is a superuser or bypasses row-level security",
            why="a fault in one query would show one user the tasks of all",
            mend=f"psql: ALTER ROLE {login} NOSUPERUSER NOBYPASSRLS",
        )
    elif owned := _names(connection, "owned_tables"):
        yield Finding(
            code="login-owns-tables",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{login} owns {owned}, or is a member of who does",
            why="row-level security does not hold for the owner of a table",
            mend="give the tables to the login of MIGRATION_DATABASE_URL: ALTER TABLE ... OWNER TO",
        )
    if not asked(connection, "has_schema")[0]:
        return
    if missing := _names(connection, "missing_rights"):
        yield Finding(
            code="login-lacks-rights",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{login} may not use {missing}",
            why="every call that needs one of these tables fails with 500; a restore without ACLs leaves it so",
            mend="restore the grants (pg_restore without --no-acl), or GRANT them as sql/migrations says",
        )
    unset = missing_settings(configured, login)
    if limits := [each for each in unset if each not in SILENCE]:
        yield Finding(
            code="login-lacks-limits",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{login} has no {', '.join(limits)} as it should",
            why="a lock or a slow statement holds a call, and its connection, for longer than Knative waits",
            mend="taskmaster migrate",
        )
    if silences := [each for each in unset if each in SILENCE]:
        yield Finding(
            code="login-logs-statements",
            severity=Severity.NOTE,
            area=AREA,
            what=f"{login} has no {', '.join(silences)} as it should",
            why="the server may log what users wrote with a statement that fails",
            mend="taskmaster migrate prints the statement that a superuser has to run",
        )


def _clock(server_time: datetime, before: datetime, after: datetime, name: str) -> Iterator[Finding]:
    """How far the server's clock is from this one, the round trip left out."""
    early, late = (before - server_time).total_seconds(), (server_time - after).total_seconds()
    skew = max(early, late)
    if skew > SKEW_SECONDS:
        direction = "behind" if early > late else "ahead of"
        yield Finding(
            code="clock-skew",
            severity=Severity.CRITICAL if skew > 30 else Severity.WARNING,
            area=AREA,
            what=f"{name}: the server's clock is {skew:.0f} s {direction} this machine's",
            why="a reminder is fired by the clock that is behind, and tokens are refused by one that is wrong",
            mend="set both clocks by NTP: timedatectl status, chronyc tracking",
        )


def _schema(connection: Connection) -> Iterator[Finding]:
    here = {path.stem for path in migrations.FOLDER.glob("*.sql")}
    if not asked(connection, "has_schema")[0]:
        yield _schema_finding("there is no schema", "no function can do anything")
        return
    if unprotected := _names(connection, "unprotected_tables"):
        yield Finding(
            code="row-security-off",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"row-level security is off for {unprotected}",
            why="a fault in one query would show one user the rows of all",
            mend="psql, as the owner: ALTER TABLE ... ENABLE ROW LEVEL SECURITY",
        )
    try:
        applied = {migration for (migration,) in connection.execute(_SQL["applied_migrations"]).fetchall()}
    except (errors.InsufficientPrivilege, errors.UndefinedTable):
        yield _schema_finding("the schema is of a release that did not say its version", "functions may need another")
        return
    if missing := sorted(here - applied):
        yield _schema_finding(
            f"the schema lacks {', '.join(missing)}", "functions of this release fail where they need it"
        )
    if newer := sorted(applied - here):
        yield Finding(
            code="schema-newer",
            severity=Severity.WARNING,
            area=AREA,
            what=f"the schema has {', '.join(newer)}, which this release does not know",
            why="functions of an older image run on a newer schema: fine during an upgrade, not for long",
            mend="helm -n NAMESPACE upgrade to the newer image, or run doctor from it",
        )


def _schema_finding(what: str, why: str) -> Finding:
    return Finding(
        code="schema-old", severity=Severity.CRITICAL, area=AREA, what=what, why=why, mend="taskmaster migrate"
    )


def _server(connection: Connection) -> Iterator[Finding]:
    used, allowed = asked(connection, "connections")
    if used >= allowed * _FULL:
        yield Finding(
            code="connections-full",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{used} of {allowed} connections to the server are in use",
            why="the next pod that starts gets none, and answers 503",
            mend="lower functions.NAME.maxScale or DATABASE_POOL_SIZE, or put a pooler in transaction mode in front",
        )


def _pooler(url: str, name: str, settings: Settings) -> Iterator[Finding]:
    """Sessions at once that share a connection of the server are behind a pooler in transaction mode."""
    sessions: list[Connection] = []
    try:
        for _ in range(_POOLED_SESSIONS):
            sessions.append(connect(url, settings))
        try:
            with sessions[0].transaction():
                sessions[0].execute("SELECT 1")
        except psycopg.Error as error:
            yield Finding(
                code="pooler-statement-mode",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"{name} leads to a pooler that takes no transactions: {str(error).strip().splitlines()[0]}",
                why="every function works in transactions",
                mend="set pool_mode = transaction in the pooler",
            )
            return
        if len({asked(each, "login")[3] for each in sessions}) == len(sessions):
            yield Finding(
                code="pooler-session-mode",
                severity=Severity.WARNING,
                area=AREA,
                what=f"{name} leads to a pooler that seems to give every session a connection of its own",
                why="pods that idle keep connections of the server, and the pooler saves none",
                mend="set pool_mode = transaction in the pooler",
            )
    finally:
        for each in sessions:
            each.close()


def _migration_url(owner: str, settings: Settings) -> Iterator[Finding]:
    try:
        with connect(owner, settings) as connection:
            if connection.info.backend_pid == asked(connection, "login")[3]:
                return
    except psycopg.Error as error:
        yield _unreachable("MIGRATION_DATABASE_URL", error)
        return
    yield Finding(
        code="migration-through-pooler",
        severity=Severity.WARNING,
        area=AREA,
        what="MIGRATION_DATABASE_URL leads to a pooler",
        why="two migrations at once are kept apart by a lock of a session, which a pooler does not keep",
        mend="set MIGRATION_DATABASE_URL to the direct endpoint",
    )
