"""After an attack: what is to be retried for hours is taken away, and the rest must drain."""

import time
from collections.abc import Iterable

import psycopg

from tests.programs.attack.stage import BYSTANDER, Stage

_QUICK = 12  # records a second of one KafkaSource: the bystander's own are two to six
_LOOK_SECONDS = 1.0

_LEFT = """
SELECT (SELECT count(*) FROM outbox WHERE created_at < now() - interval '3 seconds') AS "in the outbox",
       (SELECT count(*) FROM inbox WHERE status IS NULL AND received_at < now() - interval '3 seconds')
         AS "not answered in the inbox",
       (SELECT count(*) FROM reminder WHERE fired_at IS NULL AND closed_at IS NULL
         AND due_at < now() - interval '3 seconds') AS "due and not fired"
"""


def drained(stage: Stage, *, within: float) -> tuple[float, str]:
    """How many seconds until nothing of an attack is under way any more, and what still is after `within` seconds."""
    begun = time.monotonic()
    before = _delivered(stage)
    while True:
        time.sleep(_LOOK_SECONDS)
        now = _delivered(stage)
        left = _left(stage)
        left |= {f"on the way through {name}": now[name] - before[name] for name in now}
        left = {name: count for name, count in left.items() if count > (_QUICK if name.startswith("on ") else 0)}
        if not left:
            return time.monotonic() - begun, ""
        if time.monotonic() - begun > within:
            return time.monotonic() - begun, ", ".join(f"{count} {name}" for name, count in left.items())
        before = now


def fired_late(stage: Stage, begin: float, end: float) -> float:
    """How late dispatch fired a reminder of the bystander between two moments, at most; the rest is delivery.

    In seconds; nan where none was fired.
    """
    with psycopg.connect(stage.platform.database_urls["owner"], autocommit=True) as connection:
        found = connection.execute(
            "SELECT extract(epoch FROM max(fired_at - moment))::float FROM reminder"
            " WHERE user_id = %s AND moment BETWEEN to_timestamp(%s) AND to_timestamp(%s)",
            (BYSTANDER, begin, end),
        ).fetchone()
    return found[0] if found and found[0] is not None else float("nan")


def take_away(stage: Stage, users: Iterable[str]) -> None:
    """Reminders of these users that are not under way: to a slow receiver they are retried for hours."""
    with psycopg.connect(stage.platform.database_urls["owner"], autocommit=True) as connection:
        connection.execute(
            "DELETE FROM reminder WHERE user_id = ANY (%s) AND closed_at IS NULL AND fired_at IS NULL", (list(users),)
        )


def _left(stage: Stage) -> dict[str, int]:
    with psycopg.connect(stage.platform.database_urls["owner"], autocommit=True) as connection:
        cursor = connection.execute(_LEFT)
        assert cursor.description is not None
        row = cursor.fetchone() or ()
        return {column.name: count for column, count in zip(cursor.description, row, strict=True)}


def _delivered(stage: Stage) -> dict[str, int]:
    return {name: sum(counts.values()) for name, counts in stage.platform.status()["kafka_sources"].items()}
