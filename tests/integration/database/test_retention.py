"""What is past its time goes in batches, each found by an index, and however much there is one run is bounded."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import ClientCursor

from taskmaster.database import retention
from taskmaster.database.queries import named
from taskmaster.database.store import Database


@pytest.mark.parametrize(
    ("table", "query", "index"),
    [
        ("inbox", named("inbox.sql")["purge_inbox"], "inbox_by_expiry"),
        ("reminder", named("reminders.sql")["purge_reminders"], "reminder_closed"),
        ("task_history", named("history.sql")["purge_history"], "task_history_by_age"),
        ("deleted_task", named("changes.sql")["purge_deleted_tasks"], "deleted_task_by_age"),
    ],
)
def test_a_batch_is_found_by_an_index_however_large_the_table_is(
    environment: dict[str, str], table: str, query: Any, index: str
) -> None:
    """Of 50,000 rows the 200 oldest are past their time: a scan of them all would cost each batch the whole table."""
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        fill(connection, table)
        connection.execute(f"ANALYZE {table}")
        bound = ClientCursor(connection).mogrify(query, {"batch": 5000})
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {bound}"))
        connection.rollback()
    assert index in plan
    assert f"Seq Scan on {table}" not in plan


def fill(connection: psycopg.Connection[Any], table: str) -> None:
    if table == "inbox":
        connection.execute(
            "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
            " SELECT 'f', 'many', 's', n::text, '', now() + (n - 200) * interval '1 minute'"
            " FROM generate_series(1, 50000) n"
        )
        return
    if table == "deleted_task":
        connection.execute(
            "INSERT INTO deleted_task (task_id, user_id, version, deleted_at)"
            " SELECT n, 'many', 2, now() - interval '30 days' + (n - 200) * interval '1 minute'"
            " FROM generate_series(1, 50000) n"
        )
        return
    if table == "task_history":
        connection.execute(
            "INSERT INTO task_history (user_id, task_id, version, at, action, door, changed, written_at)"
            " SELECT 'many', n, 1, now(), 'task.created', 'call', '{}',"
            "        now() - interval '90 days' + (n - 200) * interval '1 minute'"
            " FROM generate_series(1, 50000) n"
        )
        return
    connection.execute(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from,"
        " recurrence_paused, version, created_at, updated_at)"
        " VALUES (-1, 'many', 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now())"
    )
    connection.execute(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at, fired_at, closed_at)"
        " SELECT uuidv7(), -1, 'many', now() + n * interval '1 s', now(), now(),"
        "        now() - interval '30 days' + (n - 200) * interval '1 minute'"
        " FROM generate_series(1, 40000) n"
    )


def test_one_run_is_bounded_and_each_of_its_transactions_is_short(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"user-{uuid4()}"
    monkeypatch.setattr(retention, "_BATCH", 100)
    monkeypatch.setattr(retention, "_MOST_BATCHES", 3)
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
            " SELECT 'f', %s, 's', n::text, '', now() - interval '1 s' FROM generate_series(1, 1000) n",
            [user],
        )
        url = environment["SYSTEM_DATABASE_URL"]
        database = Database(user_url=url, system_url=url, pool_size=1, timeout=5)
        try:
            went = [retention.purge(database) for _ in range(5)]
        finally:
            database.close()
        assert went[:3] == [300, 300, 300]
        assert sum(went) >= 1000
        assert connection.execute("SELECT count(*) FROM inbox WHERE user_id = %s", [user]).fetchone() == (0,)
