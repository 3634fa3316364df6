"""The two logins of the functions: their settings, and rights that no login needs, enforced at every migration.

A login may change its own settings (ALTER ROLE CURRENT_USER), and a restored database has the rights it was dumped
with. So a migration that runs once is not enough.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql

LOGINS = ("taskmaster_user", "taskmaster_system")

# A handler gives up before Knative does; a publisher may wait for its broker.
_SETTINGS: Mapping[str, Mapping[LiteralString, LiteralString]] = {
    "taskmaster_user": {
        "timezone": "UTC",
        "lock_timeout": "3s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "20s",
    },
    "taskmaster_system": {
        "timezone": "UTC",
        "lock_timeout": "3s",
        "statement_timeout": "20s",
        "idle_in_transaction_session_timeout": "120s",
    },
}
# A statement that fails is not logged, nor its row: both may hold a user's texts.
SILENCE: Mapping[LiteralString, LiteralString] = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}

_UNNEEDED: Mapping[str, LiteralString] = {
    "make temporary tables in this database": "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "make tables in the schema {schema}": "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
}
_LEFT = """
SELECT has_database_privilege(%(login)s, current_database(), 'TEMPORARY'),
       has_schema_privilege(%(login)s, current_schema(), 'CREATE')
"""


def missing_settings(configured: Iterable[str] | None, login: str) -> list[str]:
    """The names of the settings that a login should have and has not, given what the catalog has (rolconfig)."""
    return list(_missing(configured, {**_SETTINGS[login], **SILENCE}))


def secure(connection: "psycopg.Connection[Any]", *, may_move_time: bool) -> list[str]:
    """Enforce settings and rights of the logins, as the owner of the tables. `connection` is in autocommit mode.

    With `may_move_time`, dispatch may use another time than the database's. Returns what this owner may not do, in
    sentences for the administrator of the server.
    """
    connection.execute("UPDATE clock SET may_be_moved = %s WHERE may_be_moved <> %s", (may_move_time, may_move_time))
    connection.execute("GRANT SELECT (migration_id) ON _yoyo_migration TO taskmaster_system")  # for `taskmaster doctor`
    return [*_set(connection), *_revoke(connection), *_silence(connection)]


def _revoke(connection: "psycopg.Connection[Any]") -> Iterator[str]:
    [(database, schema)] = connection.execute("SELECT current_database(), current_schema()").fetchall()
    names = {"database": sql.Identifier(database), "schema": sql.Identifier(schema)}
    statements = [sql.SQL(each).format(**names) for each in _UNNEEDED.values()]
    for statement in statements:
        try:
            connection.execute(statement)  # a warning, and no error, where this login may not
        except errors.InsufficientPrivilege:
            continue
    [left] = connection.execute(_LEFT, {"login": LOGINS[0]}).fetchall()
    for may, what, statement in zip(left, _UNNEEDED, statements, strict=True):
        if may:
            yield (
                f"every login may still {what.format(schema=schema)}: have the owner of the database run"
                f" {statement.as_string(connection)}"
            )


def _set(connection: "psycopg.Connection[Any]") -> Iterator[str]:
    refused = [each for login in LOGINS for each in _altered(connection, login, _SETTINGS[login])]
    if refused:
        statements = "; ".join(refused)
        yield f"calls may wait too long, since this login may not set their limits: have a superuser run {statements}"


def _silence(connection: "psycopg.Connection[Any]") -> Iterator[str]:
    refused = [each for login in LOGINS for each in _altered(connection, login, SILENCE)]
    if refused:
        yield (
            "the server may log what users wrote with a statement that fails, since this login may not set that for"
            f" theirs: have a superuser run {'; '.join(refused)}"
        )


def _missing(
    configured: Iterable[str] | None, settings: Mapping[LiteralString, LiteralString]
) -> dict[LiteralString, LiteralString]:
    has = {each.replace("TimeZone=", "timezone=") for each in configured or ()}
    return {name: value for name, value in settings.items() if f"{name}={value}" not in has}


def _altered(
    connection: "psycopg.Connection[Any]", login: str, settings: Mapping[LiteralString, LiteralString]
) -> Iterator[str]:
    """Alter the settings that differ. Yields the statements that were refused."""
    [(configured,)] = connection.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", (login,)).fetchall()
    for name, value in _missing(configured, settings).items():
        statement = sql.SQL("ALTER ROLE {} SET {} = {}").format(
            sql.Identifier(login), sql.Identifier(name), sql.Literal(value)
        )
        try:
            connection.execute(statement)
        except errors.InsufficientPrivilege:
            yield statement.as_string(connection)
