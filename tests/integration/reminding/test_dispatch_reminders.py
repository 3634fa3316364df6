"""Dispatch: due reminders become reminder.due once, those due soon are waited for, later ones set the alarm."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster import clock
from taskmaster.database.session import Unavailable
from taskmaster.database.system_transaction import SystemTransaction
from taskmaster.reminding import dispatcher
from taskmaster.reminding import due as due_reminders
from tests.support.fake_store import MOST_UNDER_WAY
from tests.support.function_pack import Json, Pack
from tests.support.hostile_user import HOSTILE, tasks_of

DISPATCH = "dispatch-due-reminders"
START = datetime(2089, 11, 20, 12, tzinfo=UTC)


class Cluster:
    """The corner of the Kubernetes API that holds the alarm."""

    def __init__(self, server: HTTPServer) -> None:
        self.schedules: list[str] = []
        self.refusals = 0
        self.on_patch: Callable[[], object] = lambda: None
        server.expect_request(
            "/apis/sources.knative.dev/v1/namespaces/default/pingsources/reminder-alarm", method="PATCH"
        ).respond_with_handler(self._patch)

    def _patch(self, request: Request) -> Response:
        assert request.content_type == "application/merge-patch+json"
        if self.refusals:
            self.refusals -= 1
            return Response(status=409)
        self.schedules.append((request.json or {})["spec"]["schedule"])
        self.on_patch()
        return Response("{}", content_type="application/json")


@pytest.fixture
def cluster(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with HTTPServer(host="127.0.0.1") as server:
        monkeypatch.setenv("KUBERNETES_API_URL", server.url_for(""))
        pack.restart()
        pack.runtime.dispatcher.longest_sleep = 0.05
        pack.travel(to=START)
        yield Cluster(server)


def at(**ahead: float) -> str:
    return (START + timedelta(**ahead)).isoformat()


def due(pack: Pack, task: Json | None = None) -> list[Any]:
    return pack.events("reminder.due", of=task)


def test_a_due_reminder_is_fired_once(pack: Pack, cluster: Cluster) -> None:
    task = pack.create(due_at=at(hours=1), title="call Grace")
    pack.travel(hours=1, seconds=1)
    for _ in range(3):
        assert pack.tick(DISPATCH).status_code == 204
    [event] = due(pack)
    assert (event.topics, event.key) == (["reminders"], str(task["task_id"]))
    assert event.data["title"] == "call Grace"
    assert (event.data["remind_at"], event.data["late"]) == ("2089-11-20T13:00:00Z", False)


def test_what_is_far_sets_the_alarm_and_nobody_waits(pack: Pack, cluster: Cluster) -> None:
    pack.create(due_at=at(hours=3))
    begun = time.monotonic()
    pack.tick(DISPATCH)
    assert cluster.schedules == ["50 59 14 20 11 *"]
    assert time.monotonic() - begun < 2
    pack.create(due_at=at(hours=4))
    assert len(pack.events("reminder.armed")) == 1  # of the first: the second will be seen when the alarm rings


def test_with_nothing_ahead_the_alarm_is_off_for_a_year(pack: Pack, cluster: Cluster) -> None:
    pack.tick(DISPATCH)
    assert cluster.schedules == ["0 0 0 1 1 *"]
    pack.create(due_at=at(hours=3))
    assert len(pack.events("reminder.armed")) == 1


@pytest.mark.parametrize("lost", [True, False])
def test_the_hourly_relay_calls_the_dispatcher_where_a_reminder_was_missed(
    pack: Pack, cluster: Cluster, lost: bool
) -> None:
    """The tick of the alarm was lost, and nobody came."""
    pack.create(due_at=at(hours=1))
    pack.sql("DELETE FROM outbox")
    pack.travel(minutes=62 if lost else 58)
    pack.runtime.due_reminders.request_overdue_dispatch()
    assert pack.sql("SELECT topics FROM outbox") == ([(["dispatch-due-reminders"],)] if lost else [])


def test_what_is_near_is_waited_for_and_send_reminder_woken_before(pack: Pack, cluster: Cluster) -> None:
    pack.create(due_at=at(seconds=3))
    pack.tick(DISPATCH)
    assert len(due(pack)) == 1
    assert pack.sql("SELECT count(*) FROM outbox WHERE key = 'reminder.soon'")[0][0] >= 1
    [(lateness,)] = pack.sql("SELECT fired_at - moment FROM reminder WHERE user_id = %(user)s", user=pack.user)
    assert timedelta(0) <= lateness < timedelta(seconds=0.5)


def test_whoever_waits_notices_an_earlier_one_and_a_journey_in_time(pack: Pack, cluster: Cluster) -> None:
    far = pack.create(due_at=at(seconds=50))
    waiting = threading.Thread(target=pack.tick, args=(DISPATCH,))
    waiting.start()
    time.sleep(0.3)
    near = pack.create(due_at=at(seconds=2))
    assert pack.tick(DISPATCH, "reminder.armed").status_code == 204  # at once: the loop is active
    while not due(pack, near):
        time.sleep(0.05)
    assert not due(pack, far)
    pack.travel(seconds=60)
    waiting.join(5)
    assert len(due(pack, far)) == 1


def test_the_alarm_is_set_again_until_it_holds(pack: Pack, cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.refusals = 2
    pack.create(due_at=at(hours=3))
    pack.tick(DISPATCH)
    assert cluster.schedules == ["50 59 14 20 11 *"]
    assert caplog.text.count("dispatching waits: ") == 2


def test_an_alarm_that_somebody_else_set_meanwhile_is_looked_at_again(pack: Pack, cluster: Cluster) -> None:
    pack.create(due_at=at(hours=3))

    def another_dispatcher() -> None:
        cluster.on_patch = lambda: None
        pack.create(due_at=at(hours=2))
        pack.sql("UPDATE alarm SET next_at = %(at)s", at=at(hours=2))

    cluster.on_patch = another_dispatcher
    pack.tick(DISPATCH)
    assert cluster.schedules == ["50 59 14 20 11 *", "50 59 13 20 11 *"]


def test_a_leap_in_time_while_the_alarm_is_set_is_noticed(pack: Pack, cluster: Cluster) -> None:
    """A machine that was suspended: the schedule is stored after its own moment, and a PingSource rings in a year."""
    task = pack.create(due_at=at(hours=3))
    cluster.on_patch = lambda: pack.travel(to=START + timedelta(hours=3, seconds=-2))
    pack.tick(DISPATCH)
    assert len(due(pack, task)) == 1


def test_three_hours_asleep_and_all_go_out_once_marked_late(pack: Pack, cluster: Cluster) -> None:
    for minutes in range(1, 181, 6):
        pack.create(due_at=at(minutes=minutes))
    pack.travel(hours=3)
    pack.tick(DISPATCH), pack.tick(DISPATCH)
    assert len(due(pack)) == len({event.data["reminder_id"] for event in due(pack)}) == 30
    assert all(event.data["late"] for event in due(pack))


def test_what_is_400_days_old_fails_as_stale(pack: Pack, cluster: Cluster) -> None:
    task = pack.create(due_at=at(hours=1))
    pack.travel(days=400)
    pack.tick(DISPATCH), pack.tick(DISPATCH)
    assert due(pack) == []
    [failed] = pack.events("reminder.failed", of=task)
    assert (failed.data["reason"], failed.topics) == ("stale", ["task-updates"])


@pytest.mark.parametrize("change", ["complete", "delete", "move"])
def test_what_changes_half_a_second_before_does_not_ring_at_the_old_time(
    pack: Pack, cluster: Cluster, change: str
) -> None:
    task = pack.create(due_at=at(seconds=20))
    waiting = threading.Thread(target=pack.tick, args=(DISPATCH,))
    waiting.start()
    pack.travel(to=START + timedelta(seconds=19.5))
    if change == "complete":
        pack.complete(task)
    elif change == "delete":
        pack.delete(task)
    else:
        pack.update(task, due_at=at(seconds=22))
    time.sleep(1)
    assert due(pack) == []
    waiting.join(10)
    assert [e.data["remind_at"] for e in due(pack)] == (["2089-11-20T12:00:22Z"] if change == "move" else [])


def test_a_task_in_other_hands_is_fired_when_they_let_go(pack: Pack, cluster: Cluster) -> None:
    task = pack.create(due_at=at(hours=1))
    pack.travel(hours=1, seconds=1)
    with psycopg.connect(pack.owner_url) as connection:
        connection.execute("SELECT FROM task WHERE task_id = %s FOR UPDATE", (task["task_id"],))
        waiting = threading.Thread(target=pack.tick, args=(DISPATCH,))
        waiting.start()
        time.sleep(0.5)
        assert due(pack) == []
    waiting.join(5)
    assert len(due(pack)) == 1


def test_two_dispatchers_and_one_that_dies_fire_every_reminder_once(
    pack: Pack, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        pack.create(due_at=at(seconds=3600 + number))
    pack.travel(hours=2)
    monkeypatch.setattr(due_reminders, "BATCH", 7)
    original, calls = SystemTransaction.fire_due_reminders, count(1)

    def dying(self: SystemTransaction, *arguments: Any, **named: Any) -> Any:
        fired = original(self, *arguments, **named)
        if next(calls) in (2, 4, 9):
            raise KeyboardInterrupt  # between marking and committing
        return fired

    monkeypatch.setattr(SystemTransaction, "fire_due_reminders", dying)

    def dispatch_until_nothing_is_left() -> None:
        while True:
            try:
                if not pack.runtime.due_reminders.dispatch(now=clock.now()):
                    return
                pack.sql("UPDATE reminder SET closed_at = now() WHERE fired_at IS NOT NULL")  # they are delivered
            except KeyboardInterrupt:
                continue  # as whoever called it calls it again

    with ThreadPoolExecutor(2) as dispatchers:
        [running.result() for running in [dispatchers.submit(dispatch_until_nothing_is_left) for _ in range(2)]]
    ids = [event.data["reminder_id"] for event in due(pack)]
    assert len(ids) == len(set(ids)) == 120


def test_whoever_has_enough_under_way_goes_on_when_there_is_room(
    pack: Pack, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher stays, without a storm of looks, and fires what another user has due meanwhile at its moment."""
    tasks_of(pack, HOSTILE, MOST_UNDER_WAY + 5, due=START)
    original, looks = pack.runtime.due_reminders.dispatch, []

    def counted(*arguments: Any, **named: Any) -> int:
        looks.append(original(*arguments, **named))
        return looks[-1]

    monkeypatch.setattr(pack.runtime.due_reminders, "dispatch", counted)
    pack.travel(to=START + timedelta(seconds=1))
    waiting = threading.Thread(target=pack.tick, args=(DISPATCH,))
    waiting.start()
    other = pack.create(due_at=at(seconds=3))
    time.sleep(4)
    assert waiting.is_alive()
    assert len(due(pack, other)) == 1
    assert sum(looks) == MOST_UNDER_WAY + 1
    assert len(looks) < 60
    pack.sql("UPDATE reminder SET closed_at = now() WHERE fired_at IS NOT NULL")
    waiting.join(10)
    assert not waiting.is_alive()
    assert sum(looks) == MOST_UNDER_WAY + 6
    pack.sql("DELETE FROM task WHERE user_id = %(user)s", user=HOSTILE)


