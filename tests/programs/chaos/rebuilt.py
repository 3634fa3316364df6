"""All tasks twice, for the history: rebuilt.copy, made anew from their events, and table.copy, as they are."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

# As docs/audit.md compares them.
_COLUMNS = (
    "task_id, user_id, created_at, title, description, completed, priority, tags, due_at, due_on, time_zone, reminders,"
    " snoozed_until, recurrence_pattern, recurrence_from, recurrence_paused, series_id, occurrence, version,"
    " updated_at, completed_at"
)
_FUNCTIONS = Path(__file__).parents[3] / "functions"


def write_both(directory: Path, *, environment: Mapping[str, str], database_url: str) -> None:
    """Write both files, by `taskmaster rebuild` and by COPY as docs/audit.md has it."""
    subprocess.run(
        [sys.executable, "-m", "taskmaster.cli", "rebuild", "--to", str((directory / "rebuilt.copy").absolute())],
        cwd=_FUNCTIONS,
        env=dict(environment),
        check=True,
        capture_output=True,
    )
    query = f"COPY (SELECT {_COLUMNS} FROM task ORDER BY task_id) TO STDOUT"
    with psycopg.connect(database_url) as connection, (directory / "table.copy").open("wb") as file:
        connection.execute("SET TIME ZONE 'UTC'")
        with connection.cursor().copy(query.encode()) as copied:
            for block in copied:
                file.write(block)
