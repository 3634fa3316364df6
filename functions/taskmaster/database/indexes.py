"""Indexes that are built while others write, as the owner of the tables: CREATE INDEX CONCURRENTLY.

That runs in no transaction. A build that broke off leaves an invalid index, which costs each write and helps no query.
It is dropped and built again.
"""

import logging
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from taskmaster.database.queries import named

log = logging.getLogger(__name__)

_INDEXES = named("../indexes.sql")
NAMES = tuple(_INDEXES)
# What the indexes above took the place of.
_SUPERSEDED = (
    *("task_by_creation", "task_by_update", "task_by_deadline"),
    *("task_listed_by_creation", "task_listed_by_update", "task_found_by_terms"),
)
_SUPERSEDED_CONSTRAINT = "task_series_id_occurrence_key"  # its index cannot be dropped by itself
_STATE = """
SELECT c.relname, i.indisvalid AND i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)
"""


class Built(NamedTuple):
    """The names of the indexes that were built, and of those that were dropped for good."""

    built: list[str]
    dropped: list[str]


def build(connection: psycopg.Connection[Any]) -> Built:
    """Build what is missing or broken, then drop what it supersedes; nothing where all is as it is to be.

    `connection` is in autocommit mode, and the only one that does this. Raises psycopg's errors. Each build waits for
    the transactions that began before it, so no limit for locks or statements holds while it runs.
    """
    valid = dict(connection.execute(_STATE, [[*_INDEXES, *_SUPERSEDED, _SUPERSEDED_CONSTRAINT]]).fetchall())
    missing = [name for name in _INDEXES if not valid.get(name)]
    superseded = [name for name in _SUPERSEDED if name in valid]
    if not missing and not superseded and _SUPERSEDED_CONSTRAINT not in valid:
        return Built([], [])
    connection.execute("SET lock_timeout = 0")
    connection.execute("SET statement_timeout = 0")
    for name in missing:
        if name in valid:
            log.info("the build of index %s broke off; building it again", name)
            _drop(connection, name)
        connection.execute(_INDEXES[name])
    for name in superseded:
        _drop(connection, name)
    # Of an expression there are no statistics before this, and where there are none the planner takes a wrong index.
    connection.execute("ANALYZE task")
    connection.execute("RESET lock_timeout")
    connection.execute("RESET statement_timeout")
    connection.execute(f"ALTER TABLE task DROP CONSTRAINT IF EXISTS {_SUPERSEDED_CONSTRAINT}")
    return Built(missing, superseded)


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
