"""A task that is completed already: no series begins with it, and one that is alive goes on at once."""

from datetime import datetime
from typing import Any

import pytest

from tests.support.function_pack import Json, Pack


def ask(pack: Pack, task: Json, handle_event: bool, **changes: Any) -> int:
    """A change by either door; the status that a person got, or would have got."""
    if not handle_event:
        return pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes).status_code
    before = len(pack.events("task.command.rejected"))
    assert pack.event("update-task", "task.update", {"task_id": task["task_id"], **changes}).status_code == 204
    told = pack.events("task.command.rejected")[before:]
    return int(told[0].data["status"]) if told else 200


def finish(pack: Pack, task: Json) -> None:
    pack.complete(task)
    pack.deliver()


def open_days(pack: Pack) -> list[str]:
    return [task["due_on"] or task["due_at"] for task in pack.tasks(status="open")]


@pytest.mark.parametrize("handle_event", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"recurrence_pattern": "daily"},
        {"recurrence_pattern": "daily", "recurrence_from": "completion"},
        {"recurrence_pattern": "daily", "due_on": "2090-02-01"},
        {"recurrence_pattern": "daily", "due_on": None, "due_at": "2090-02-01T09:00:00Z"},
        {"recurrence_pattern": "daily", "recurrence_paused": True},
        {"recurrence_pattern": "FREQ=DAILY;COUNT=1", "scope": "following"},
        {"recurrence_pattern": "weekly", "scope": "this", "title": "other"},
    ],
)
def test_a_completed_task_begins_no_series(pack: Pack, changes: Json, handle_event: bool) -> None:
    task = pack.create(due_on="2090-01-01")
    finish(pack, task)
    kept = pack.get(task)
    assert ask(pack, task, handle_event, **changes) == 409
    pack.deliver()
    assert pack.tasks() == [kept]
    assert pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/occurrences").status_code == 409


@pytest.mark.parametrize("counted_from", ["due", "completion"])
def test_reopened_it_begins_one_that_goes_on(pack: Pack, counted_from: str) -> None:
    pack.travel(to=datetime.fromisoformat("2090-01-03T12:00:00Z"))
    task = pack.create(due_on="2090-01-01")
    finish(pack, task)
    assert ask(pack, task, False, recurrence_pattern="every 5 days") == 409
    pack.reopen(task)
    pack.update(task, recurrence_pattern="every 5 days", recurrence_from=counted_from)
    finish(pack, task)
    assert open_days(pack) == [{"due": "2090-01-06", "completion": "2090-01-08"}[counted_from]]


@pytest.mark.parametrize("handle_event", [False, True])
@pytest.mark.parametrize(
    ("changes", "then"),
    [
        ({"recurrence_pattern": "weekly"}, "2090-01-08"),
        ({"recurrence_pattern": "weekly", "due_on": "2090-01-03"}, "2090-01-10"),
        ({"title": "other", "scope": "following"}, "2090-01-02"),
    ],
)
def test_changed_before_its_successor_has_come_a_series_goes_on_at_once(
    pack: Pack, changes: Json, then: str, handle_event: bool
) -> None:
    task = pack.create(due_on="2090-01-01", recurrence_pattern="daily")
    pack.complete(task)
    assert ask(pack, task, handle_event, **changes) == 200
    assert open_days(pack) == [then]
    pack.deliver()  # the completion arrives late, and makes no second one
    assert open_days(pack) == [then]
    pack.reopen(task)
    assert open_days(pack) == [pack.get(task)["due_on"]]


def test_changed_so_that_nothing_follows_a_series_ends_at_once(pack: Pack) -> None:
    task = pack.create(due_on="2090-01-01", recurrence_pattern="daily")
    pack.complete(task)
    assert ask(pack, task, False, recurrence_pattern="FREQ=DAILY;COUNT=1") == 200
    pack.deliver()
    assert open_days(pack) == []
    assert len(pack.events("task.recurring.ended")) == 1


@pytest.mark.parametrize("handle_event", [False, True])
def test_a_pattern_removed_while_it_is_completed_comes_back_when_it_is_open(pack: Pack, handle_event: bool) -> None:
    task = pack.create(due_on="2090-01-01", recurrence_pattern="daily")
    pack.complete(task)
    assert ask(pack, task, handle_event, recurrence_pattern=None) == 200
    pack.deliver()
    assert open_days(pack) == []
    assert ask(pack, task, handle_event, recurrence_pattern="daily") == 409
    pack.reopen(task)
    assert ask(pack, task, handle_event, recurrence_pattern="daily") == 200
    finish(pack, task)
    assert open_days(pack) == ["2090-01-02"]


def test_a_reopened_task_that_stands_alone_may_begin_a_series_anew(pack: Pack) -> None:
    """What came behind it was deleted, and the series with it: the pattern goes too, for nothing follows."""
    task = pack.create(title="A", due_on="2090-01-01", recurrence_pattern="daily")
    finish(pack, task)
    [second] = pack.tasks(status="open")
    pack.update(second, title="B")
    pack.delete(second)
    assert ask(pack, task, False, recurrence_pattern="weekly") == 409
    assert pack.reopen(task)["recurrence_pattern"] is None
    assert pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/occurrences").status_code == 409
    pack.update(task, recurrence_pattern="daily")
    finish(pack, task)
    [following] = pack.tasks(status="open")
    assert (following["title"], following["due_on"], following["occurrence"]) == ("A", "2090-01-02", 2)


def test_a_series_that_begins_paused_is_paused(pack: Pack) -> None:
    task = pack.create(due_on="2090-01-01")
    pack.update(task, recurrence_pattern="daily", recurrence_paused=True)
    finish(pack, task)
    assert open_days(pack) == []
    pack.update(task, recurrence_paused=False)
    assert open_days(pack) == ["2090-01-02"]
