"""What a store owes those who use it, held against the one in memory and the one on PostgreSQL alike."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks, PagePosition, page, position_of
from taskmaster.domain.preferences import Preferences, QuietHours
from taskmaster.domain.recurring_task import first_occurrence
from taskmaster.domain.reminder_rows import Move
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task
from taskmaster.domain.user_channels import Webhook
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from taskmaster.handling.idempotency import KEEP_EVENTS, inbox_key
from tests.support.fake_store import MOST_UNDER_WAY, FakeStore

Store = FakeStore | Database

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DIGEST, OTHER = b"a" * 32, b"b" * 32


class Empty(BaseModel):
    """Data without a field."""


@pytest.fixture
def ada() -> str:
    return f"ada-{uuid4()}"


@pytest.fixture
def bob() -> str:
    return f"bob-{uuid4()}"


# Tasks ------------------------------------------------------------------------------------------------------------


def test_a_task_is_read_as_it_was_written(store: Store, ada: str) -> None:
    task = _keep(
        store,
        ada,
        title="water the plants",
        description="all of them",
        priority="high",
        tags=["home", "green"],
        due_at=NOW + timedelta(days=1, microseconds=7),
        time_zone="Europe/Zurich",
        reminders=["PT30M", "P1D"],
        snoozed_until=NOW + timedelta(hours=1),
    )
    with store.as_user(ada) as transaction:
        assert transaction.read_task(task.task_id) == transaction.lock_task(task.task_id) == task


def test_nobody_else_sees_changes_or_deletes_it(store: Store, ada: str, bob: str) -> None:
    task = _keep(store, ada)
    with store.as_user(bob) as transaction:
        assert transaction.read_task(task.task_id) is transaction.lock_task(task.task_id) is None
        transaction.update_task(task.model_copy(update={"title": "mine"}))
        transaction.delete_task(task)
    with store.as_user(bob) as transaction:
        assert _listed(transaction) == []
    assert _read(store, ada, task) == task


def test_a_change_replaces_all_but_when_it_was_made(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_on=date(2026, 12, 1))
    changed = task.changed(at=NOW + timedelta(hours=1), title="other", due_on=None, due_at=NOW, tags=["x"])
    with store.as_user(ada) as transaction:
        transaction.update_task(changed.model_copy(update={"created_at": NOW - timedelta(days=9)}))
    assert _read(store, ada, task) == changed


def test_what_fails_leaves_nothing(store: Store, ada: str) -> None:
    kept = _keep(store, ada)
    key = _key(ada)
    with pytest.raises(HalfWay):
        _fail_half_way(store, ada, kept, key)
    with store.as_user(ada) as transaction:
        assert _listed(transaction) == [kept]
        assert transaction.lock_inbox(key) is None


def test_new_ids_are_never_given_twice(store: Store, ada: str) -> None:
    ids = []
    for _ in range(3):
        with store.as_user(ada) as transaction:
            ids += [transaction.new_task_id() for _ in range(20)]
    assert len(set(ids)) == 60


# Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "due", "priority", "title"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_order_is_paged_without_gap_or_repeat(store: Store, ada: str, sort: str, sign: str) -> None:
    for number in range(7):
        _keep(
            store,
            ada,
            title=("Äpfel", "apples", "Zebra", "apples", "zoo", "a", "_")[number],
            priority=("low", "urgent", "medium", "high")[number % 4],
            due_on=None if number % 3 == 0 else date(2026, 12, 1 + number % 2),
            created_at=NOW + timedelta(minutes=number // 2),
            updated_at=NOW - timedelta(minutes=number // 2),
        )
    everything = _paged(store, ada, f"{sign}{sort}", limit=100)
    assert [len(everything), len({task.task_id for task in everything})] == [7, 7]
    assert _paged(store, ada, f"{sign}{sort}", limit=2) == everything
    opposite = _paged(store, ada, sort if sign else f"-{sort}", limit=3)
    assert opposite == everything[::-1]


def test_titles_are_ordered_by_code_point(store: Store, ada: str) -> None:
    for title in ("b", "ä", "B", "a", "_"):
        _keep(store, ada, title=title)
    assert [task.title for task in _paged(store, ada, "title", limit=9)] == ["B", "_", "a", "b", "ä"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "abcde"),
        ({"status": "open"}, "abce"),
        ({"status": "completed"}, "d"),
        ({"status": "overdue"}, "a"),
        ({"priority": ["high", "low"]}, "bc"),
        ({"tag": ["home"]}, "ab"),
        ({"tag": ["home", "green"]}, "b"),
        ({"text": "PLANTS"}, "ac"),
        ({"text": "100%"}, "e"),
        ({"due_from": "2026-11-24"}, "bc"),
        ({"due_to": "2026-11-23"}, "a"),
        ({"due_from": "2026-11-24T23:30:00Z"}, "bc"),
        ({"due_from": "2026-11-25", "due_to": "2026-11-25"}, "bc"),
        ({"due_from": "2026-11-25T00:00:00Z"}, "c"),
    ],
)
def test_filters_find_the_same_tasks(store: Store, ada: str, query: dict[str, Any], found: str) -> None:
    names = {}
    kept: dict[str, dict[str, Any]] = {
        "a": {"title": "water the plants", "tags": ["home"], "due_on": date(2026, 11, 23)},
        "b": {  # half past midnight on the 25th in Zurich
            "priority": "high",
            "tags": ["green", "home"],
            "due_at": datetime(2026, 11, 24, 23, 30, tzinfo=UTC),
            "time_zone": "Europe/Zurich",
        },
        "c": {"description": "Plants", "priority": "low", "due_on": date(2026, 11, 25)},
        "d": {"completed": True, "completed_at": NOW},
        "e": {"title": "100%_sure"},
    }
    for name, fields in kept.items():
        names[_keep(store, ada, **fields).task_id] = name
    command = ListTasks.model_validate({"sort": "created_at", "limit": 100, **query})
    with store.as_user(ada) as transaction:
        tasks = transaction.list_tasks(command.filters(now=NOW), command.sort, None, 100)
    assert "".join(sorted(names[task.task_id] for task in tasks)) == found


# Series -----------------------------------------------------------------------------------------------------------


def test_a_series_is_read_as_it_was_written_and_by_its_owner_alone(store: Store, ada: str, bob: str) -> None:
    task, series = _keep_series(store, ada, due_at=NOW, reminders=["PT5M"])
    with store.as_user(ada) as transaction:
        assert transaction.lock_series(task.task_id) == transaction.read_series(task.task_id) == series
    with store.as_user(bob) as transaction:
        assert transaction.lock_series(task.task_id) is None
        transaction.update_series(series.ended(at=NOW))
    with store.as_user(ada) as transaction:
        assert transaction.read_series(task.task_id) == series


def test_the_latest_later_occurrence_is_found(store: Store, ada: str) -> None:
    task, series = _keep_series(store, ada)
    with store.as_user(ada) as transaction:
        assert transaction.lock_latest_after(series.series_id, 1) is None
        done = task.complete(at=NOW)
        transaction.update_task(done)
        for occurrence in (2, 3):
            following = done.model_copy(update={"task_id": transaction.new_task_id(), "occurrence": occurrence})
            transaction.insert_task(following)
        latest = transaction.lock_latest_after(series.series_id, 1)
        assert latest is not None
        assert latest.occurrence == 3
        assert transaction.lock_latest_after(series.series_id, 3) is None


@pytest.mark.parametrize("query", [{}, {"text": "wat"}, {"status": "completed"}, {"tag": ["home"]}])
def test_a_list_of_a_series_has_its_occurrences_alone(store: Store, ada: str, bob: str, query: dict[str, Any]) -> None:
    task, series = _keep_series(store, ada, title="water", tags=["home"])
    _keep_series(store, ada, title="water", tags=["home"])
    _keep(store, ada, title="water", tags=["home"])
    with store.as_user(ada) as transaction:
        done = task.complete(at=NOW)
        transaction.update_task(done)
        successor = task.model_copy(update={"task_id": transaction.new_task_id(), "occurrence": 2})
        transaction.insert_task(successor)
    for user, expected in ((ada, [done] if query.get("status") else [done, successor]), (bob, [])):
        command = ListTasks.model_validate({"sort": "created_at", "series_id": series.series_id, **query})
        with store.as_user(user) as transaction:
            assert transaction.list_tasks(command.filters(now=NOW), command.sort, None, 100) == expected


def test_two_open_occurrences_cannot_be_committed(store: Store, ada: str) -> None:
    task, _ = _keep_series(store, ada)
    with pytest.raises(Exception), store.as_user(ada) as transaction:  # noqa: B017 - each store has its own
        transaction.insert_task(task.model_copy(update={"task_id": transaction.new_task_id(), "occurrence": 2}))
    with store.as_user(ada) as transaction:
        assert _listed(transaction) == [task]


def test_a_series_goes_with_its_last_task(store: Store, ada: str) -> None:
    task, series = _keep_series(store, ada)
    with store.as_user(ada) as transaction:
        done = task.complete(at=NOW)
        following = done.model_copy(update={"task_id": transaction.new_task_id(), "occurrence": 2})
        transaction.update_task(done)
        transaction.insert_task(following)
        transaction.delete_task(done)
        assert transaction.read_series(series.series_id) == series
        transaction.delete_task(following)
        assert transaction.read_series(series.series_id) is None


# Reminders and preferences ----------------------------------------------------------------------------------------


def test_reminders_are_armed_once_for_each_moment_and_fired_once(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW)
    early, late = NOW, NOW + timedelta(hours=1)
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [early, late])
        transaction.insert_reminders(task, [early])
    assert _due(store, at=early - timedelta(seconds=1)) == []
    fired = _fire(store, task, at=early)
    assert [(each.task_id, each.moment, each.is_stale) for each in fired] == [(task.task_id, early, False)]
    assert _fire(store, task, at=early) == []
    assert [each.moment for each in _fire(store, task, at=late)] == [late]


def test_a_stale_reminder_is_closed_as_it_is_fired(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW)
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [NOW])
    [fired] = _fire(store, task, at=NOW + timedelta(hours=25))
    assert fired.is_stale
    with store.as_user(ada) as transaction:
        _, row, _ = transaction.lock_reminder(task.task_id, fired.reminder_id)
    assert row is not None
    assert row.is_closed


def test_what_is_due_comes_with_its_task_and_its_user(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW, title="ring")
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [NOW])
    [due] = [each for each in _due(store, at=NOW) if each.task.task_id == task.task_id]
    assert (due.task.title, due.task.due_at, due.user_id) == ("ring", NOW, ada)


def test_dropping_reminders_spares_those_to_keep_and_those_that_are_closed(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW)
    first, second, third = (NOW + timedelta(hours=hours) for hours in range(3))
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [first, second, third])
    [fired] = _fire(store, task, at=first)
    with store.as_user(ada) as transaction:
        _, row, _ = transaction.lock_reminder(task.task_id, fired.reminder_id)
        assert row is not None
        transaction.update_reminder(row.model_copy(update={"is_closed": True, "attempts": 1, "outcomes": {"x": {}}}))
        transaction.drop_reminders(task, [third])
        _, kept, _ = transaction.lock_reminder(task.task_id, fired.reminder_id)
    assert kept is not None
    assert (kept.is_closed, kept.attempts, kept.outcomes) == (True, 1, {"x": {}})
    assert [each.moment for each in _fire(store, task, at=third)] == [third]


def test_holding_back_moves_what_is_due_of_this_user_alone(store: Store, ada: str, bob: str) -> None:
    first, later = NOW, NOW + timedelta(hours=1)
    tasks = {user: _keep(store, user, due_at=NOW) for user in (ada, bob)}
    for user, task in tasks.items():
        with store.as_user(user) as transaction:
            transaction.insert_reminders(task, [first, later])
    until = NOW + timedelta(hours=2)
    with store.as_user(ada) as transaction:
        transaction.hold_back_due(NOW, until, 10)
    assert [each.moment for each in _fire(store, tasks[bob], at=first)] == [first]
    assert _fire(store, tasks[ada], at=first) == []
    assert [each.moment for each in _fire(store, tasks[ada], at=later)] == [later]
    with store.as_user(ada) as transaction:
        transaction.hold_back_due(until, until + timedelta(hours=1), 10)  # the one in delivery stays
    assert _fire(store, tasks[ada], at=until) == []
    assert [each.moment for each in _fire(store, tasks[ada], at=until + timedelta(hours=1))] == [first]


def test_holding_back_takes_a_limited_number_at_once(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW)
    moments = [NOW + timedelta(seconds=number) for number in range(3)]
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, moments)
        transaction.hold_back_due(moments[-1], NOW + timedelta(hours=1), 2)
    assert [each.moment for each in _fire(store, task, at=moments[-1])] == moments[2:]


def test_reminders_go_with_their_task(store: Store, ada: str) -> None:
    task = _keep(store, ada, due_at=NOW)
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [NOW])
        transaction.delete_task(task)
    assert task.task_id not in {each.task.task_id for each in _due(store, at=NOW)}


def test_open_tasks_due_on_a_day_come_by_their_ids_a_few_at_a_time(store: Store, ada: str, bob: str) -> None:
    day = date(2026, 11, 24)
    wanted = [_keep(store, ada, due_on=day + timedelta(days=days)) for days in (1, 0)]
    _keep(store, ada, due_on=day - timedelta(days=1))
    _keep(store, ada, due_at=NOW)
    _keep(store, ada, due_on=day, completed=True, completed_at=NOW)
    _keep(store, bob, due_on=day)
    with store.as_user(ada) as transaction:
        first = transaction.lock_tasks_to_move(0, day, 1)
        rest = transaction.lock_tasks_to_move(first[0].task_id, day, 9)
    assert first + rest == sorted(wanted, key=lambda task: task.task_id)
    assert len(first) == 1


def test_what_is_due_comes_by_turns_of_users(store: Store, ada: str, bob: str) -> None:
    moments = [NOW + timedelta(seconds=seconds) for seconds in range(6)]
    for user, own in ((ada, moments[:5]), (bob, moments[5:])):
        task = _keep(store, user, due_at=NOW)
        with store.as_user(user) as transaction:
            transaction.insert_reminders(task, own)
    due = [each for each in _due(store, at=moments[-1]) if each.user_id in (ada, bob)]
    assert [each.user_id for each in due] == [ada, bob, ada, ada, ada, ada]


def test_of_a_user_few_are_under_way_at_once(store: Store, ada: str, bob: str) -> None:
    moments = [NOW + timedelta(seconds=seconds) for seconds in range(MOST_UNDER_WAY + 10)]
    for user in (ada, bob):
        task = _keep(store, user, due_at=NOW)
        with store.as_user(user) as transaction:
            transaction.insert_reminders(task, moments if user == ada else moments[-1:])

    def has_due(at: datetime, stale: datetime | None = None) -> Counter[str]:
        with store.as_system() as system:
            found, _ = _fired(system, at, stale)
        return Counter(each.user_id for each in found if each.user_id in (ada, bob))

    at = moments[-1]
    assert has_due(at) == {ada: MOST_UNDER_WAY, bob: 1}
    assert has_due(at + timedelta(seconds=60)) == {}
    assert has_due(at + timedelta(seconds=60), stale=moments[MOST_UNDER_WAY + 2]) == {ada: 3}
    assert has_due(at + timedelta(seconds=121)) == {ada: 7}
    with store.as_system() as system:
        assert system.next_moment(at + timedelta(days=400)) is None


def test_a_move_is_begun_once_and_begins_again(store: Store, ada: str, bob: str) -> None:
    day = date(2026, 11, 24)
    tickets = [str(uuid4()) for _ in range(3)]
    with store.as_user(ada) as transaction:
        transaction.begin_move(_event(ada), tickets[0], NOW, day)
        assert transaction.read_move(tickets[0]) is None  # nothing is due on a day
    _keep(store, ada, due_on=day)
    for ticket in tickets[1:]:
        with store.as_user(ada) as transaction:
            transaction.begin_move(_event(ada), ticket, NOW, day)
            assert transaction.read_move(tickets[1]) == Move(0, NOW)
            transaction.advance_move(tickets[1], 7)
            assert transaction.read_move(tickets[1]) == Move(7, NOW)
            assert transaction.read_move(tickets[2]) is None  # the first is still at it
    with store.as_user(bob) as transaction:
        assert transaction.read_move(tickets[1]) is None
        transaction.end_move(tickets[1])
    with store.as_user(ada) as transaction:
        transaction.end_move(tickets[2])
        assert transaction.read_move(tickets[1]) == Move(7, NOW)
        transaction.end_move(tickets[1])
        assert transaction.read_move(tickets[1]) is None


def test_preferences_are_their_owners_and_default_until_set(store: Store, ada: str, bob: str) -> None:
    secret = "whsec_" + "a" * 32
    wanted = Preferences(
        time_zone="Asia/Tokyo",
        day_hour="07:30",
        reminders=["PT15M", "P1D"],
        quiet_hours=QuietHours(start="22:00", end="06:00"),
        channels=[Webhook(type="webhook", url="https://example.com/x", secret=secret)],
    )
    for preferences in (Preferences(), wanted, Preferences(day_hour="10:00")):
        with store.as_user(ada) as transaction:
            transaction.save_preferences(preferences)
        with store.as_user(ada) as transaction:
            assert transaction.read_preferences() == transaction.change_preferences() == preferences
    with store.as_user(bob) as transaction:
        assert transaction.read_preferences() == Preferences()


# Inbox ------------------------------------------------------------------------------------------------------------


def test_attempts_are_counted_until_there_is_an_answer(store: Store, ada: str) -> None:
    key = _key(ada)
    assert [_attempt(store, key).attempts for _ in range(3)] == [1, 2, 3]
    with store.as_user(ada) as transaction:
        transaction.answer_inbox(key, 201, {"body": "x"})
    again = _attempt(store, key)
    assert (again.attempts, again.status, again.answer, bytes(again.digest)) == (3, 201, {"body": "x"}, DIGEST)


def test_an_attempt_that_ends_its_transaction_is_counted_like_any_other(store: Store, ada: str) -> None:
    key = _key(ada)
    for attempts in (1, 2):
        with store.as_system() as system:
            assert system.count_attempt_and_commit(key, DIGEST, KEEP_EVENTS).attempts == attempts


def test_a_check_is_given_the_row_before_the_commit(store: Store, ada: str) -> None:
    key = _key(ada)
    seen: list[InboxRow | None] = []
    with store.as_user(ada) as transaction:
        transaction.lock_inbox_later(key, seen.append)
    with store.as_user(ada) as transaction:
        transaction.count_attempt_later(key, DIGEST, KEEP_EVENTS, seen.append)
        transaction.read_preferences()
    with store.as_user(ada) as transaction:
        transaction.lock_inbox_later(key, seen.append)
        transaction.insert_task(_task(transaction.new_task_id()))
    assert [each and (each.attempts, each.status, bytes(each.digest)) for each in seen] == [
        None,
        (1, None, DIGEST),
        (1, None, DIGEST),
    ]


@pytest.mark.parametrize("reads", [True, False])
def test_what_a_check_raises_leaves_nothing(store: Store, ada: str, reads: bool) -> None:
    def refuse(row: InboxRow) -> None:
        raise HalfWay

    def write() -> None:
        with store.as_user(ada) as transaction:
            transaction.count_attempt_later(key, DIGEST, KEEP_EVENTS, refuse)
            transaction.insert_task(_task(transaction.new_task_id()))
            if reads:
                transaction.read_preferences()

    key = _key(ada)
    with pytest.raises(HalfWay):
        write()
    with store.as_user(ada) as transaction:
        assert _listed(transaction) == []
        assert transaction.lock_inbox(key) is None


def test_the_digest_of_the_first_command_stays(store: Store, ada: str) -> None:
    key = _key(ada)
    _attempt(store, key)
    assert bytes(_attempt(store, key, OTHER).digest) == DIGEST


def test_an_attempt_can_be_taken_back_but_an_answer_cannot(store: Store, ada: str) -> None:
    key = _key(ada)
    _attempt(store, key)
    for _ in range(2):
        with store.as_system() as system:
            system.uncount_attempt(key)
    assert _attempt(store, key).attempts == 1
    with store.as_system() as system:
        system.answer_inbox(key, 204, None)
        system.uncount_attempt(key)
    assert _attempt(store, key).attempts == 1


def test_an_inbox_row_can_be_forgotten_and_begins_anew(store: Store, ada: str) -> None:
    key = _key(ada)
    _attempt(store, key)
    _attempt(store, key)
    with store.as_system() as system:
        system.forget_inbox(key)
        assert system.lock_inbox(key) is None
    assert _attempt(store, key).attempts == 1


def test_the_rows_of_many_keys_are_read_at_once(store: Store, ada: str, bob: str) -> None:
    handled, open_, absent = _key(ada), _key(bob), _key(ada)
    _attempt(store, handled)
    _attempt(store, open_, OTHER)
    with store.as_system() as system:
        system.answer_inbox(handled, 204, {"reason": "why"})
    with store.as_system() as system:
        found = system.read_inbox([handled, absent, open_, handled])
        assert found.keys() == {handled, open_}
        assert (found[handled].status, found[handled].answer) == (204, {"reason": "why"})
        assert (found[open_].status, bytes(found[open_].digest)) == (None, OTHER)
        assert system.read_inbox([]) == {}


def test_an_answer_without_a_row_is_no_row(store: Store, ada: str) -> None:
    key = _key(ada)
    with store.as_user(ada) as transaction:
        transaction.answer_inbox(key, 204, None)
        assert transaction.lock_inbox(key) is None


def test_the_same_id_from_another_user_source_or_function_is_another_command(store: Store, ada: str, bob: str) -> None:
    key = _key(ada)
    _attempt(store, key)
    for other in (
        key._replace(user_id=bob),
        key._replace(source="/elsewhere"),
        key._replace(function="update-task"),
        key._replace(id=key.id + "x"),
    ):
        assert _attempt(store, other).attempts == 1


# The dispatcher's next look -----------------------------------------------------------------------------------------


def test_the_next_moment_is_that_of_the_earliest_armed_reminder(store: Store, ada: str) -> None:
    early = datetime(1971, 1, 1, tzinfo=UTC)  # before those of any other test on this server
    looks = {"now": early, "recheck_by": early + timedelta(seconds=1)}
    with store.as_system() as system:
        system.schedule_next_wakeup(early, **looks)
        assert system.scheduled_wakeup() == early
    task = _keep(store, ada, due_at=early)
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [early + timedelta(hours=1)])
    with store.as_system() as system:
        assert system.schedule_next_wakeup(**looks) == early + timedelta(hours=1)
        assert system.scheduled_wakeup() == early + timedelta(hours=1)
        assert system.schedule_next_wakeup(early + timedelta(minutes=1), **looks) == early + timedelta(hours=1)
        assert system.scheduled_wakeup() == early + timedelta(minutes=1)


def test_while_a_reminder_is_overdue_the_dispatcher_looks_again_soon(store: Store, ada: str) -> None:
    early = datetime(1971, 1, 1, tzinfo=UTC)
    task = _keep(store, ada, due_at=early)
    with store.as_user(ada) as transaction:
        transaction.insert_reminders(task, [early])
    for now in (early, early + timedelta(hours=1)):
        again = now + timedelta(seconds=1)
        with store.as_system() as system:
            assert system.schedule_next_wakeup(now=now, recheck_by=again) == early
            assert system.scheduled_wakeup() == again
            assert system.schedule_next_wakeup(now, now=now, recheck_by=again) == early
            assert system.scheduled_wakeup() == now
    with store.as_user(ada) as transaction:
        transaction.drop_reminders(task, [])


# ------------------------------------------------------------------------------------------------------------------


class HalfWay(Exception):
    pass


def _fail_half_way(store: Store, user: str, kept: Task, key: InboxKey) -> None:
    with store.as_user(user) as transaction:
        transaction.update_task(kept.changed(at=NOW, title="half-done"))
        transaction.insert_task(_task(transaction.new_task_id()))
        transaction.insert_outbox(_event(user))
        transaction.count_attempt(key, DIGEST, KEEP_EVENTS)
        transaction.read_preferences()  # all of it has reached the store
        raise HalfWay


def _task(task_id: int, **fields: Any) -> Task:
    return Task(**{"task_id": task_id, "title": "a task", "created_at": NOW, "updated_at": NOW, **fields})


def _keep(store: Store, user: str, **fields: Any) -> Task:
    with store.as_user(user) as transaction:
        task = _task(transaction.new_task_id(), **fields)
        transaction.insert_task(task)
    return task


def _keep_series(store: Store, user: str, **fields: Any) -> tuple[Task, Series]:
    due = {} if "due_at" in fields else {"due_on": date(2026, 11, 24)}
    with store.as_user(user) as transaction:
        task = first_occurrence(_task(transaction.new_task_id(), recurrence_pattern="daily", **due, **fields))
        series = Series.started_by(task)
        transaction.insert_series(series)
        transaction.insert_task(task)
    return task, series


def _read(store: Store, user: str, task: Task) -> Task | None:
    with store.as_user(user) as transaction:
        return transaction.read_task(task.task_id)


def _listed(transaction: Any) -> list[Task]:
    command = ListTasks(sort="created_at")
    return list(transaction.list_tasks(command.filters(now=NOW), command.sort, None, 100))


def _paged(store: Store, user: str, sort: str, *, limit: int) -> list[Task]:
    found: list[Task] = []
    cursor: str | None = None
    while True:
        command = ListTasks.model_validate({"sort": sort, "limit": limit, "cursor": cursor})
        mark: PagePosition | None = position_of(command)
        with store.as_user(user) as transaction:
            tasks = transaction.list_tasks(command.filters(now=NOW), command.sort, mark, limit + 1)
        got = page(command, tasks)
        found += got.tasks
        cursor = got.next_cursor
        if cursor is None:
            return found


def _fire(store: Store, task: Task, *, at: datetime) -> list[Any]:
    with store.as_system() as system:
        _, fired = _fired(system, at)
    return [each for each in fired if each.task_id == task.task_id]


def _due(store: Store, *, at: datetime) -> list[Any]:
    """What would be fired, in that order; nothing is."""
    with suppress(HalfWay), store.as_system() as system:
        due, _ = _fired(system, at)
        raise HalfWay
    return due


def _fired(system: Any, at: datetime, stale: datetime | None = None) -> tuple[list[Any], list[Any]]:
    stale = stale or at - timedelta(hours=24)
    due, fired = system.fire_due_reminders(at, 1000, stale=stale, characters=1_000_000)
    assert {each.reminder_id for each in fired} == {each.reminder_id for each in due}
    return due, fired


def _key(user: str) -> InboxKey:
    return inbox_key("create-task", user, "/tests", str(uuid4()))


def _attempt(store: Store, key: InboxKey, digest: bytes = DIGEST) -> Any:
    with store.as_system() as system:
        return system.count_attempt(key, digest, KEEP_EVENTS)


def _event(user: str) -> Outgoing:
    origin = Origin(function="create-task", user_id=user, correlation_id=str(uuid4()))
    return outgoing("task.created", Empty(), origin=origin, at=NOW, key="1", topic=lambda _: "task-events")
