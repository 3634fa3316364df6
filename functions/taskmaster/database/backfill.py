"""Backfill: values of new columns in rows that are older than the columns, written as the owner of the tables.

A batch is one short transaction, and rows that are locked are left out. It may run again, and then completes rows that
the previous release has written meanwhile.
"""

from typing import Any

import psycopg

from taskmaster.database.queries import named
from taskmaster.domain.search import folded_texts

_TASKS = named("tasks.sql")
_BATCH = 200
_ROUNDS = 3  # the first leaves out rows that are locked; rows that are written again and again are not waited for


def fold_texts(connection: psycopg.Connection[Any]) -> int:
    """Write the folded texts of all tasks beyond ASCII that have none, or stale ones; returns how many there were.

    `connection` is in autocommit mode. Raises psycopg's errors.
    """
    rounds = [_fold_round(connection)]
    while rounds[-1] and len(rounds) < _ROUNDS:
        rounds.append(_fold_round(connection))
    return sum(rounds)


def _fold_round(connection: psycopg.Connection[Any]) -> int:
    beyond, count = 0, 0
    while True:
        with connection.transaction():
            rows = connection.execute(_TASKS["lock_tasks_to_fold"], {"beyond": beyond, "limit": _BATCH}).fetchall()
            folded = [
                {"task_id": task_id, **folded_texts(title, description, version=version)}
                for task_id, version, title, description in rows
            ]
            connection.cursor().executemany(_TASKS["keep_folded"], folded)
        if not rows:
            return count
        beyond, count = rows[-1][0], count + len(rows)
