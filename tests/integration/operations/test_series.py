"""What can be done to a series beside completing its occurrences: skip, pause, end, look ahead, edit."""

import json
import random
from datetime import UTC, datetime

import pytest

from tests.support.documents import rows
from tests.support.function_pack import Json, Pack


def due(*tasks: Json) -> list[str]:
    return [task["due_on"] or task["due_at"] for task in tasks]


def skip(pack: Pack, task: Json) -> int:
    return pack.call("schedule-next-recurrence", "POST", f"/tasks/{task['task_id']}/skip").status_code


def finish(pack: Pack, task: Json) -> Json:
    """Complete an occurrence; the one that follows."""
    pack.complete(task)
    pack.deliver()
    [successor] = pack.tasks(status="open")
    return successor


def test_skipping_moves_on_without_completing(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="weekly", due_on="2090-01-02")
    assert skip(pack, task) == 200
    [moved] = pack.tasks()
    assert (moved["completed"], moved["due_on"], moved["occurrence"]) == (False, "2090-01-09", 1)
    [told] = pack.events("task.recurring.next")
    assert told.data["skipped"] == 1


def test_a_skipped_occurrence_counts_for_count(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=2", due_on="2090-01-01")
    assert skip(pack, task) == 200
    assert skip(pack, task) == 204
    assert pack.tasks() == []
    assert len(pack.events("task.recurring.ended")) == 1


def test_skipping_by_event_needs_an_open_occurrence(pack: Pack) -> None:
    task = pack.create()
    assert pack.event("schedule-next-recurrence", "task.skip", {"task_id": task["task_id"]}).status_code == 204
    [rejected] = pack.events("task.command.rejected")
    assert rejected.data["status"] == 409


def test_a_paused_series_makes_no_successor_until_it_goes_on(pack: Pack) -> None:
    pack.travel(to=datetime(2090, 1, 1, 12, tzinfo=UTC))
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.update(task, recurrence_paused=True)
    pack.complete(task)
    pack.deliver()
    assert pack.tasks(status="open") == []

    pack.travel(days=10)
    pack.update(task, recurrence_paused=False)
    assert due(*pack.tasks(status="open")) == ["2090-01-12"]


def test_only_what_recurs_can_be_paused(pack: Pack) -> None:
    task = pack.create()
    assert pack.call("update-task", "PATCH", f"/{task['task_id']}", {"recurrence_paused": True}).status_code == 422


def test_deleting_only_this_occurrence_moves_the_series_on(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    path = f"/tasks/{task['task_id']}?scope=this"
    assert pack.call("delete-task", "DELETE", path).status_code == 204
    assert due(*pack.tasks()) == ["2090-01-02"]


def test_the_dates_ahead_are_computed(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="monthly", due_at="2090-01-31T09:00:00+01:00", time_zone="Europe/Zurich")
    answer = pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/occurrences?count=3")
    assert [each["due_at"] for each in answer.get_json()["occurrences"]] == [
        "2090-02-28T08:00:00Z",
        "2090-03-31T07:00:00Z",  # 09:00 stays 09:00 in summer
        "2090-04-30T07:00:00Z",
    ]


def test_a_pattern_can_be_tried_out_without_a_task(pack: Pack) -> None:
    query = "recurrence_pattern=FREQ=MONTHLY;BYMONTHDAY=31&due_on=2090-01-31&count=3"
    answer = pack.call("query-tasks", "GET", f"/occurrences?{query}")
    assert [each["due_on"] for each in answer.get_json()["occurrences"]] == ["2090-01-31", "2090-03-31", "2090-05-31"]
    refused = pack.call("query-tasks", "GET", "/occurrences?recurrence_pattern=FREQ=HOURLY&due_on=2090-01-31")
    assert refused.status_code == 422
    assert "FREQ" in refused.get_json()["detail"]


def test_contents_changed_at_an_occurrence_hold_from_there_on(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.update(task, title="water the plants and herbs", tags=["home"])
    successor = finish(pack, task)
    assert (successor["title"], successor["tags"]) == ("water the plants and herbs", ["home"])


def test_contents_changed_for_this_occurrence_alone_stay_there(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.update(task, title="just today", scope="this")
    assert finish(pack, task)["title"] == "water the plants"


def test_moving_one_occurrence_keeps_the_anchor(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="weekly", due_on="2090-01-02")
    moved = pack.update(task, due_on="2090-01-04")
    assert due(finish(pack, moved)) == ["2090-01-09"]


def test_moving_all_that_follow_moves_the_anchor_and_count_goes_on(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=WEEKLY;COUNT=3", due_on="2090-01-02")
    second = finish(pack, task)
    moved = pack.update(second, due_on="2090-01-11", scope="following")
    third = finish(pack, moved)
    assert due(third) == ["2090-01-18"]
    pack.complete(third)
    pack.deliver()
    assert pack.tasks(status="open") == []


def test_a_new_pattern_counts_from_this_occurrence(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.update(task, recurrence_pattern="every 3 days")
    assert due(finish(pack, task)) == ["2090-01-04"]


def test_a_cleared_pattern_ends_the_series(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.update(task, recurrence_pattern=None)
    pack.complete(task)
    pack.deliver()
    assert pack.tasks(status="open") == []


def test_a_pattern_may_come_later(pack: Pack) -> None:
    task = pack.create(due_on="2090-01-01")
    pack.update(task, recurrence_pattern="weekdays")
    assert due(finish(pack, task)) == ["2090-01-02"]


def test_from_completion_counts_from_the_day_it_was_done(pack: Pack) -> None:
    pack.travel(to=datetime(2090, 1, 10, 12, tzinfo=UTC))
    task = pack.create(recurrence_pattern="every 3 days", recurrence_from="completion", due_on="2090-01-01")
    assert due(finish(pack, task)) == ["2090-01-13"]


def test_completing_late_jumps_over_what_has_passed(pack: Pack) -> None:
    pack.travel(to=datetime(2090, 1, 10, 12, tzinfo=UTC))
    task = pack.create(recurrence_pattern="daily", due_at="2090-01-01T09:00:00Z")
    assert due(finish(pack, task)) == ["2090-01-11T09:00:00Z"]
    [told] = pack.events("task.recurring.next")
    assert told.data["skipped"] == 9


def test_reopening_the_last_occurrence_lets_the_series_go_on(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=1", due_on="2090-01-01")
    pack.complete(task)
    pack.deliver()
    reopened = pack.reopen(task)
    pack.update(reopened, recurrence_pattern="daily")
    assert due(finish(pack, task)) == ["2090-01-02"]


def test_a_completion_from_elsewhere_in_the_original_envelope_is_followed_too(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01", tags=["home"])
    envelope = {
        "event_id": f"{pack.user}-1",
        "event_type": "task.completed",
        "event_version": "1.0",
        "timestamp": "2026-02-07T17:30:00Z",
        "user_id": pack.user,
        "correlation_id": "request-456",
        "data": {"task_id": task["task_id"], "title": task["title"], "completed": True, "recurrence_pattern": "daily"},
        "metadata": {"source": "taskmaster-backend", "trace_id": "distributed-trace-id"},
    }
    for offset in (1, 2):
        assert pack.envelope("schedule-next-recurrence", envelope, offset=offset).status_code == 204
    pack.deliver()
    first, second = pack.tasks()
    assert (first["completed"], second["due_on"], second["tags"]) == (True, "2090-01-02", ["home"])


@pytest.mark.parametrize("seed", range(12))
def test_whatever_arrives_in_whatever_order_never_two_occurrences_are_open(pack: Pack, seed: int) -> None:
    """Complete, reopen and complete again, each command twice, and every completion's fact again and again."""
    chance = random.Random(seed)
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    commands = ["complete-task", "reopen-task", "complete-task"]
    deliveries = [(function, f"{pack.user}-{number}") for number, function in enumerate(commands)] * 2
    chance.shuffle(deliveries)
    for function, event_id in deliveries:
        event_type = "task." + function.removesuffix("-task")
        assert pack.event(function, event_type, {"task_id": task["task_id"]}, event_id=event_id).status_code == 204
        facts = pack.events("task.completed")
        for fact in chance.sample(facts, k=chance.randint(0, len(facts))):
            assert pack.redeliver(fact, "schedule-next-recurrence").status_code == 204
        assert len(pack.tasks(status="open")) <= 1
    pack.deliver()
    assert len(pack.tasks(status="open")) == 1
    assert len({task["occurrence"] for task in pack.tasks()}) == len(pack.tasks())


@pytest.mark.parametrize(("what", "how", "then"), rows("recurrence.md", "what", "how", "then due"))
def test_living_with_a_series_is_as_written(pack: Pack, what: str, how: str, then: str) -> None:
    function = {"complete": "complete-task", "skip": "schedule-next-recurrence"}
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    method, path, *body = how.split(" ", 2)
    path = path.replace("/1", f"/{task['task_id']}", 1)
    called = {"DELETE": "delete-task", "PATCH": "update-task"}.get(method) or function[path.rpartition("/")[2]]
    answer = pack.call(called, method, path, json.loads(body[0]) if body else None)
    assert answer.status_code in (200, 204), answer.text
    pack.deliver()
    assert due(*pack.tasks(status="open")) == ([] if then == "none" else [then]), what
