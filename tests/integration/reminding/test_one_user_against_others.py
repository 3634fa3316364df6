"""One user against the others: locks, numbers and loops of one cost nobody else a reminder."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest

from taskmaster import clock
from taskmaster.reminding import due as due_reminders
from tests.support.fake_store import MOST_UNDER_WAY
from tests.support.function_pack import Pack
from tests.support.hostile_user import HOSTILE, START, locked, nothing_else, tasks_of


@pytest.fixture(autouse=True)
def _alone(pack: Pack) -> Iterator[None]:
    with nothing_else(pack):
        yield


def fire(pack: Pack) -> int:
    return pack.runtime.due_reminders.dispatch(now=clock.now())


def fire_all(pack: Pack) -> None:
    """As long as something is due, whatever is fired being delivered at once."""
    close(pack, 3000)
    while fire(pack):
        close(pack, 3000)


def rung(pack: Pack, user: str) -> int:
    [(count,)] = pack.sql(
        "SELECT count(*) FROM outbox WHERE user_id = %(user)s AND 'reminders' = ANY (topics)", user=user
    )
    return int(count)


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
    assert fire(pack) == MOST_UNDER_WAY + 1
    assert rung(pack, pack.user) == 1
    fire_all(pack)
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
    users = [f"{HOSTILE}-{number}" for number in range(20)]
    for user in users:
        tasks_of(pack, user, 1, reminders=50)
    pack.travel(minutes=5)
    assert 0.9 * due_reminders.BATCH < fire(pack) <= due_reminders.BATCH
    assert max(rung(pack, user) for user in users) == due_reminders.BATCH // 20


def test_a_batch_of_long_descriptions_is_cut_short(pack: Pack) -> None:
    ids = [task_id for number in range(10) for task_id in tasks_of(pack, f"{HOSTILE}-{number}", 15)]
    pack.sql("UPDATE task SET description = repeat('x', 10000) WHERE task_id = ANY (%(ids)s)", ids=ids)
    pack.travel(minutes=1)
    assert [fire(pack), fire(pack)] == [100, 50]


def test_what_dispatch_holds_goes_soon_when_it_freezes(pack: Pack) -> None:
    tasks_of(pack, pack.user, 1)
    pack.travel(minutes=1)
    now = clock.now()
    with suppress(psycopg.Rollback), pack.runtime.database.as_system() as transaction:
        transaction.fire_due_reminders(now, 10, stale=now - timedelta(days=1), characters=1000)
        [(bound,)] = transaction._session.fetch(
            "SELECT current_setting('idle_in_transaction_session_timeout')", {}, psycopg.rows.tuple_row
        )
        raise psycopg.Rollback
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


# What one user has under way ----------------------------------------------------------------------------------------


def close(pack: Pack, count: int) -> None:
    """As many of the hostile user's reminders are delivered."""
    pack.sql(
        "UPDATE reminder SET closed_at = now() WHERE reminder_id IN (SELECT reminder_id FROM reminder"
        " WHERE user_id = %(user)s AND fired_at IS NOT NULL AND closed_at IS NULL ORDER BY due_at LIMIT %(count)s)",
        user=HOSTILE, count=count,
    )  # fmt: skip


def test_of_one_user_few_are_under_way_and_the_other_is_among_them(pack: Pack) -> None:
    tasks_of(pack, HOSTILE, 60, reminders=50, due=START)
    tasks_of(pack, pack.user, 1, due=START + timedelta(minutes=1))
    pack.travel(minutes=2)
    assert fire(pack) == MOST_UNDER_WAY + 1
    assert (rung(pack, HOSTILE), rung(pack, pack.user)) == (MOST_UNDER_WAY, 1)
    assert fire(pack) == 0


@pytest.mark.parametrize("done", [1, 7, MOST_UNDER_WAY])
def test_as_many_are_fired_as_were_closed(pack: Pack, done: int) -> None:
    tasks_of(pack, HOSTILE, 60)
    pack.travel(minutes=1)
    fire(pack)
    close(pack, done)
    assert [fire(pack), fire(pack)] == [done, 0]


def test_what_is_due_again_later_makes_room(pack: Pack) -> None:
    tasks_of(pack, HOSTILE, 60)
    pack.travel(minutes=1)
    fire(pack)
    pack.sql(
        "UPDATE reminder SET fired_at = NULL, due_at = %(at)s WHERE fired_at IS NOT NULL", at=START + timedelta(hours=1)
    )
    assert fire(pack) == MOST_UNDER_WAY


def test_a_delivery_that_died_counts_for_a_minute(pack: Pack) -> None:
    """A user whose send-reminder dies, or is parked, goes on slowly: nothing is lost."""
    tasks_of(pack, HOSTILE, 50)
    pack.travel(minutes=1)
    found = [fire(pack)]
    for _ in range(3):
        assert fire(pack) == 0
        pack.travel(seconds=61)
        found.append(fire(pack))
    assert found == [30, 20, 0, 0]
    assert rung(pack, HOSTILE) == 50


@pytest.mark.parametrize("days", [400, 2, -1, -400])
def test_a_journey_in_time_leaves_nobody_blocked(pack: Pack, days: int) -> None:
    tasks_of(pack, HOSTILE, 2 * MOST_UNDER_WAY)
    pack.travel(minutes=1)
    fire(pack)
    pack.sql("UPDATE reminder SET due_at = due_at + %(by)s WHERE fired_at IS NULL", by=timedelta(days=days))
    pack.travel(days=days)
    assert fire(pack) == MOST_UNDER_WAY


def test_all_three_thousand_are_fired_once(pack: Pack) -> None:
    tasks_of(pack, HOSTILE, 60, reminders=50)
    pack.travel(minutes=5)
    fire_all(pack)
    assert rung(pack, HOSTILE) == 3000
    assert pack.sql("SELECT FROM reminder WHERE fired_at IS NULL") == []


def test_what_is_stale_is_closed_by_whole_batches(pack: Pack) -> None:
    """It is not sent, so it does not count, and does not wait for what is sent."""
    stale = due_reminders.BATCH + 100
    tasks_of(pack, HOSTILE, stale)
    pack.travel(days=30)
    tasks_of(pack, HOSTILE, 30, due=START + timedelta(days=30))
    pack.travel(minutes=1)
    assert fire(pack) + fire(pack) >= due_reminders.BATCH + MOST_UNDER_WAY
    while fire(pack):
        pass
    assert rung(pack, HOSTILE) == MOST_UNDER_WAY
    assert pack.sql("SELECT count(*) FROM reminder WHERE closed_at IS NOT NULL") == [(stale,)]


@pytest.mark.parametrize("each", [5, 40])
def test_many_who_have_enough_under_way_hide_nobody(pack: Pack, each: int) -> None:
    """They fill the oldest thousand that are due, and the first two hundred users behind."""
    for number in range(300):
        tasks_of(pack, f"{HOSTILE}-{number}", each)
    tasks_of(pack, pack.user, 1, due=START + timedelta(minutes=3))
    pack.travel(minutes=5)
    pack.sql(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at, fired_at)"
        " SELECT uuidv7(), min(task_id), user_id, %(now)s + n * interval '1 h', %(now)s, %(now)s FROM task,"
        " generate_series(1, %(most)s) AS n WHERE user_id LIKE 'hostile-%%' GROUP BY user_id, n",
        now=clock.now(), most=MOST_UNDER_WAY,
    )  # fmt: skip
    assert fire(pack) == 1
    assert rung(pack, pack.user) == 1
