"""Preferences of one user against the others: no change of them holds anybody else, or gets lost."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from taskmaster.database.session import Busy
from taskmaster.database.user_transaction import UserTransaction
from taskmaster.handling.unit_of_work import Work
from tests.support.function_pack import Json, Pack
from tests.support.hostile_user import HOSTILE, START, locked, nothing_else, tasks_of


@pytest.fixture(autouse=True)
def _alone(pack: Pack) -> Iterator[None]:
    with nothing_else(pack):
        yield


def day_tasks(pack: Pack, count: int) -> list[Json]:
    return [pack.create(due_on="2090-11-24") for _ in range(count)]


def moves(pack: Pack) -> list[Any]:
    return pack.events("reminders.move")


def hours(pack: Pack, tasks: list[Json]) -> set[str]:
    return {ring for task in tasks for ring in pack.rings(task)}


def test_preferences_change_while_all_tasks_are_in_other_hands(pack: Pack) -> None:
    tasks = day_tasks(pack, 3)
    with locked(pack, pack.user):
        assert pack.prefer(day_hour="07:30")["day_hour"] == "07:30"
        assert hours(pack, tasks) == {"2090-11-24T09:00"}
    pack.deliver("set-preferences")
    assert hours(pack, tasks) == {"2090-11-24T07:30"}


def test_reminders_move_a_few_tasks_at_a_time(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskmaster.handling.reminder_work._MOVED_AT_ONCE", 2)
    tasks = day_tasks(pack, 5)
    pack.prefer(day_hour="07:30")
    held, original = [], UserTransaction.lock_tasks_to_move

    def counted(self: UserTransaction, *arguments: Any) -> Any:
        found = original(self, *arguments)
        held.append(len(found))
        return found

    monkeypatch.setattr(UserTransaction, "lock_tasks_to_move", counted)
    assert pack.deliver("set-preferences") == 3
    assert held == [2, 2, 1]
    assert hours(pack, tasks) == {"2090-11-24T07:30"}
    assert pack.sql("SELECT FROM reminder_move WHERE user_id = %(user)s", user=pack.user) == []


@pytest.mark.parametrize("crash_at", [1, 2, 3])
def test_a_crash_half_way_loses_no_reminders_move(pack: Pack, monkeypatch: pytest.MonkeyPatch, crash_at: int) -> None:
    monkeypatch.setattr("taskmaster.handling.reminder_work._MOVED_AT_ONCE", 2)
    tasks = day_tasks(pack, 5)
    pack.prefer(day_hour="07:30")
    flush, calls = Work.flush, []

    def dying(self: Work) -> bool:
        wrote = flush(self)
        calls.append(wrote)
        if len(calls) == crash_at:
            raise Busy("the function dies between its writes and its commit")
        return wrote

    monkeypatch.setattr(Work, "flush", dying)
    while fresh := [event for event in moves(pack) if event.row not in pack._delivered]:
        for event in fresh:
            if pack.redeliver(event, "set-preferences").status_code == 204:
                pack._delivered.add(event.row)
    assert hours(pack, tasks) == {"2090-11-24T07:30"}
    assert len(calls) == 4


def test_of_two_hours_set_at_once_the_last_holds_for_all(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskmaster.handling.reminder_work._MOVED_AT_ONCE", 2)
    tasks = day_tasks(pack, 5)
    pack.prefer(day_hour="07:30")
    assert pack.redeliver(moves(pack)[0], "set-preferences").status_code == 204
    pack.prefer(day_hour="06:00")
    pack.deliver("set-preferences")
    assert hours(pack, tasks) == {"2090-11-24T06:00"}


def test_an_hour_set_in_the_middle_of_a_step_begins_again(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskmaster.handling.reminder_work._MOVED_AT_ONCE", 2)
    tasks = day_tasks(pack, 5)
    pack.prefer(day_hour="07:30")
    original, prefer = UserTransaction.lock_tasks_to_move, iter([pack.prefer])

    def interrupted(self: UserTransaction, *arguments: Any) -> Any:
        found = original(self, *arguments)
        if arguments[0] and (again := next(prefer, None)):
            again(day_hour="06:00")
        return found

    monkeypatch.setattr(UserTransaction, "lock_tasks_to_move", interrupted)
    pack.deliver("set-preferences")
    assert hours(pack, tasks) == {"2090-11-24T06:00"}


def test_a_task_created_while_the_hour_changes_has_the_new_one(pack: Pack) -> None:
    """It has read the old hour and not committed: the change waits for it, and its reminder moves."""
    database = pack.runtime.database
    with database.as_user(pack.user) as transaction:
        assert transaction.read_preferences(hold=True).day_hour == "09:00"
        changing = threading.Thread(target=pack.prefer, kwargs={"day_hour": "07:30"})
        changing.start()
        time.sleep(0.5)
        [task_id] = tasks_of(
            pack, pack.user, 1, due=datetime(2090, 11, 24, 9, tzinfo=UTC), due_at=None, due_on="2090-11-24"
        )
        assert moves(pack) == []
    changing.join(5)
    pack.deliver("set-preferences")
    assert pack.rings({"task_id": task_id}) == ["2090-11-24T07:30"]


def test_whoever_holds_back_one_users_preferences_holds_back_no_other(pack: Pack) -> None:
    with pack.runtime.database.as_user(HOSTILE) as transaction:
        transaction.change_preferences()
        begun = time.monotonic()
        pack.prefer(day_hour="07:30")
        assert pack.rings(pack.create(due_on="2090-11-24")) == ["2090-11-24T07:30"]
        assert time.monotonic() - begun < 2


def test_a_loop_of_hours_leaves_one_event_and_one_row_of_moves(pack: Pack) -> None:
    tasks = day_tasks(pack, 3)
    for number in range(30):
        pack.prefer(day_hour=f"{number % 24:02}:15")
    assert len(moves(pack)) == 1
    assert pack.deliver("set-preferences") == 1
    assert hours(pack, tasks) == {"2090-11-24T05:15"}


def test_a_move_that_somebody_else_asks_for_moves_nothing(pack: Pack) -> None:
    tasks = day_tasks(pack, 2)
    pack.prefer(day_hour="07:30")
    for _ in range(3):
        assert pack.event("set-preferences", "reminders.move", {"ticket": str(uuid4())}).status_code == 204
    assert hours(pack, tasks) == {"2090-11-24T09:00"}
    assert len(moves(pack)) == 1


def test_a_move_that_stood_still_is_replaced_by_the_next_change(pack: Pack) -> None:
    tasks = day_tasks(pack, 2)
    pack.prefer(day_hour="07:30")
    pack.sql("DELETE FROM outbox")  # its event is with the dead letters
    pack.prefer(day_hour="06:30")
    assert moves(pack) == [], "within a minute somebody may be at it"
    pack.sql("UPDATE reminder_move SET moved_at = now() - interval '61 s' WHERE user_id = %(user)s", user=pack.user)
    pack.prefer(day_hour="05:30")
    pack.deliver("set-preferences")
    assert hours(pack, tasks) == {"2090-11-24T05:30"}


def test_an_hour_that_passed_while_reminders_moved_rings_late(pack: Pack) -> None:
    task = pack.create(due_on=START.date().isoformat(), reminders=["PT0S"])
    pack.prefer(day_hour="12:01")
    pack.travel(minutes=10)
    pack.deliver("set-preferences")
    assert pack.rings(task) == ["2089-03-01T12:01"]
