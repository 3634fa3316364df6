"""One user against the others: locks, numbers and loops of one cost nobody else a reminder, an event or a wait."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from taskmaster import clock, runtime
from taskmaster.database.session import Busy
from taskmaster.database.store import Claimed, SystemTransaction, UserTransaction
from taskmaster.handling.unit_of_work import Work
from taskmaster.reminding import due as due_reminders
from tests.support.function_pack import Json, Pack

START = datetime(2089, 3, 1, 12, tzinfo=UTC)
HOSTILE = "hostile"


@pytest.fixture(autouse=True)
def _alone(pack: Pack) -> Iterator[None]:
    """Nothing of other tests rings or waits here."""
    pack.sql("DELETE FROM reminder")
    pack.sql("DELETE FROM outbox")
    pack.travel(to=START)
    yield
    pack.sql("DELETE FROM task WHERE user_id LIKE 'hostile%%'")
    pack.sql("DELETE FROM outbox")


def tasks_of(
    pack: Pack, user: str, count: int, *, reminders: int = 1, due: datetime = START, **columns: Any
) -> list[int]:
    """Tasks with reminders, a second apart, as that many calls leave them."""
    rows = pack.sql(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, due_at, due_on,"
        " recurrence_from, recurrence_paused, version, created_at, updated_at)"
        " SELECT nextval('task_id'), %(user)s, 'x', false, 'low', '{}', 'UTC', %(due_at)s, %(due_on)s, 'due', false, 1,"
        " now(), now() FROM generate_series(1, %(count)s) RETURNING task_id",
        **{"user": user, "count": count, "due_at": due, "due_on": None, **columns},
    )
    ids = [task_id for (task_id,) in rows]
    pack.sql(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at)"
        " SELECT uuidv7(), task_id, %(user)s, m, m FROM unnest(%(ids)s::bigint[]) AS of (task_id),"
        " generate_series(0, %(reminders)s - 1) AS n, LATERAL (SELECT %(due)s + n * interval '1 s' AS m) AS at",
        user=user, ids=ids, reminders=reminders, due=due,
    )  # fmt: skip
    return ids


@contextmanager
def locked(pack: Pack, user: str) -> Iterator["psycopg.Connection[Any]"]:
    """Every task of a user in other hands."""
    with psycopg.connect(pack.owner_url) as connection:
        connection.execute("SELECT FROM task WHERE user_id = %s FOR UPDATE", [user])
        yield connection
        connection.rollback()


def fire(pack: Pack) -> int:
    return due_reminders.fire(runtime.current(), now=clock.now())


def rung(pack: Pack, user: str) -> int:
    [(count,)] = pack.sql(
        "SELECT count(*) FROM outbox WHERE user_id = %(user)s AND 'reminders' = ANY (topics)", user=user
    )
    return int(count)


# Reminders: by lock and by number ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "reminders"), [(4, 50), (1500, 1), (30, 50)])
def test_locked_tasks_of_one_hide_nobody_elses_reminder(pack: Pack, tasks: int, reminders: int) -> None:
    tasks_of(pack, HOSTILE, tasks, reminders=reminders)
    tasks_of(pack, pack.user, 1, due=START + timedelta(minutes=1))
    pack.travel(minutes=2)
    with locked(pack, HOSTILE):
        assert fire(pack) == 1
        assert rung(pack, pack.user) == 1


def test_locked_tasks_of_one_hide_none_of_their_own(pack: Pack) -> None:
    tasks_of(pack, HOSTILE, 250)
    with locked(pack, HOSTILE):
        tasks_of(pack, HOSTILE, 1, due=START + timedelta(seconds=1))
        pack.travel(minutes=1)
        assert fire(pack) == 1


@pytest.mark.parametrize("spread", [timedelta(0), timedelta(minutes=20)])
def test_thousands_of_one_wait_behind_the_first_of_each_other(pack: Pack, spread: timedelta) -> None:
    """By one second, and by many: 3,000 due before the only one of another, who is in the first batch."""
    for part in range(10):
        tasks_of(pack, HOSTILE, 6, reminders=50, due=START + spread * part / 10)
    tasks_of(pack, pack.user, 1, due=START + timedelta(minutes=30))
    pack.travel(minutes=31)
    assert fire(pack) == due_reminders.BATCH
    assert rung(pack, pack.user) == 1
    while fire(pack):
        pass
    assert rung(pack, HOSTILE) == 3000


def test_everybody_behind_one_has_a_turn_in_the_first_batch(pack: Pack) -> None:
    tasks_of(pack, HOSTILE, 60, reminders=50)
    others = [f"{pack.user}-{number}" for number in range(100)]
    for number, other in enumerate(others):
        tasks_of(pack, other, 2, due=START + timedelta(seconds=60 + number % 7))
    pack.travel(minutes=5)
    fire(pack)
    assert all(rung(pack, other) >= 1 for other in others)


def test_a_batch_has_no_more_reminders_than_it_may(pack: Pack) -> None:
    """Of one task fifty may be due: each counts."""
    tasks_of(pack, HOSTILE, 40, reminders=50)
    pack.travel(minutes=5)
    assert fire(pack) == due_reminders.BATCH
    assert rung(pack, HOSTILE) == due_reminders.BATCH


def test_a_batch_of_long_descriptions_is_cut_short(pack: Pack) -> None:
    ids = tasks_of(pack, HOSTILE, 150)
    pack.sql("UPDATE task SET description = repeat('x', 10000) WHERE task_id = ANY (%(ids)s)", ids=ids)
    pack.travel(minutes=1)
    assert [fire(pack), fire(pack)] == [100, 50]


def test_what_dispatch_holds_goes_soon_when_it_freezes(pack: Pack) -> None:
    tasks_of(pack, pack.user, 1)
    pack.travel(minutes=1)
    with runtime.current().database.as_system() as transaction:
        transaction.lock_due_reminders(clock.now(), 10)
        [(bound,)] = transaction._session.fetch(
            "SELECT current_setting('idle_in_transaction_session_timeout')", {}, psycopg.rows.tuple_row
        )
    assert bound == "5s"


@pytest.mark.parametrize("mode", ["", "_shared"])
def test_nobody_who_arms_a_reminder_waits_for_the_alarm(pack: Pack, mode: str) -> None:
    """Nor behind a dispatcher that waits for it, itself behind a transaction that does not end."""
    pack.sql("UPDATE alarm SET next_at = %(at)s", at=START + timedelta(minutes=1))
    with psycopg.connect(pack.owner_url) as holder, psycopg.connect(pack.owner_url) as dispatcher:
        holder.execute(f"SELECT pg_advisory_xact_lock{mode}(7461736722)")
        waiting = threading.Thread(target=dispatcher.execute, args=("SELECT pg_advisory_xact_lock(7461736722)",))
        waiting.start()
        time.sleep(0.3)
        begun = time.monotonic()
        pack.create(due_at=(START + timedelta(hours=1)).isoformat())
        assert time.monotonic() - begun < 2
        holder.rollback()
        waiting.join(5)
    assert len(pack.events("reminder.armed")) == 1, "whoever cannot read the alarm says so to the dispatcher"


# Preferences ------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr("taskmaster.handling.unit_of_work._MOVED_AT_ONCE", 2)
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
    monkeypatch.setattr("taskmaster.handling.unit_of_work._MOVED_AT_ONCE", 2)
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
    monkeypatch.setattr("taskmaster.handling.unit_of_work._MOVED_AT_ONCE", 2)
    tasks = day_tasks(pack, 5)
    pack.prefer(day_hour="07:30")
    assert pack.redeliver(moves(pack)[0], "set-preferences").status_code == 204
    pack.prefer(day_hour="06:00")
    pack.deliver("set-preferences")
    assert hours(pack, tasks) == {"2090-11-24T06:00"}


def test_an_hour_set_in_the_middle_of_a_step_begins_again(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskmaster.handling.unit_of_work._MOVED_AT_ONCE", 2)
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
    database = runtime.current().database
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
    with runtime.current().database.as_user(HOSTILE) as transaction:
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


# Events -----------------------------------------------------------------------------------------------------------


def events_of(pack: Pack, user: str, keys: int, rows: int, *, size: int = 2) -> None:
    pack.sql(
        "INSERT INTO outbox (key, topics, headers, value)"
        " SELECT %(user)s || '-' || k, '{t}', %(headers)s, convert_to(repeat('x', %(size)s), 'UTF8')"
        " FROM generate_series(1, %(rows)s) AS r, generate_series(1, %(keys)s) AS k",
        user=user, keys=keys, rows=rows, size=size, headers=json.dumps({"ce_userid": user}),
    )  # fmt: skip


@contextmanager
def claimed(limit: int = 500, failed: list[int] | None = None) -> Iterator[tuple[SystemTransaction, list[Claimed]]]:
    with runtime.current().database.as_system() as transaction:
        yield transaction, transaction.claim_outbox(limit, failed or [])


@pytest.mark.parametrize(("keys", "rows"), [(3000, 1), (60, 50), (1, 5000), (1500, 3)])
def test_an_event_behind_thousands_of_one_user_is_in_the_first_round(pack: Pack, keys: int, rows: int) -> None:
    events_of(pack, HOSTILE, keys, rows)
    events_of(pack, pack.user, 1, 1)
    with claimed() as (_, found):
        assert f"{pack.user}-1" in [row.key for row in found]
        assert len({row.key for row in found}) == len(found)


def test_an_event_behind_thousands_in_other_hands_is_in_the_first_round(pack: Pack) -> None:
    events_of(pack, HOSTILE, 3000, 1)
    events_of(pack, pack.user, 1, 1)
    with psycopg.connect(pack.owner_url) as another:
        another.execute("SELECT FROM outbox WHERE user_id = %s FOR UPDATE", [HOSTILE])
        with claimed() as (_, found):
            assert [row.key for row in found] == [f"{pack.user}-1"]


def test_a_key_is_found_behind_thousands_of_its_user_in_other_hands(pack: Pack) -> None:
    """So that a publisher that freezes keeps what it holds, and nothing behind it."""
    events_of(pack, HOSTILE, 1500, 1)
    with psycopg.connect(pack.owner_url) as another:
        another.execute("SELECT FROM outbox FOR UPDATE")
        events_of(pack, HOSTILE, 1501, 1)
        with claimed() as (_, found):
            assert [row.key for row in found] == [f"{HOSTILE}-1501"]


def test_rows_that_cannot_be_sent_hide_no_other_key_of_their_user(pack: Pack) -> None:
    events_of(pack, HOSTILE, 1, 2000)
    events_of(pack, HOSTILE, 2, 1)
    [(first,)] = pack.sql("SELECT min(id) FROM outbox")
    with claimed(failed=[first]) as (_, found):
        assert [row.key for row in found] == [f"{HOSTILE}-2"]


def test_a_round_of_large_events_is_cut_short(pack: Pack) -> None:
    events_of(pack, HOSTILE, 100, 1, size=100_000)
    events_of(pack, pack.user, 1, 1)
    with claimed() as (_, found):
        assert f"{pack.user}-1" in [row.key for row in found]
        assert len(found) == 21


def test_rounds_take_everything_once_and_each_key_in_order(pack: Pack) -> None:
    for user in (HOSTILE, f"{HOSTILE}-2", pack.user):
        events_of(pack, user, 40, 30)
    taken: list[Claimed] = []
    while True:
        with claimed() as (transaction, found):
            if not found:
                break
            transaction.delete_outbox([row.id for row in found])
        taken += found
    assert len(taken) == len({row.id for row in taken}) == 3 * 40 * 30
    for key in {row.key for row in taken}:
        ids = [row.id for row in taken if row.key == key]
        assert ids == sorted(ids)
