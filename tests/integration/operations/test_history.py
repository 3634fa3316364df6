"""The history of a task: every operation writes an entry, with the door it came by and what it changed."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from taskmaster.database import retention
from taskmaster.database.store import Database
from tests.support.function_pack import Json, Pack


def history(pack: Pack, task: Json, user: str | None = None, **query: Any) -> TestResponse:
    return pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/history?{urlencode(query)}", user=user)


def entries(pack: Pack, task: Json) -> list[Json]:
    """The earliest first."""
    answer = history(pack, task, limit=100)
    assert answer.status_code == 200, answer.text
    return list((answer.json or {})["entries"])[::-1]


def done(pack: Pack, task: Json) -> list[tuple[int, str, str]]:
    return [(each["version"], each["action"], each["door"]) for each in entries(pack, task)]


def test_a_change_has_the_old_and_the_new_values_of_its_fields(pack: Pack) -> None:
    task = pack.create(title="a", tags=["home"], due_at="2090-01-01T09:00:00Z")
    changed = pack.update(task, title="b", tags=["home", "money"], due_at=None, due_on="2090-02-01")
    created, updated = entries(pack, task)
    assert (created["action"], created["changed"]) == ("task.created", {})
    assert updated == {
        "version": 2,
        "at": changed["updated_at"],
        "action": "task.updated",
        "door": "call",
        "changed": {
            "title": {"old": "a", "new": "b"},
            "tags": {"old": ["home"], "new": ["home", "money"]},
            "due_at": {"old": "2090-01-01T09:00:00Z", "new": None},
            "due_on": {"old": None, "new": "2090-02-01"},
        },
    }


def test_every_operation_on_a_task_is_an_entry(pack: Pack) -> None:
    task = pack.create(due_at="2090-01-01T09:00:00Z")
    path = f"/tasks/{task['task_id']}"
    assert pack.call("snooze-reminder", "POST", f"{path}/snooze", {"duration": "PT5M"}).status_code == 200
    pack.complete(task)
    pack.reopen(task)
    pack.delete(task)
    assert done(pack, task) == [
        (1, "task.created", "call"),
        (2, "task.updated", "call"),
        (3, "task.completed", "call"),
        (4, "task.updated", "call"),
        (5, "task.deleted", "call"),
    ]
    _, snoozed, completed, reopened, deleted = entries(pack, task)
    assert list(snoozed["changed"]) == ["snoozed_until"]
    assert completed["changed"]["completed"] == {"old": False, "new": True}
    assert reopened["changed"]["completed"] == {"old": True, "new": False}
    assert deleted["changed"] == {}


def test_a_command_by_event_and_a_successor_say_their_door(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    assert pack.event("complete-task", "task.complete", {"task_id": task["task_id"]}).status_code == 204
    pack.deliver()
    [successor] = [each for each in pack.tasks() if each["task_id"] != task["task_id"]]
    assert done(pack, task) == [(1, "task.created", "call"), (2, "task.completed", "event")]
    assert done(pack, successor) == [(1, "task.created", "schedule")]
    assert pack.event("schedule-next-recurrence", "task.skip", {"task_id": successor["task_id"]}).status_code == 204
    assert done(pack, successor)[1:] == [(2, "task.updated", "event")]
    assert entries(pack, successor)[1]["changed"]["due_on"] == {"old": "2090-01-02", "new": "2090-01-03"}


def test_what_is_refused_or_repeated_is_no_entry(pack: Pack) -> None:
    task = pack.create()
    path = f"/tasks/{task['task_id']}"
    assert pack.call("update-task", "PATCH", path, {"title": ""}).status_code == 422
    assert pack.call("update-task", "PATCH", path, {"title": "y"}, If_Match='"9"').status_code == 412
    for _ in range(2):
        assert pack.call("update-task", "PATCH", path, {"title": "z"}, Idempotency_Key="once").status_code == 200
    pack.complete(task)
    pack.complete(task)
    assert done(pack, task) == [
        (1, "task.created", "call"),
        (2, "task.updated", "call"),
        (3, "task.completed", "call"),
    ]


def test_the_events_of_a_change_carry_what_changed(pack: Pack) -> None:
    task = pack.create(title="a")
    pack.update(task, title="b")
    pack.complete(task)
    [updated], [completed] = pack.events("task.updated", of=task), pack.events("task.completed", of=task)
    assert updated.data["changed"] == {"title": {"old": "a", "new": "b"}}
    assert set(completed.data["changed"]) == {"completed", "completed_at"}
    assert "changed" not in pack.events("task.created", of=task)[0].data
    assert "changed" not in pack.get(task)


def test_pages_go_back_to_the_first_entry(pack: Pack) -> None:
    task = pack.create()
    for number in range(4):
        pack.update(task, title=f"{number}")
    found: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = history(pack, task, **query).json or {}
        found += [each["version"] for each in page["entries"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": 2, "cursor": page["next_cursor"]}
    assert found == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["", "x", "W10=", "WzEsMV0=", "bnVsbA==", "\u00fc"])
def test_a_cursor_that_is_not_of_this_history_is_refused(pack: Pack, cursor: str) -> None:
    assert history(pack, {"task_id": pack.create()["task_id"]}, cursor=cursor).status_code == 422


def test_the_cursor_of_another_history_is_refused(pack: Pack) -> None:
    first, second = pack.create(), pack.create()
    pack.update(first, title="y")
    cursor = (history(pack, first, limit=1).json or {})["next_cursor"]
    assert history(pack, second, cursor=cursor).status_code == 422


def test_a_task_from_before_there_was_a_history_has_none_yet(pack: Pack) -> None:
    task = pack.create()
    pack.sql("DELETE FROM task_history WHERE user_id = %(user)s", user=pack.user)
    assert entries(pack, task) == []
    pack.update(task, title="y")
    assert done(pack, task) == [(2, "task.updated", "call")]


def test_nobody_reads_the_history_of_anothers_task(pack: Pack) -> None:
    task = pack.create(title="a secret plan")
    stranger = f"stranger-{uuid4()}"
    assert history(pack, task, user=stranger).status_code == 404
    pack.delete(task)
    assert history(pack, task, user=stranger).status_code == 404
    assert history(pack, task).status_code == 200
    assert history(pack, {"task_id": 999_999_999}).status_code == 404


def test_an_entry_is_purged_after_90_days(pack: Pack, environment: dict[str, str]) -> None:
    task = pack.create()
    pack.update(task, title="y")
    pack.sql(
        "UPDATE task_history SET written_at = now() - interval '91 days' WHERE task_id = %(id)s AND version = 1",
        id=task["task_id"],
    )
    pack.sql(
        "UPDATE task_history SET written_at = now() - interval '89 days' WHERE task_id = %(id)s AND version = 2",
        id=task["task_id"],
    )
    url = environment["SYSTEM_DATABASE_URL"]
    database = Database(user_url=url, system_url=url, pool_size=1, timeout=5)
    try:
        retention.purge(database)
    finally:
        database.close()
    assert [each["version"] for each in entries(pack, task)] == [2]


# The tasks of a series -----------------------------------------------------------------------------------------------


def test_the_occurrences_of_a_series_are_listed(pack: Pack) -> None:
    task, other = (pack.create(recurrence_pattern="daily", due_on="2090-01-01") for _ in range(2))
    pack.create()
    pack.complete(task)
    pack.deliver()
    listed = pack.tasks(series_id=task["series_id"])
    assert [(each["series_id"], each["occurrence"]) for each in listed] == [
        (task["series_id"], 1),
        (task["series_id"], 2),
    ]
    assert pack.tasks(series_id=task["series_id"], status="open") == listed[1:]
    assert pack.tasks(series_id=other["series_id"]) == [other]
    assert pack.tasks(series_id=2**63 - 1) == []


@pytest.mark.parametrize("series_id", ["0", "-1", "x", "1.5", "", str(2**63), "9" * 30])
def test_a_series_that_cannot_be_is_refused(pack: Pack, series_id: str) -> None:
    assert pack.call("query-tasks", "GET", f"/tasks?series_id={series_id}").status_code == 422
