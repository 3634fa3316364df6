"""All tasks made anew from topic task-events: what the database has to have, if its facts are complete.

Each event carries the whole task with its version. The latest one counts, in whichever order and how often they come;
a deletion counts as later than its version. Rows stand in a file of SQLite meanwhile: memory does not grow.
"""

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from taskmaster.audit.copy_text import boolean, moment, row, text, texts
from taskmaster.errors import TaskmasterError
from taskmaster.events.outgoing import OURS

_MOMENTS = ("due_at", "snoozed_until", "updated_at", "completed_at", "created_at")
_NAMES = (
    *("task_id", "user_id", "created_at", "title", "description", "completed", "priority", "tags", "due_at", "due_on"),
    *("time_zone", "reminders", "snoozed_until", "recurrence_pattern", "recurrence_from", "recurrence_paused"),
    *("series_id", "occurrence", "version", "updated_at", "completed_at"),
)
COLUMNS: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(_NAMES, text),
    **dict.fromkeys(_MOMENTS, moment),
    **dict.fromkeys(("completed", "recurrence_paused"), boolean),
    **dict.fromkeys(("tags", "reminders"), texts),
}
_DELETED = "task.deleted"
_TYPES = frozenset({"task.created", "task.updated", "task.completed", _DELETED})

_SCHEMA = "CREATE TABLE task (task_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, row TEXT)"
_KEEP_LATEST = """
INSERT INTO task VALUES (?, ?, ?)
ON CONFLICT (task_id) DO UPDATE SET version = excluded.version, row = excluded.row WHERE excluded.version > version
"""


class NotRebuilt(TaskmasterError):
    """A record cannot be an event of the pack, or a file is none that was rebuilt. The text says which."""


class Rebuilt(NamedTuple):
    """How many events counted, and how many tasks there are in the end."""

    events: int
    tasks: int


class _State(NamedTuple):
    task_id: int
    version: int
    row: str | None  # None: deleted


def rebuild(records: Iterable[Any], to: Path, *, user: str | None = None, onto: Path | None = None) -> Rebuilt:
    """Write a row for each task into a file, by task id, as COPY has them; of one user, or of all.

    `onto` is a file of an earlier time, with which to begin: a topic forgets. The file is replaced at the end, whole.
    Raises NotRebuilt and OSError.
    """
    events = 0

    def states() -> Iterator[_State]:
        nonlocal events
        for record in records:
            if state := _state(record, user):
                events += 1
                yield state

    with _table() as table:
        if onto is not None:
            with onto.open(encoding="utf-8", newline="\n") as lines:
                table.executemany(_KEEP_LATEST, _earlier(lines, onto))
        table.executemany(_KEEP_LATEST, states())
        tasks = _write(table, to)
    return Rebuilt(events, tasks)


def _state(record: Any, user: str | None) -> _State | None:
    """What an event says of its task. None for another event, or of another user."""
    headers = dict(record.headers)
    event_type, source, owner = (
        headers.get(name, b"").decode("utf-8", "replace") for name in ("ce_type", "ce_source", "ce_userid")
    )
    if event_type not in _TYPES or not source.startswith(OURS) or (user is not None and owner != user):
        return None
    try:
        task = json.loads(record.value)
        task_id, version = int(task["task_id"]), int(task["version"])
        if event_type == _DELETED:
            return _State(task_id, version + 1, None)
        return _State(task_id, version, row({**task, "user_id": owner}, COLUMNS))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotRebuilt(f"{record.topic}/{record.partition}/{record.offset} is no event of a task") from None


def _earlier(lines: Iterable[str], file: Path) -> Iterator[_State]:
    """The rows of a file that was rebuilt before."""
    version_at = list(COLUMNS).index("version")
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\n").split("\t")
        try:
            if len(fields) != len(COLUMNS):
                raise ValueError(line)
            yield _State(int(fields[0]), int(fields[version_at]), line.rstrip("\n"))
        except ValueError:
            raise NotRebuilt(f"line {number} of {file} is no row of a task") from None


@contextmanager
def _table() -> Iterator[sqlite3.Connection]:
    """An empty table in a file that is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-rebuild-") as directory:
        connection = sqlite3.connect(Path(directory) / "tasks")
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
            yield connection
        finally:
            connection.close()


def _write(table: sqlite3.Connection, to: Path) -> int:
    """The rows in order, into a file that appears once it is whole; how many."""
    count = 0
    descriptor, name = tempfile.mkstemp(prefix=f"{to.name}.", dir=to.parent)  # for its owner to read alone
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for (line,) in table.execute("SELECT row FROM task WHERE row IS NOT NULL ORDER BY task_id"):
                file.write(line + "\n")
                count += 1
        os.replace(name, to)
    except BaseException:
        os.unlink(name)
        raise
    return count
