"""The change feed without the way through a function: asked on a database of the test's choice."""

from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from taskmaster.database.changes import read_changes
from taskmaster.database.session import Session
from taskmaster.domain.changes import change_position, page_of_changes
from taskmaster.domain.task import Refused

Json = dict[str, Any]
Ask = Callable[[str | None], Json]

INSERT = (
    "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from,"
    " recurrence_paused, version, created_at, updated_at)"
    " SELECT nextval('task_id'), %(user)s, 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now()"
    " FROM generate_series(1, %(count)s)"
)


def asked(environment: Mapping[str, str], user: str, limit: int) -> Ask:
    """GET /tasks/changes: given a cursor or None, it returns the answer. Raises Refused."""

    def ask(cursor: str | None) -> Json:
        position = None if cursor is None else change_position(cursor)
        with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
            session = Session(connection)
            session.later("SELECT set_config('taskmaster.user_id', %(user)s, true)", {"user": user})
            found = read_changes(session, position, limit + 1)
        return page_of_changes(position, found, limit=limit).model_dump()

    return ask


def status_of(ask: Ask, cursor: str | None) -> int:
    """The status of the answer."""
    try:
        ask(cursor)
    except Refused as refused:
        return refused.status
    return 200


def written(environment: Mapping[str, str], statement: str, **parameters: Any) -> None:
    """Run a statement as the owner of the tables."""
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.encode(), parameters)
