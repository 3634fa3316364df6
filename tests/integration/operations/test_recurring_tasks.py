"""Completing a recurring task: one successor, whatever is delivered how often."""

from datetime import UTC, datetime

import pytest

from tests.support.function_pack import Pack


def test_a_completed_occurrence_is_followed_by_the_next(pack: Pack) -> None:
    pack.travel(to=datetime(2026, 11, 24, 9, tzinfo=UTC))
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24", tags=["home"], priority="high")

    pack.complete(task)
    pack.deliver()

    first, second = pack.tasks()
    assert (first["completed"], second["completed"]) == (True, False)
    assert second["due_on"] == "2026-11-25"
    assert [second[name] for name in ("title", "tags", "priority", "occurrence", "series_id")] == [
        "water the plants", ["home"], "high", 2, task["task_id"],
    ]  # fmt: skip
    assert [e.type for e in pack.events(of=second)] == ["task.recurring.next", "task.created"]
    assert {e.key for e in pack.events()} == {str(task["task_id"])}


def test_completing_twice_makes_one_event(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(task), pack.complete(task)
    assert len(pack.events("task.completed", of=task)) == 1


def test_a_completion_delivered_again_makes_no_second_successor(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(task)
    [completed] = pack.events("task.completed")
    for _ in range(3):
        pack.redeliver(completed, "schedule-next-recurrence")
    assert len(pack.tasks()) == 2


def test_monthly_from_the_31st_clamps_and_does_not_drift(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="monthly", due_on="2027-01-31")
    for today in ("2027-01-31", "2027-02-28", "2027-03-31"):
        pack.travel(to=datetime.fromisoformat(f"{today}T12:00:00+00:00"))
        assert task["due_on"] == today
        pack.complete(task)
        pack.deliver()
        task = pack.tasks(status="open")[0]
    assert task["due_on"] == "2027-04-30"


def test_reopening_withdraws_a_successor_that_nobody_touched(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(task)
    pack.deliver()
    pack.reopen(task)
    assert [t["task_id"] for t in pack.tasks()] == [task["task_id"]]

    pack.complete(task)
    pack.deliver()
    assert [t["occurrence"] for t in pack.tasks()] == [1, 2]


def test_reopening_is_refused_once_the_successor_was_touched(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(task)
    pack.deliver()
    pack.update(pack.tasks(status="open")[0], priority="urgent")
    assert pack.call("reopen-task", "POST", f"/tasks/{task['task_id']}/reopen").status_code == 409


@pytest.mark.parametrize("deleted", [False, True])
def test_reopening_is_refused_once_the_series_went_on_beyond_the_successor(pack: Pack, deleted: bool) -> None:
    """Withdrawing the third occurrence for the first would leave the series at the second, with nothing to follow."""
    first = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.complete(first)
    pack.deliver()
    second = pack.tasks(status="open")[0]
    pack.complete(second)
    pack.deliver()
    if deleted:
        pack.delete(second)
    third = pack.tasks(status="open")[0]
    assert pack.call("reopen-task", "POST", f"/tasks/{first['task_id']}/reopen").status_code == 409
    assert pack.tasks(status="open") == [third]

    pack.complete(third)
    pack.deliver()
    assert [task["occurrence"] for task in pack.tasks(status="open")] == [4]


def test_deleting_the_open_occurrence_ends_the_series(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(task)
    pack.delete(task)
    pack.deliver()
    assert pack.tasks() == []
    assert pack.sql("SELECT series_id FROM series WHERE series_id = %(id)s", id=task["task_id"]) == []


def test_count_ends_a_series_with_an_event_that_says_so(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=2", due_on="2090-11-24")
    pack.complete(task)
    pack.deliver()
    last = pack.tasks(status="open")[0]
    pack.complete(last)
    pack.deliver()
    assert pack.tasks(status="open") == []
    assert len(pack.events("task.recurring.ended", of=last)) == 1
