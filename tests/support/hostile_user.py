"""One user who has much, or holds much, against the others: what tests of that begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

from tests.support.function_pack import Pack

START = datetime(2089, 3, 1, 12, tzinfo=UTC)
HOSTILE = "hostile"


@contextmanager
def nothing_else(pack: Pack) -> Iterator[None]:
    """Nothing of other tests rings or waits here."""
    pack.sql("DELETE FROM outbox")
    pack.travel(to=START)
    yield
    pack.sql("DELETE FROM task WHERE user_id LIKE 'hostile%%'")
    pack.sql("DELETE FROM outbox")


def tasks_of(
    pack: Pack, user: str, count: int, *, reminders: int = 1, due: datetime = START, **columns: Any
) -> list[int]:
    """Tasks with reminders, a second apart, as that many calls leave them."""
    rows = pack.sql(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, due_at, due_on,"
        " recurrence_from, recurrence_paused, version, created_at, updated_at)"
        " SELECT nextval('task_id'), %(user)s, 'x', false, 'low', '{}', 'UTC', %(due_at)s, %(due_on)s, 'due', false, 1,"
        " now(), now() FROM generate_series(1, %(count)s) RETURNING task_id",
        **{"user": user, "count": count, "due_at": due, "due_on": None, **columns},
    )
    ids = [task_id for (task_id,) in rows]
    pack.sql(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at)"
        " SELECT uuidv7(), task_id, %(user)s, m, m FROM unnest(%(ids)s::bigint[]) AS of (task_id),"
        " generate_series(0, %(reminders)s - 1) AS n, LATERAL (SELECT %(due)s + n * interval '1 s' AS m) AS at",
        user=user, ids=ids, reminders=reminders, due=due,
    )  # fmt: skip
    return ids


@contextmanager
def locked(pack: Pack, user: str) -> Iterator["psycopg.Connection[Any]"]:
    """Every task of a user in other hands."""
    with psycopg.connect(pack.owner_url) as connection:
        connection.execute("SELECT FROM task WHERE user_id = %s FOR UPDATE", [user])
        yield connection
        connection.rollback()
