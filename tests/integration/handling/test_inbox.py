"""The inbox: attempts counted, answers remembered, commands handled once, poison put aside, rows that go in time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from create_task import CreateTask
from taskmaster.database import retention
from taskmaster.database.session import Busy, TooSlow, Unavailable
from taskmaster.database.user_transaction import UserTransaction
from taskmaster.events import cloudevent
from taskmaster.handling import attempts, idempotency
from tests.support.function_pack import Event, Json, Pack

LIMIT = 10  # MAX_ATTEMPTS, as it is unless somebody sets it


class Crash(BaseException):
    """The process is gone: nothing catches it, nothing cleans up."""


def row(pack: Pack, event_id: str = "e") -> tuple[int, int | None] | None:
    """Attempts and status of an event of the user, or None where nothing is kept of it."""
    rows = pack.sql(
        "SELECT attempts, status FROM inbox WHERE user_id = %(user)s AND id = %(id)s", user=pack.user, id=event_id
    )
    return (rows[0][0], rows[0][1]) if rows else None


def create(pack: Pack, title: str = "x", **attributes: str) -> int:
    return pack.event("create-task", "task.create", {"title": title}, event_id="e", **attributes).status_code


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[None]:
    """Let every create fail as its transaction begins to write; how often it was tried."""
    tried: list[None] = []

    def fail(self: UserTransaction, task: Any) -> None:
        tried.append(None)
        raise error

    monkeypatch.setattr(UserTransaction, "insert_task", fail)
    return tried


# Counting -------------------------------------------------------------------------------------------------------------


def test_a_handled_event_was_one_attempt_and_has_its_answer(pack: Pack) -> None:
    assert create(pack) == 204
    assert row(pack) == (1, 204)
    assert create(pack) == 204
    assert row(pack) == (1, 204)  # a repeat of what was answered is no attempt


def test_an_attempt_counts_before_anything_is_decoded(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(cloudevent.Received, "event", property(crash))
    for attempt in (1, 2, 3):
        with pytest.raises(Crash):
            create(pack)
        assert row(pack) == (attempt, None)


def test_a_crash_in_the_middle_counts_and_leaves_nothing_else(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        failing(patched, Crash())
        with pytest.raises(Crash):
            create(pack)
    assert row(pack) == (1, None)
    assert pack.tasks() == []
    assert pack.events() == []
    assert create(pack) == 204
    assert row(pack) == (2, 204)
    assert len(pack.tasks()) == len(pack.events()) == 1


def test_a_failure_of_ours_counts_and_comes_again(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("a bug"))
    assert create(pack) == 500
    assert row(pack) == (1, None)


@pytest.mark.parametrize(("error", "status"), [(Unavailable("away"), 503), (Busy("locked"), 409)])
def test_an_outage_is_not_the_events_fault(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    with monkeypatch.context() as patched:
        failing(patched, error)
        for _ in range(LIMIT + 5):
            assert create(pack) == status
        assert row(pack) == (0, None)
    assert create(pack) == 204
    assert row(pack) == (1, 204)


def test_a_statement_that_takes_too_long_may_be_the_events_fault(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, TooSlow("QueryCanceled"))
    assert create(pack) == 503
    assert row(pack) == (1, None)


def test_an_attempt_has_committed_before_the_operation_begins(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def handler(command: CreateTask, work: Any) -> None:
        seen.append(row(pack))  # by a connection of its own

    monkeypatch.setattr("taskmaster.handling.invocation._begin", lambda decoded, work: handler(decoded.command, work))
    assert create(pack) == 204
    assert seen == [(1, None)]


def between(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen once, when an attempt has been counted and before its command is handled."""
    count = attempts.Attempts.count
    left = [happens]

    def counted(self: attempts.Attempts, arrival: Any) -> Any:
        found = count(self, arrival)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(attempts.Attempts, "count", counted)


reading_or_not = pytest.mark.parametrize(
    "command", [{"title": "x"}, {"title": "x", "time_zone": "UTC"}], ids=["reads first", "writes only"]
)


@reading_or_not
def test_what_is_answered_while_it_is_decoded_has_no_second_effect(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, command: Json
) -> None:
    between(monkeypatch, lambda: pack.sql("UPDATE inbox SET status = 204 WHERE user_id = %(user)s", user=pack.user))
    assert pack.event("create-task", "task.create", command, event_id="e").status_code == 204
    assert pack.tasks() == []
    assert pack.events() == []


