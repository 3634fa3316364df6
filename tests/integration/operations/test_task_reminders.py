"""The reminders of a task: armed with it, moved with it, gone with it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.function_pack import Pack

DUE = "2090-11-24T12:00:00Z"


@pytest.fixture(autouse=True)
def _today(pack: Pack) -> None:
    pack.travel(to=datetime(2090, 11, 20, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("fields", "rings"),
    [
        ({"due_at": DUE}, ["2090-11-24T12:00"]),
        ({"due_on": "2090-11-24"}, ["2090-11-24T09:00"]),
        ({"due_on": "2090-11-24", "time_zone": "Asia/Tokyo"}, ["2090-11-24T00:00"]),
        ({"due_on": "2090-11-24", "reminders": ["P1D", "PT30M"]}, ["2090-11-23T09:00", "2090-11-24T08:30"]),
        ({"due_at": DUE, "reminders": []}, []),
        ({"due_at": DUE, "reminders": ["PT60M", "PT1H"]}, ["2090-11-24T11:00"]),
        ({"reminders": ["2090-11-22T08:00:00+02:00"]}, ["2090-11-22T06:00"]),
        ({"due_at": DUE, "reminders": ["P1W"]}, []),  # has passed already
        ({}, []),
    ],
)
def test_a_task_is_created_with_its_reminders(pack: Pack, fields: Any, rings: list[str]) -> None:
    assert pack.rings(pack.create(**fields)) == rings


def test_the_answer_shows_them_as_they_hold(pack: Pack) -> None:
    task = pack.create(due_at=DUE, reminders=["pt30m", "2090-11-22T08:00:00+02:00"])
    assert task["reminders"] == ["PT30M", "2090-11-22T06:00:00Z"]
    assert pack.get(task)["reminders"] == task["reminders"]
    assert pack.create(due_at=DUE)["reminders"] is None


@pytest.mark.parametrize(
    "reminder", ["P1M", "PT", "-PT5M", "tomorrow", "2090-11-22T08:00", "P9999D", "P\u0661D", "PT\uff15M", 5]
)
def test_what_is_no_reminder_is_refused(pack: Pack, reminder: Any) -> None:
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x", "due_at": DUE, "reminders": [reminder]})
    assert answer.status_code == 422


def test_a_reminder_before_nothing_is_refused(pack: Pack) -> None:
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x", "reminders": ["PT5M"]})
    assert answer.status_code == 422
    many = [f"PT{minutes}M" for minutes in range(51)]
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x", "due_at": DUE, "reminders": many})
    assert answer.status_code == 422


def test_they_move_with_the_due_date_and_with_their_own_list(pack: Pack) -> None:
    task = pack.create(due_at=DUE, reminders=["PT30M"])
    pack.update(task, due_at="2090-11-25T12:00:00Z")
    assert pack.rings(task) == ["2090-11-25T11:30"]
    pack.update(task, reminders=["PT10M", "PT30M"])
    assert pack.rings(task) == ["2090-11-25T11:30", "2090-11-25T11:50"]
    pack.update(task, reminders=None)
    assert pack.rings(task) == ["2090-11-25T12:00"]
    pack.update(task, due_at=None)
    assert pack.rings(task) == []


def test_another_zone_moves_what_is_due_on_a_day(pack: Pack) -> None:
    task = pack.create(due_on="2090-11-24")
    pack.update(task, time_zone="America/New_York")
    assert pack.rings(task) == ["2090-11-24T14:00"]


def test_completing_silences_and_reopening_arms_again_what_is_ahead(pack: Pack) -> None:
    task = pack.create(due_at=DUE, reminders=["P2D", "PT0S"])
    pack.complete(task)
    assert pack.rings(task) == []
    pack.travel(days=3)
    pack.reopen(task)
    assert pack.rings(task) == ["2090-11-24T12:00"]


def test_deleting_silences(pack: Pack) -> None:
    task = pack.create(due_at=DUE)
    pack.delete(task)
    assert pack.rings(task) == []


def test_the_next_occurrence_keeps_them_moved_along(pack: Pack) -> None:
    task = pack.create(
        due_at="2090-11-24T12:00:00+01:00",
        time_zone="Europe/Zurich",
        recurrence_pattern="weekly",
        reminders=["PT30M", "2090-11-23T18:00:00+01:00"],
    )
    pack.complete(task)
    pack.deliver()
    [successor] = pack.tasks(status="open")
    assert successor["reminders"] == ["PT30M", "2090-11-30T17:00:00Z"]
    assert pack.rings(successor) == ["2090-11-30T17:00", "2090-12-01T10:30"]


def test_days_before_keep_the_wall_time_over_a_clock_change_and_hours_do_not(pack: Pack) -> None:
    pack.travel(to=datetime(2091, 3, 20, tzinfo=UTC))
    task = pack.create(due_at="2091-03-26T09:00:00+02:00", time_zone="Europe/Zurich", reminders=["P2D", "PT48H"])
    assert pack.rings(task) == ["2091-03-24T07:00", "2091-03-24T08:00"]


def test_a_successor_withdrawn_takes_its_reminders_along(pack: Pack) -> None:
    task = pack.create(due_on="2090-11-24", recurrence_pattern="daily")
    pack.complete(task)
    pack.deliver()
    pack.reopen(task)
    assert pack.sql("SELECT task_id FROM reminder WHERE user_id = %(user)s", user=pack.user) == [(task["task_id"],)]


def test_a_command_that_waited_for_the_database_loses_no_reminder(pack: Pack) -> None:
    """Asked for at noon with a reminder ten minutes later, handled an hour later: it rings late, not never."""
    pack.travel(hours=1)
    asked = {"title": "x", "due_at": "2090-11-20T12:10:00Z"}
    pack.event("create-task", "task.create", asked, time="2090-11-20T12:00:00Z")
    assert pack.rings(pack.tasks()[0]) == ["2090-11-20T12:10"]


def test_the_dispatcher_is_told_of_what_it_does_not_expect(pack: Pack) -> None:
    pack.sql("UPDATE alarm SET next_at = '2090-11-22T00:00:00Z'")
    try:
        pack.create(due_at="2090-11-23T00:00:00Z")
        assert pack.events("reminder.armed") == []
        pack.create(due_at="2090-11-21T00:00:00Z")
        [armed] = pack.events("reminder.armed")
        assert armed.topics == ["dispatch-due-reminders"]
        pack.travel(days=3)  # nobody looked when somebody should have
        pack.create(due_at="2090-12-21T00:00:00Z")
        assert len(pack.events("reminder.armed")) == 2
    finally:
        pack.sql("UPDATE alarm SET next_at = NULL")
