"""What a thousand commands leave in PostgreSQL, in bytes: tables with their indexes, after a vacuum.

    python -m tests.programs.bench.storage

Creates by HTTP without a key, by HTTP with one, and by event; then once more after what retention says is purged.
"""

import json
from collections.abc import Callable
from uuid import uuid4

import psycopg

from knative.local.embedded import postgres
from taskmaster.database.retention import purge
from taskmaster.database.store import Database
from tests.programs.bench.surroundings import settings
from tests.support.command_line import taskmaster
from tests.support.function_process import FunctionProcess

THOUSAND = 1_000
ROUNDS = 5  # thousands of each kind: pages are 8 KiB, and the first thousand would be mostly their edges
TABLES = ("task", "task_history", "series", "reminder", "inbox", "outbox", "preferences")
NEON = 0.5e9  # bytes of its free plan


def main() -> None:
    with postgres(durable=False) as server:
        environment = settings(server)
        taskmaster(environment, "migrate")
        body = {"title": "water the plants", "tags": ["home"], "priority": "medium"}
        with FunctionProcess("create-task", environment) as function:
            kinds: dict[str, Callable[[], int]] = {
                "by HTTP, without a key": lambda: function.call("POST", "/tasks", body, user="ada").status_code,
                "by HTTP, with an Idempotency-Key": lambda: (
                    function.call("POST", "/tasks", body, user="ada", Idempotency_Key=str(uuid4())).status_code
                ),
                "by event": lambda: function.event("task.create", body, user="ada").status_code,
                "by HTTP, due, with its reminder": lambda: (
                    function.call("POST", "/tasks", body | {"due_at": "2090-01-01T09:00:00Z"}, user="ada").status_code
                ),
            }
            for kind, create in kinds.items():
                before = sizes(server.url)
                for _ in range(ROUNDS * THOUSAND):
                    assert create() in (201, 204)
                grown = {name: (size - before[name]) / ROUNDS for name, size in sizes(server.url).items()}
                shown = {name: round(size) for name, size in grown.items() if size > 0}
                print(json.dumps({"a thousand creates": kind, "bytes": round(sum(grown.values())), **shown}))
        steady(server.url, environment["SYSTEM_DATABASE_URL"])


def sizes(url: str) -> dict[str, int]:
    """Bytes of each table with its indexes and what is stored beside it. What was published is gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM outbox")
        connection.execute("VACUUM")
        rows = connection.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relname = ANY (%s)", [[*TABLES]]
        )
        return dict(rows.fetchall())


def steady(owner: str, system: str) -> None:
    """The inbox over weeks: rows of eight days, day after day, each day's purge making room for the next."""
    per_day = 5 * THOUSAND
    database = Database(user_url=system, system_url=system, pool_size=1, timeout=5)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("TRUNCATE inbox")
        for day in range(24):
            connection.execute("UPDATE inbox SET expires_at = expires_at - interval '1 day'")
            purge(database)
            connection.execute("VACUUM inbox")
            connection.execute(
                "INSERT INTO inbox (function, user_id, source, id, digest, status, expires_at)"
                " SELECT 'create-task', 'ada', '/my-program', uuidv7()::text, sha256(n::text::bytea), 204,"
                "        now() + interval '8 days' FROM generate_series(1, %s) n",
                [per_day],
            )
            if day % 8 == 7:
                [(rows, size)] = connection.execute(
                    "SELECT count(*), pg_total_relation_size('inbox') FROM inbox"
                ).fetchall()
                print(json.dumps({"day": day + 1, "events a day": per_day, "inbox rows": rows, "inbox bytes": size}))
    database.close()


if __name__ == "__main__":
    main()
