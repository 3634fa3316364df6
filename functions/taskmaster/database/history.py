"""The history of tasks: rows written in the transaction of the change, read by task, purged by age."""

from typing import Any

from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb

from taskmaster.database.queries import named
from taskmaster.database.session import Session
from taskmaster.domain.history import FieldChange, HistoryEntry

_HISTORY = named("history.sql")


def insert_history(session: Session, user_id: str, task_id: int, entry: HistoryEntry) -> None:
    changed = Jsonb({name: change.model_dump() for name, change in entry.changed.items()})
    row = {**entry.__dict__, "changed": changed, "user_id": user_id, "task_id": task_id}
    session.later(_HISTORY["insert_history"], row)


def read_history(session: Session, task_id: int, before: int, limit: int) -> list[HistoryEntry]:
    """Entries with versions below `before`, the latest first."""
    return session.fetch(
        _HISTORY["read_history"], {"task_id": task_id, "before": before, "limit": limit}, kwargs_row(_entry)
    )


def purge_history(session: Session, batch: int) -> int:
    """Delete up to `batch` entries that are older than 90 days. Returns how many."""
    return session.count(_HISTORY["purge_history"], {"batch": batch})


def _entry(*, changed: dict[str, Any], **columns: Any) -> HistoryEntry:
    changes = {name: FieldChange.model_construct(**change) for name, change in changed.items()}
    return HistoryEntry.model_construct(**columns, changed=changes)