def test_the_database_is_tried_again_while_the_loop_is_active(
    pack: Pack, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1, seconds=1)
    original, failures = pack.runtime.due_reminders.dispatch, iter([True, True, False])

    def failing(*arguments: Any, **named: Any) -> int:
        if next(failures, False):
            raise Unavailable("away")
        return original(*arguments, **named)

    monkeypatch.setattr(pack.runtime.due_reminders, "dispatch", failing)
    assert pack.tick(DISPATCH).status_code == 204
    assert len(due(pack)) == 1


def test_at_the_end_of_its_request_the_loop_hands_over(
    pack: Pack, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LONGEST_REQUEST", 0.3)
    pack.create(due_at=at(seconds=50))
    before = len(pack.sql("SELECT id FROM outbox WHERE key = 'reminder.armed'"))
    assert pack.tick(DISPATCH).status_code == 204
    assert len(pack.sql("SELECT id FROM outbox WHERE key = 'reminder.armed'")) == before + 1


def test_without_an_alarm_it_waits_as_long_as_the_tick(
    pack: Pack, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMINDER_ALARM", "off")
    pack.restart()
    pack.runtime.dispatcher.longest_sleep = 0.05
    task = pack.create(due_at=at(minutes=9))
    waiting = threading.Thread(target=pack.tick, args=(DISPATCH,))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    pack.travel(minutes=10)
    waiting.join(5)
    assert len(due(pack, task)) == 1
    pack.create(due_at=at(hours=3))
    pack.tick(DISPATCH)
    assert cluster.schedules == []
    armed = len(pack.events("reminder.armed"))
    pack.create(due_at=at(hours=1))
    assert len(pack.events("reminder.armed")) == armed  # a tick comes before
    pack.create(due_at=at(minutes=15))
    assert len(pack.events("reminder.armed")) == armed + 1
