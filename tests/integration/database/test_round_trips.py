"""How often a function waits for the database, counted on the wire: a promise for each kind of invocation."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer

from taskmaster import clock
from tests.support.counting_relay import CountingRelay
from tests.support.function_pack import Event, Json, Pack

START = datetime(2089, 3, 7, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def relay(environment: dict[str, str]) -> Iterator[CountingRelay]:
    with CountingRelay.before(environment["DATABASE_URL"]) as running:
        yield running


@pytest.fixture
def pack(environment: dict[str, str], relay: CountingRelay, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    """The functions with connections through the relay, both logins connected and ids of tasks reserved."""
    urls = {name: relay.url(environment[name]) for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    webhooks = {"WEBHOOK_ALLOW": "127.0.0.0/8"}
    with Pack.served({**environment, **urls, **webhooks}, monkeypatch, user=f"user-{uuid4()}") as served:
        served.travel(to=START)
        assert served.event("create-task", "task.create", {"title": "the first of the process"}).status_code == 204
        yield served


class Trips:
    """What was sent to the database since the last look."""

    def __init__(self, relay: CountingRelay) -> None:
        self._relay = relay
        self._seen = len(relay.messages)

    def taken(self) -> int:
        fresh = self._relay.messages[self._seen :]
        self._seen += len(fresh)
        for message in fresh:  # shown where a test fails
            print(f"--\n{message}")
        return len(fresh)


@pytest.fixture
def trips(pack: Pack, relay: CountingRelay) -> Trips:
    return Trips(relay)


def by_event(pack: Pack, function: str, event_type: str, data: Json) -> None:
    assert pack.event(function, event_type, data).status_code == 204


def deliver(pack: Pack, event: Event, function: str) -> None:
    assert pack.redeliver(event, function).status_code == 204


def due_task(pack: Pack, **fields: str) -> Json:
    return pack.create(due_at=(START + timedelta(hours=1)).isoformat(), **fields)


def test_a_create_by_call_takes_one(pack: Pack, trips: Trips) -> None:
    pack.create(time_zone="UTC")
    assert trips.taken() == 1


def test_a_create_by_call_that_needs_the_preferences_takes_two(pack: Pack, trips: Trips) -> None:
    pack.create(due_on="2089-03-08")
    assert trips.taken() == 2


def test_reserving_ids_of_tasks_takes_no_round_trip_of_its_own(pack: Pack, trips: Trips) -> None:
    for _ in range(70):
        pack.create(time_zone="UTC")
    assert trips.taken() == 70


def test_a_create_by_event_takes_three(pack: Pack, trips: Trips) -> None:
    by_event(pack, "create-task", "task.create", {"title": "x", "time_zone": "UTC"})
    assert trips.taken() == 3


def test_a_completion_by_call_takes_two(pack: Pack, trips: Trips) -> None:
    task = due_task(pack)
    trips.taken()
    pack.complete(task)
    assert trips.taken() == 2


def test_a_completion_by_call_with_an_idempotency_key_takes_two(pack: Pack, trips: Trips) -> None:
    task = due_task(pack)
    for expected in (2, 2):  # the first, and its repeat: the answer, and the end of the transaction
        trips.taken()
        path = f"/tasks/{task['task_id']}/complete"
        assert pack.call("complete-task", "POST", path, Idempotency_Key="k").status_code == 200
        assert trips.taken() == expected


def test_a_completion_by_event_takes_three(pack: Pack, trips: Trips) -> None:
    task = due_task(pack)
    trips.taken()
    by_event(pack, "complete-task", "task.complete", {"task_id": task["task_id"]})
    assert trips.taken() == 3


def test_a_repeated_event_takes_one(pack: Pack, trips: Trips) -> None:
    for expected in (3, 1):
        trips.taken()
        pack.event("complete-task", "task.complete", {"task_id": 1}, event_id="e")
        assert trips.taken() == expected


def test_a_successor_takes_three(pack: Pack, trips: Trips) -> None:
    task = due_task(pack, recurrence_pattern="daily")
    pack.complete(task)
    [completed] = pack.events("task.completed", of=task)
    trips.taken()
    deliver(pack, completed, "schedule-next-recurrence")
    assert trips.taken() == 3
    assert len(pack.events("task.recurring.next")) == 1


def test_a_successor_that_is_due_on_a_day_takes_three(pack: Pack, trips: Trips) -> None:
    task = pack.create(due_on="2089-03-08", recurrence_pattern="daily")
    pack.complete(task)
    [completed] = pack.events("task.completed", of=task)
    trips.taken()
    deliver(pack, completed, "schedule-next-recurrence")
    assert trips.taken() == 3  # the user's hour of the day comes with the task
    assert len(pack.events("task.recurring.next")) == 1


def test_a_reminder_takes_two_to_be_fired_and_three_to_be_sent(pack: Pack, trips: Trips) -> None:
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/hook", method="POST").respond_with_data()
        pack.prefer(channels=[{"type": "webhook", "url": server.url_for("/hook"), "secret": SECRET}])
        task = due_task(pack)
        pack.travel(hours=1)
        trips.taken()
        assert pack.runtime.due_reminders.dispatch(now=clock.now()) == 1
        assert trips.taken() == 2
        [fired] = pack.events("reminder.due", of=task)
        deliver(pack, fired, "send-reminder")
        assert trips.taken() == 3
        assert len(server.log) == 1
    assert len(pack.events("reminder.sent", of=task)) == 1


def test_a_reminder_that_is_held_back_takes_three(pack: Pack, trips: Trips) -> None:
    pack.prefer(quiet_hours={"start": "12:30", "end": "14:00"})
    task = due_task(pack)
    pack.travel(hours=1)
    assert pack.runtime.due_reminders.dispatch(now=clock.now()) == 1
    [fired] = pack.events("reminder.due", of=task)
    trips.taken()
    deliver(pack, fired, "send-reminder")
    assert trips.taken() == 3


def test_a_look_of_the_dispatcher_with_nothing_due_takes_four(pack: Pack, trips: Trips) -> None:
    due = pack.runtime.due_reminders
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    assert due.dispatch(now=long_ago) == 0
    assert trips.taken() == 2
    due.schedule_next_wakeup(now=long_ago, by=None)
    due.scheduled_wakeup()
    assert trips.taken() == 2
    due.next_moment(after=long_ago)
    assert trips.taken() == 1
