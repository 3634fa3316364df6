"""The schema: numbered SQL files applied once each, safe when two run at once and after one that was killed."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from taskmaster.database import indexes
from taskmaster.database.backfill import fold_texts
from taskmaster.database.logins import LOGINS, secure

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "sql" / "migrations"
_LOCK = 7_461_736_721  # the key of the advisory lock; arbitrary


# The login, the database, whether it may create tables, and the owner of tables that it may not change.
_RIGHTS = """
SELECT current_user, current_database(), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       (SELECT min(pg_get_userbyid(relowner)) FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND NOT pg_has_role(relowner, 'USAGE'))
"""


class WrongLogin(ValueError):
    """A URL does not name the login that it must: the functions' own, or the owner of the tables."""


class Migrated(NamedTuple):
    """The names of the migrations that were applied and of the indexes that were built, and what the owner of the
    tables could not do, in sentences."""

    applied: list[str]
    left: list[str]


def migrate(owner_url: str, user_url: str, system_url: str, *, may_move_time: bool = False) -> Migrated:
    """Apply missing migrations, set the logins' settings, rights and passwords (from the URLs), and fill new columns.

    Raises WrongLogin, and psycopg's errors when the database refuses.
    """
    passwords = dict(map(_credentials, (user_url, system_url), LOGINS))
    with _alone(owner_url) as connection:
        _expect_owner(connection)
        applied = _apply(owner_url)
        for login, password in passwords.items():
            if password:
                connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login), sql.Literal(password))
                )
        fold_texts(connection)
        left = secure(connection, may_move_time=may_move_time)
        return Migrated([*applied, *indexes.build(connection).built], left)


def _apply(url: str) -> list[str]:
    import yoyo

    migrations = yoyo.read_migrations(str(FOLDER))
    with yoyo.get_backend(urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg"))) as backend:
        # The advisory lock excludes other migrators: a lock row that exists was left by one that died.
        backend.break_lock()
        with backend.lock():
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
    return [migration.id for migration in missing]


@contextmanager
def _alone(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session that holds the advisory lock, which ends with it. Needs a connection without a pooler."""
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone() != (True,):
            log.info("another migration is running; waiting for it")
            time.sleep(0.5)
        yield connection


def _expect_owner(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Raises WrongLogin. yoyo would fail later, with an error about its own tables."""
    [(user, database, may_create, owner)] = connection.execute(_RIGHTS).fetchall()
    if owner is not None:
        raise WrongLogin(
            f"MIGRATION_DATABASE_URL names {user}, but the tables of {database} belong to {owner}: use that login"
        )
    if not may_create:
        raise WrongLogin(
            f"MIGRATION_DATABASE_URL names {user}, who may not create tables in {database}: use the login that owns it"
        )


def _credentials(url: str, login: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise WrongLogin(f"the URL for {login} is none: percent-encode what is special in its password") from None
    if unquote(parts.username or "") != login:
        raise WrongLogin(f"the URL for {login} must name that user, as in postgresql://{login}:PASSWORD@HOST/DATABASE")
    return login, unquote(parts.password or "")
