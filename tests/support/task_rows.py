"""The tasks of the database as COPY writes them: what `taskmaster rebuild` is held against."""

import psycopg
from psycopg import sql

from taskmaster.audit.rebuild import COLUMNS


def copied(url: str, user: str) -> bytes:
    """One user's rows by task id, in the columns of a rebuilt file. As the owner, or as the user's login."""
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    query = sql.SQL("COPY (SELECT {} FROM task WHERE user_id = {} ORDER BY task_id) TO STDOUT")
    with (
        psycopg.connect(url, options=f"-c timezone=UTC -c datestyle=ISO -c taskmaster.user_id={user}") as connection,
        connection.cursor().copy(query.format(names, sql.Literal(user))) as copy,
    ):
        return b"".join(map(bytes, copy))
