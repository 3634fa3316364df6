"""Changes of one user's tasks: the rows that one snapshot of the database shows and an earlier one does not."""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row, tuple_row

from taskmaster.database.queries import columns, named
from taskmaster.database.session import Session
from taskmaster.domain.changes import Change, ChangePosition, DeletedTask, Found, Snapshot
from taskmaster.domain.task import Task

_CHANGES = named("changes.sql")
_TASK = [*columns()["task_fixed"], *columns()["task_state"]]


def read_changes(session: Session, position: ChangePosition | None, limit: int) -> Found:
    """At most `limit` changes behind a position, for the user of the transaction, which ends with it."""
    beyond_change, beyond_task = position.beyond if position else (0, 0)
    parameters = {
        "since": str(position.since) if position and position.since else None,
        "upto": str(position.upto) if position and position.upto else None,
        "beyond_change": str(beyond_change),
        "beyond_task": beyond_task,
        "limit": limit,
    }
    session.later(_CHANGES["by_index"])
    rows = session.fetch_and_commit(_CHANGES["read_changes"], parameters, dict_row)
    here = rows[0]
    return Found(here["epoch"], here["purged_up_to"], Snapshot.parse(here["now"]), here["durable"], _changes(rows))


def readers_with_changes(
    session: Session, readers: Sequence[tuple[str, ChangePosition]]
) -> list[tuple[str, ChangePosition]]:
    """Those of these users, each at a position without `upto`, who have changes behind it. Ends the transaction."""
    parameters = {"user_ids": [user_id for user_id, _ in readers], "snapshots": [str(at.since) for _, at in readers]}
    rows = session.fetch_and_commit(_CHANGES["users_with_changes"], parameters, tuple_row)
    return [readers[number - 1] for (number,) in rows]


def purge_deleted_tasks(session: Session, batch: int) -> int:
    """Delete up to `batch` notes of deletions that are older than 30 days. Returns how many."""
    [(count,)] = session.fetch(_CHANGES["purge_deleted_tasks"], {"batch": batch}, tuple_row)
    return int(count)


def _changes(rows: list[dict[str, Any]]) -> list[Change]:
    found = [row for row in rows if row["changed_in"] is not None]
    return [_change(row) for row in sorted(found, key=lambda row: (row["changed_in"], row["place"]))]


def _change(row: dict[str, Any]) -> Change:
    if row["deleted_task_id"] is not None:
        gone = DeletedTask(task_id=row["deleted_task_id"], version=row["deleted_version"])
        return Change(row["changed_in"], gone)
    return Change(row["changed_in"], Task.model_construct(**{name: row[name] for name in _TASK}))
