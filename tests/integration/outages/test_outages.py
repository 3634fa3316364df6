"""The database away, cut off, crowded or locked: the answer says so, nothing is counted, nobody restarts anything."""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from taskmaster.database.session import Unavailable
from taskmaster.database.user_transaction import UserTransaction
from tests.programs.chaos.victims import Database
from tests.support.command_line import prepare
from tests.support.function_pack import Pack
from tests.support.function_process import eventually
from tests.support.outage import Around, MortalDatabase, in_background


@pytest.fixture
def around(environment: dict[str, str]) -> Around:
    return Around(environment)


# Away -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mortal() -> Iterator[MortalDatabase]:
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
        Path(name).chmod(0o711)
        database = MortalDatabase(Path(name) / "database")
        try:
            yield database
        finally:
            database.stop()


def test_what_was_answered_leaves_no_open_attempt_when_the_database_crashes_at_once(
    environment: dict[str, str],
) -> None:
    """Counting an attempt needs no flush; saying that it was the last one does, for the event does not come again."""
    sound = {"event_id": str(uuid4()), "event_type": "task.create", "user_id": "ada", "data": {"title": "a task"}}
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name, contextlib.ExitStack() as running:
        Path(name).chmod(0o711)
        database = Database(Path(name) / "database")
        database.start()
        running.callback(database.stop)
        around = Around(
            environment
            | {
                "MIGRATION_DATABASE_URL": database.server.url,
                "DATABASE_URL": database.server.login("taskmaster_user", "secret", "postgres"),
                "SYSTEM_DATABASE_URL": database.server.login("taskmaster_system", "secret", "postgres"),
            }
        )
        prepare(around.environment, "migrate")
        with around.function("create-task") as function:
            for envelope, status in [(sound, 204), ({**sound, "event_id": 7}, 400)]:
                place = {"event_id": f"partition:0/offset:{status}", "time": "2026-11-24T13:42:37.988Z"}
                answer = function.event("dev.knative.kafka.event", envelope, **place)
                assert answer.status_code == status
                database.kill()
                database.start()
                assert around.sql("SELECT id, attempts FROM inbox WHERE status IS NULL") == []


def test_while_the_database_is_away_everybody_is_told_to_come_again_and_then_all_goes_on(
    mortal: MortalDatabase, environment: dict[str, str]
) -> None:
    server = mortal.start()
    around = Around(
        environment
        | {
            "MIGRATION_DATABASE_URL": server.url,
            "DATABASE_URL": server.login("taskmaster_user", "secret", "postgres"),
            "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", "postgres"),
        }
    )
    prepare(around.environment, "migrate")
    with around.function("create-task", DATABASE_TIMEOUT="0.5") as function:

        def create(title: str) -> requests.Response:
            return function.call("POST", "/tasks", {"title": title}, user=around.user)

        def deliver() -> int:
            return function.event("task.create", {"title": "by event"}, user=around.user, event_id="e").status_code

        assert create("before").status_code == 201
        mortal.stop()
        answer = create("meanwhile")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert [deliver() for _ in range(3)] == [503, 503, 503]

        mortal.start()
        eventually(lambda: create("after").status_code == 201, "recovery")
        assert deliver() == 204
        assert around.attempts("e") == [(1, 204)], "the outage was not counted"
    titles = [title for (title,) in around.sql("SELECT title FROM task ORDER BY task_id")]
    assert sorted(titles) == ["after", "before", "by event"]


def test_a_function_that_starts_while_the_database_is_away_recovers_too(
    mortal: MortalDatabase, environment: dict[str, str]
) -> None:
    server = mortal.start()
    logins = {
        "MIGRATION_DATABASE_URL": server.url,
        "DATABASE_URL": server.login("taskmaster_user", "secret", "postgres"),
        "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", "postgres"),
    }
    around = Around(environment | logins)
    prepare(around.environment, "migrate")
    mortal.stop()
    with around.function("create-task", DATABASE_TIMEOUT="0.5") as function:

        def create() -> int:
            return function.call("POST", "/tasks", {"title": "a task"}, user=around.user).status_code

        assert create() == 503
        mortal.start()
        eventually(lambda: create() == 201, "recovery")


