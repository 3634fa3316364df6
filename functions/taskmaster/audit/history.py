"""What was done to the tasks of one user: the rows of the history, in the order in which they were written."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from taskmaster.database.queries import named
from taskmaster.database.session import Unavailable
from taskmaster.settings import Settings

_AUDIT = named("audit.sql")
_AT_ONCE = 2_000  # rows


class Done(NamedTuple):
    """One thing that was done; `at` is business time."""

    task_id: int
    version: int
    at: datetime
    action: str
    door: str
    changed: dict[str, dict[str, Any]]  # old and new by the name of the field


@contextmanager
def history_of(settings: Settings, user_id: str, since: datetime) -> Iterator[Iterator[Done]]:
    """Everything since a moment, streamed. Raises Unavailable."""
    try:
        with (
            psycopg.connect(settings.database_url.get_secret_value(), prepare_threshold=None) as connection,
            connection.cursor("history", row_factory=class_row(Done)) as cursor,  # of the server: read as it is taken
        ):
            connection.execute(_AUDIT["as_user"], {"user_id": user_id})
            cursor.itersize = _AT_ONCE
            yield iter(cursor.execute(_AUDIT["history_of_user"], {"since": since}))
    except psycopg.Error as error:  # its message may quote values
        raise Unavailable(type(error).__name__) from None