@reading_or_not
def test_a_row_that_a_crash_of_the_database_took_is_counted_again(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, command: Json
) -> None:
    between(monkeypatch, lambda: pack.sql("DELETE FROM inbox WHERE user_id = %(user)s", user=pack.user))
    for _ in range(2):
        assert pack.event("create-task", "task.create", command, event_id="e").status_code == 204
    assert row(pack) == (1, 204)
    assert len(pack.tasks()) == 1


# Poison ---------------------------------------------------------------------------------------------------------------


def dead_letters(pack: Pack) -> list[Event]:
    return [event for event in pack.events() if event.topics == ["dead-letters"]]


def test_past_the_limit_an_event_goes_to_the_dead_letters_once(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(monkeypatch, RuntimeError("poison"))
    answers = [create(pack, title="poison", correlationid="c", partitionkey="p") for _ in range(LIMIT + 3)]
    assert answers == [500] * LIMIT + [204] * 3
    assert len(tried) == LIMIT
    assert row(pack) == (LIMIT + 1, 204)

    [letter] = dead_letters(pack)
    assert letter.data == {"title": "poison"}
    assert {name: letter.attributes[name] for name in ("id", "type", "source", "correlationid", "userid")} == {
        "id": "e", "type": "task.create", "source": "/tests", "correlationid": "c", "userid": pack.user,
    }  # fmt: skip
    assert letter.attributes["knativeerrordest"] == "create-task"
    assert letter.attributes["reason"] == f"failed {LIMIT} times"
    assert letter.key == "p"


def test_crashes_alone_reach_the_limit(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        failing(patched, Crash())
        for _ in range(LIMIT):
            with pytest.raises(Crash):
                create(pack)
    assert create(pack) == 204  # and it would work by now, but nobody can know
    assert pack.tasks() == []
    assert len(dead_letters(pack)) == 1


def test_the_dead_letter_and_the_answer_are_one_transaction(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("poison"))
    for _ in range(LIMIT):
        create(pack)
    with monkeypatch.context() as patched:
        patched.setattr(
            "taskmaster.database.system_transaction.SystemTransaction.answer_inbox",
            lambda *_: (_ for _ in ()).throw(Crash()),
        )
        with pytest.raises(Crash):
            create(pack)
    assert dead_letters(pack) == []
    assert row(pack) == (LIMIT + 1, None)
    assert create(pack) == 204
    assert len(dead_letters(pack)) == 1


def test_the_limit_is_a_setting(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_ATTEMPTS", "2")
    failing(monkeypatch, RuntimeError("poison"))
    assert [create(pack) for _ in range(4)] == [500, 500, 204, 204]


def test_one_poisonous_event_holds_up_no_other(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        failing(patched, RuntimeError("poison"))
        for _ in range(LIMIT + 1):
            create(pack)
    assert pack.event("create-task", "task.create", {"title": "the next"}).status_code == 204
    assert [task["title"] for task in pack.tasks()] == ["the next"]


def test_an_envelope_that_always_fails_is_parked_as_it_came(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = failing(monkeypatch, RuntimeError("poison"))
    envelope = {"event_id": "inner", "event_type": "task.create", "user_id": pack.user, "data": {"title": "x"}}
    answers = [pack.envelope("create-task", envelope, offset=1).status_code for _ in range(LIMIT + 2)]
    assert answers == [500] * LIMIT + [204] * 2
    assert len(tried) == LIMIT
    rows = pack.sql("SELECT headers FROM outbox WHERE headers->>'ce_source' LIKE %(end)s", end=f"%{pack.user}")
    [(headers,)] = rows
    assert headers["ce_type"] == "dev.knative.kafka.event"
    assert headers["ce_id"] == "partition:0/offset:1"


def test_an_event_that_was_answered_meanwhile_is_not_parked(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_ATTEMPTS", "1")
    with monkeypatch.context() as patched:
        failing(patched, RuntimeError("poison"))
        create(pack)
    park = attempts.Attempts._park

    def late(self: attempts.Attempts, key: Any, *rest: Any) -> Any:
        pack.sql("UPDATE inbox SET status = 204 WHERE user_id = %(user)s", user=pack.user)
        return park(self, key, *rest)

    monkeypatch.setattr(attempts.Attempts, "_park", late)
    assert create(pack) == 204
    assert dead_letters(pack) == []


# Remembering ----------------------------------------------------------------------------------------------------------


def test_the_digest_tells_one_command_from_another(pack: Pack) -> None:
    assert create(pack, "x") == 204
    assert create(pack, "y") == 422
    assert row(pack) == (1, 204)
    assert create(pack, "x") == 204
    assert [task["title"] for task in pack.tasks()] == ["x"]


def test_the_digest_tells_them_apart_before_the_first_was_answered(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        failing(patched, RuntimeError("not yet"))
        assert create(pack, "x") == 500
    assert create(pack, "y") == 422
    assert create(pack, "x") == 204


@pytest.mark.parametrize("error", [RuntimeError("not yet"), Unavailable("away"), Busy("locked")])
def test_a_command_is_known_however_written_before_it_was_answered(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patched:
        failing(patched, error)
        assert create(pack, "x") >= 409
    other = b'{"tags": [], "title": "x"}'
    assert pack.event("create-task", "task.create", {"title": "y"}, event_id="e").status_code == 422
    assert pack.event("create-task", "task.create", other, event_id="e").status_code == 204
    assert create(pack, "x") == 204
    assert len(pack.tasks()) == 1


def test_of_two_commands_that_came_before_any_was_understood_one_is_refused(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        failing(patched, Crash())
        with pytest.raises(Crash):
            create(pack, "x")
    assert create(pack, "y") == 422
    assert create(pack, "x") == 204
    assert create(pack, "y") == 422
    assert [task["title"] for task in pack.tasks()] == ["x"]


def test_a_malformed_event_takes_no_answer_from_the_command_that_has_its_id(pack: Pack) -> None:
    assert create(pack, "x") == 204
    for body in (b"{", b'{"titel": "x"}'):
        assert pack.event("create-task", "task.create", body, event_id="e").status_code in (400, 422)
    assert row(pack) == (1, 204)
    assert create(pack, "x") == 204


def test_a_malformed_event_repeats_its_answer_without_being_decoded(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pack.event("create-task", "task.create", {"titel": "x"}, event_id="e")
    assert row(pack) == (1, 422)
    monkeypatch.setattr(CreateTask, "model_validate", lambda *_: (_ for _ in ()).throw(Crash()))
    second = pack.event("create-task", "task.create", {"titel": "x"}, event_id="e")
    assert first.status_code == second.status_code == 422
    assert first.headers["kne-reason"] == second.headers["kne-reason"]


def test_a_refusal_is_an_answer_like_any_other(pack: Pack) -> None:
    pack.event("complete-task", "task.complete", {"task_id": 10**9}, event_id="e")
    assert row(pack) == (1, 204)


def test_functions_keep_their_own_rows(pack: Pack) -> None:
    task = pack.create()
    data = {"task_id": task["task_id"]}
    assert pack.event("complete-task", "task.complete", data, event_id="e").status_code == 204
    assert pack.event("reopen-task", "task.reopen", data, event_id="e").status_code == 204
    assert [event.type for event in pack.events()] == ["task.created", "task.completed", "task.updated"]


def test_of_a_wrapped_record_only_the_row_of_its_event_stays(pack: Pack) -> None:
    envelope = {"event_id": "inner", "event_type": "task.create", "user_id": pack.user, "data": {"title": "x"}}
    assert pack.envelope("create-task", envelope, offset=1).status_code == 204
    assert row(pack, "inner") == (1, 204)
    source = f"%{pack.user}"
    assert pack.sql("SELECT FROM inbox WHERE user_id = '' AND source LIKE %(source)s", source=source) == []


def test_a_wrapped_record_that_is_malformed_has_its_answer_under_its_place(pack: Pack) -> None:
    for _ in range(2):
        assert pack.envelope("create-task", b"{", offset=1).status_code == 400
    kept = pack.sql(
        "SELECT id, attempts, status FROM inbox WHERE user_id = '' AND source LIKE %(source)s", source=f"%{pack.user}"
    )
    assert kept == [("partition:0/offset:1@2026-11-24T13:42:37.988Z", 1, 400)]


def test_another_type_and_a_tick_leave_no_row(pack: Pack) -> None:
    pack.event("create-task", "task.created", {}, event_id="e")
    pack.event("relay-outbox", cloudevent.PING, {}, event_id="e")
    assert row(pack) is None


def test_a_command_being_handled_is_answered_409_and_uncounted(pack: Pack) -> None:
    with locked(pack, "e"):
        assert create(pack) == 409
    assert create(pack) == 204


@contextmanager
def locked(pack: Pack, event_id: str) -> Iterator[None]:
    """Somebody else holds the inbox row of an event: it is being handled right now."""
    import psycopg

    insert = (
        "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
        " VALUES ('create-task', %s, '/tests', %s, %s, now() + interval '1 day')"
    )
    pack.sql("ALTER ROLE taskmaster_system SET lock_timeout = '100ms'")
    try:
        with psycopg.connect(pack.owner_url) as connection:
            connection.execute(insert, [pack.user, event_id, idempotency.digest(b'{"title": "x"}')])
            yield
            connection.rollback()
    finally:
        pack.sql("ALTER ROLE taskmaster_system SET lock_timeout = '3s'")
        pack.restart()


# Forgetting -----------------------------------------------------------------------------------------------------------


def test_calls_are_remembered_for_a_day_and_events_for_eight(pack: Pack) -> None:
    create(pack)
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="k")
    kept = dict(pack.sql("SELECT id, expires_at - received_at FROM inbox WHERE user_id = %(user)s", user=pack.user))
    assert kept == {"e": timedelta(days=8), "k": timedelta(hours=24)}


def test_business_time_does_not_make_the_inbox_forget(pack: Pack) -> None:
    create(pack)
    pack.travel(days=400)
    retention.purge(pack.runtime.database)
    assert create(pack) == 204
    assert len(pack.tasks()) == 1


def expire(pack: Pack, count: int) -> None:
    """So many rows of the user that are past their time, and one that is not."""
    pack.sql(
        "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
        " SELECT 'f', %(user)s, 's', n::text, '', now() + CASE n WHEN 0 THEN 1 ELSE -1 END * interval '1 minute'"
        " FROM generate_series(0, %(count)s) n",
        user=pack.user,
        count=count,
    )


def left(pack: Pack) -> int:
    [(count,)] = pack.sql("SELECT count(*) FROM inbox WHERE user_id = %(user)s", user=pack.user)
    return int(count)


def test_relay_outbox_forgets_what_is_past_its_time(pack: Pack) -> None:
    expire(pack, 3)
    pack.sql("DELETE FROM outbox")  # there is no broker here
    assert pack.event("relay-outbox", cloudevent.PING, {}).status_code == 204
    assert left(pack) == 1


def test_a_purge_goes_in_batches(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    expire(pack, 25)
    monkeypatch.setattr(retention, "_BATCH", 10)
    monkeypatch.setattr(retention, "_MOST_BATCHES", 2)
    assert retention.purge(pack.runtime.database) == 20
    assert retention.purge(pack.runtime.database) == 5
    assert retention.purge(pack.runtime.database) == 0
    assert left(pack) == 1


@pytest.mark.parametrize("title", ["x", "another command"])
def test_a_key_past_its_time_is_new_whether_or_not_it_was_purged(pack: Pack, title: str) -> None:
    first = pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="k")
    pack.sql("UPDATE inbox SET expires_at = now() - interval '1 s' WHERE user_id = %(user)s", user=pack.user)
    again = [pack.call("create-task", "POST", "/tasks", {"title": title}, Idempotency_Key="k") for _ in range(2)]
    assert [answer.status_code for answer in (first, *again)] == [201, 201, 201]
    assert again[0].json == again[1].json != first.json
    assert len(pack.tasks()) == 2
    [(left,)] = pack.sql("SELECT expires_at - now() FROM inbox WHERE user_id = %(user)s", user=pack.user)
    assert left > timedelta(hours=23)


def test_a_command_that_comes_after_it_was_forgotten_is_a_new_one(pack: Pack) -> None:
    user = str(uuid4())
    pack.event("create-task", "task.create", {"title": "x"}, event_id="e", user=user)
    pack.sql("UPDATE inbox SET expires_at = now() - interval '1 s' WHERE user_id = %(user)s", user=user)
    retention.purge(pack.runtime.database)
    pack.event("create-task", "task.create", {"title": "x"}, event_id="e", user=user)
    assert len(pack.call("query-tasks", "GET", "/tasks", user=user).json["tasks"]) == 2  # type: ignore[index]
