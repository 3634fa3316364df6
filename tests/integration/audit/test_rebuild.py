"""Tasks made anew from their events are byte by byte what the database has; a user's history is told as it is kept."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from taskmaster.audit.rebuild import NotRebuilt, rebuild
from taskmaster.database.queries import columns
from tests.support.command_line import at_once
from tests.support.function_pack import Pack
from tests.support.task_rows import copied

HARD = 'a\\b\tc\nd\r"e" {f},\\N \N{SNOWMAN} \x0b\x08\x0c\\'
TAGS = ["NULL", "null", "a b", '"', "\\", "{}", ",", "\t", "\n", "ü", "plain", "\N{NO-BREAK SPACE}", "'"]


def records(pack: Pack) -> list[Any]:
    """The user's events as a consumer of task-events gets them."""
    rows = pack.sql(
        "SELECT headers, value FROM outbox WHERE headers ->> 'ce_userid' = %(user)s AND 'task-events' = ANY (topics) "
        "ORDER BY id",
        user=pack.user,
    )
    return [
        SimpleNamespace(
            headers=[(name, text.encode()) for name, text in headers.items()],
            value=bytes(value),
            topic="task-events",
            partition=0,
            offset=offset,
        )
        for offset, (headers, value) in enumerate(rows)
    ]


def work(pack: Pack) -> None:
    """Tasks of every kind, changed, completed, followed, skipped, reopened and deleted."""
    pack.create(title=HARD, description=HARD, tags=TAGS, priority="urgent")
    plain = pack.create(title="\\.", description="x", tags=TAGS)
    pack.update(plain, description=None, tags=[])
    pack.create(due_at="2090-01-01T09:00:00.120+05:45", time_zone="Asia/Kathmandu", reminders=["PT1H", "PT0S"])
    pack.complete(pack.create(due_on="2090-02-28", reminders=[]))
    pack.delete(pack.create())
    series = pack.create(due_on="2090-01-31", recurrence_pattern="monthly", recurrence_from="completion")
    pack.complete(series)
    pack.deliver()
    pack.reopen(pack.complete(pack.create(title="NULL")))
    [following] = [task for task in pack.tasks() if task["series_id"] and not task["completed"]]
    pack.call("schedule-next-recurrence", "POST", f"/tasks/{following['task_id']}/skip")
    pack.update(pack.create(due_at="1970-01-01T00:00:00Z", recurrence_pattern="daily"), recurrence_paused=True)
    pack.delete(pack.create(due_on="2090-01-31", recurrence_pattern="weekly"))


def test_rebuilt_rows_are_those_of_the_database(pack: Pack, tmp_path: Path) -> None:
    work(pack)
    to = tmp_path / "tasks"
    found = records(pack)
    done = rebuild(found, to)
    assert to.read_bytes() == copied(pack.owner_url, pack.user)
    assert (done.tasks, to.read_text().count("\n")) == (len(pack.tasks()), len(pack.tasks()))
    assert to.stat().st_mode & 0o077 == 0  # what people wrote

    # Whatever comes twice, and in whichever order partitions are read.
    random.Random(7).shuffle(found)
    rebuild([*found, *found], to)
    assert to.read_bytes() == copied(pack.owner_url, pack.user)


def test_an_earlier_file_stands_for_what_a_topic_has_forgotten(pack: Pack, tmp_path: Path) -> None:
    work(pack)
    before = len(records(pack))
    rebuild(records(pack), tmp_path / "earlier")
    for task in pack.tasks()[:2]:
        pack.update(task, title="changed")
    pack.delete(pack.tasks()[2])
    pack.create()
    rebuild(records(pack)[before:], tmp_path / "later", onto=tmp_path / "earlier")
    assert (tmp_path / "later").read_bytes() == copied(pack.owner_url, pack.user)
    rebuild(records(pack)[before:], tmp_path / "earlier", onto=tmp_path / "earlier")  # the same file
    assert (tmp_path / "earlier").read_bytes() == copied(pack.owner_url, pack.user)


def test_a_missing_event_shows(pack: Pack, tmp_path: Path) -> None:
    pack.update(pack.create(), title="changed")
    rebuild(records(pack)[:-1], tmp_path / "tasks")
    assert (tmp_path / "tasks").read_bytes() != copied(pack.owner_url, pack.user)


def test_what_is_no_event_of_the_pack_is_left_out(pack: Pack, tmp_path: Path) -> None:
    pack.create()
    stranger = SimpleNamespace(headers=[("ce_type", b"task.created")], value=b"{}", topic="t", partition=0, offset=1)
    nothing = SimpleNamespace(headers=[], value=None, topic="t", partition=0, offset=2)
    assert rebuild([stranger, nothing, *records(pack)], tmp_path / "tasks").tasks == 1
    assert rebuild(records(pack), tmp_path / "tasks", user="somebody-else").tasks == 0


def test_what_cannot_be_read_is_named_and_no_file_is_changed(pack: Pack, tmp_path: Path) -> None:
    pack.create()
    [broken] = records(pack)
    broken.value = b'{"task_id": 1}'
    to = tmp_path / "tasks"
    to.write_text("as it was")
    with pytest.raises(NotRebuilt, match="task-events/0/0 is no event of a task"):
        rebuild([broken], to)
    with pytest.raises(NotRebuilt, match=r"line 1 of .* is no row of a task"):
        rebuild([], tmp_path / "other", onto=to)
    assert to.read_text() == "as it was"
    assert [each.name for each in tmp_path.iterdir()] == ["tasks"]


def test_every_column_of_a_task_is_rebuilt() -> None:
    from taskmaster.audit.rebuild import COLUMNS

    assert COLUMNS.keys() == {"user_id", *columns()["task_fixed"], *columns()["task_state"]}


def test_the_history_of_a_user_is_told_in_its_order(pack: Pack, environment: dict[str, str]) -> None:
    task = pack.create(title="a secret plan")
    pack.update(task, title="changed", priority="high")
    pack.delete(task)
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    def told(*options: str) -> str:
        ended = at_once(environment, "history", "--user", pack.user, "--since", since, *options)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    lines = [json.loads(line) for line in told("--json").splitlines()]
    assert [(each["task_id"], each["version"], each["action"], each["door"], each["changed"]) for each in lines] == [
        (task["task_id"], 1, "task.created", "call", []),
        (task["task_id"], 2, "task.updated", "call", ["title", "priority"]),
        (task["task_id"], 3, "task.deleted", "call", []),
    ]
    plain = told().splitlines()
    assert plain[1].endswith(f"task {task['task_id']}  version 2  task.updated  call  title, priority")
    assert "secret plan" not in "".join(plain)
    assert "a secret plan" in told("--values")
    assert json.loads(told("--values", "--json").splitlines()[1])["changed"]["priority"] == {
        "old": "medium",
        "new": "high",
    }
    nobody = at_once(environment, "history", "--user", "somebody-else", "--since", since)
    assert (nobody.exit_code, nobody.stdout) == (0, "")
    later = at_once(environment, "history", "--user", pack.user, "--since", "2999-01-01")
    assert later.stdout == ""