def test_an_outage_is_no_fault_of_a_wrapped_record_either(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has two rows in the inbox while it is handled: by its place, and by the id of its own."""
    envelope = {"event_id": "e", "event_type": "task.create", "user_id": pack.user, "data": {"title": "a task"}}

    def away(*_: Any) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(UserTransaction, "insert_task", away)
        for _ in range(12):
            assert pack.envelope("create-task", envelope, offset=1).status_code == 503
    assert pack.envelope("create-task", envelope, offset=1).status_code == 204
    assert len(pack.tasks()) == 1


# Cut off --------------------------------------------------------------------------------------------------------------


def test_connections_that_were_ended_while_idle_are_noticed_before_they_are_used(around: Around) -> None:
    """All of them, as after a failover, at every call and event that follows."""
    task_id = around.task()
    with around.function("update-task") as function:

        def rename(title: str) -> requests.Response:
            return function.call("PATCH", f"/tasks/{task_id}", {"title": title}, user=around.user)

        with around.locked(task_id):
            answers = [in_background(partial(rename, f"at once {number}")) for number in range(4)]
            eventually(lambda: len(around.waiting()) == 4, "four transactions at once")
        assert [answer.result().status_code for answer in answers] == [200] * 4

        for number in range(3):
            assert around.cut_off("state = 'idle'") >= (4 if number == 0 else 1)
            assert rename(f"call {number}").status_code == 200
            event = {"task_id": task_id, "title": f"event {number}"}
            assert function.event("task.update", event, user=around.user).status_code == 204


def test_a_connection_that_is_ended_in_mid_transaction_is_an_outage_and_leaves_nothing(around: Around) -> None:
    task_id = around.task()
    with around.function("update-task") as function:

        def rename() -> requests.Response:
            return function.call("PATCH", f"/tasks/{task_id}", {"title": "by call"}, user=around.user)

        def deliver() -> requests.Response:
            change = {"task_id": task_id, "title": "by event"}
            return function.event("task.update", change, user=around.user, event_id="cut off")

        for attempt in (rename, deliver):
            with around.locked(task_id):
                answer = in_background(attempt)
                eventually(around.waiting)
                assert around.cut_off("wait_event_type = 'Lock'") == 1
                assert answer.result().status_code == 503
        assert around.title(task_id) == "a task"
        assert around.attempts("cut off") == [(0, None)]
        assert (rename().status_code, deliver().status_code) == (200, 204)
        assert around.title(task_id) == "by event"


# Crowded and locked ---------------------------------------------------------------------------------------------------


def test_when_every_connection_is_taken_the_next_call_is_told_to_come_again(around: Around) -> None:
    task_id = around.task()
    with around.function("update-task", DATABASE_POOL_SIZE="1", DATABASE_TIMEOUT="0.3") as function:

        def rename(title: str) -> requests.Response:
            return function.call("PATCH", f"/tasks/{task_id}", {"title": title}, user=around.user)

        with around.locked(task_id):
            first = in_background(lambda: rename("first"))
            eventually(around.waiting)
            second = rename("second")
            assert (second.status_code, second.headers["Retry-After"]) == (503, "2")
        assert first.result().status_code == 200
        assert rename("third").status_code == 200


def test_what_somebody_else_has_in_hand_is_a_409_and_comes_again(around: Around) -> None:
    task_id = around.task()
    patience = "?options=-c%20lock_timeout%3D200"
    logins = {name: around.environment[name] + patience for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    with around.function("update-task", **logins) as function:

        def rename() -> int:
            change = {"title": "by call"}
            return function.call("PATCH", f"/tasks/{task_id}", change, user=around.user).status_code

        def deliver() -> int:
            change = {"task_id": task_id, "title": "by event"}
            return function.event("task.update", change, user=around.user, event_id="in hand").status_code

        with around.locked(task_id):
            assert [rename(), deliver(), deliver()] == [409, 409, 409]
            assert around.attempts("in hand") == [(0, None)]
        assert [rename(), deliver()] == [200, 204]
        assert around.attempts("in hand") == [(1, 204)]
