"""Outages that last: nothing is parked, nothing is lost, nothing comes twice, and what waits goes on by itself."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

import pytest
import requests

from knative.local.delivery import backoff
from knative.local.manifests import read
from tests.support.brokers import Kafka
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import FunctionProcess, eventually
from tests.support.mailboxes import Mailboxes
from tests.support.outage import Around, MortalDatabase
from tests.support.sleeping_database import SleepingDatabase
from tests.support.unreliable_broker import UnreliableBroker

pytestmark = pytest.mark.long

ROOT = FUNCTIONS.parent
TEN_MINUTES = 600


def test_every_kafka_source_waits_out_far_more_than_ten_minutes_before_it_gives_an_event_up() -> None:
    for source in read(ROOT / "knative", ROOT / "eventing").kafka_sources:
        delivery = source.delivery
        waits = sum(backoff(delivery, retry) for retry in range(1, delivery.retry + 1))
        assert waits >= 10 * TEN_MINUTES, source.name
        longest = backoff(delivery, delivery.retry)
        assert longest <= 2 * 60, "and it comes again within two minutes of the end of an outage"


def test_an_outage_of_ten_minutes_parks_nothing_and_costs_no_attempt(connected: dict[str, str], kafka: Kafka) -> None:
    """In a hundredth of the time: waits of 10 ms, 20 ms ... instead of seconds, six seconds instead of ten minutes."""
    with MortalDatabase.around(connected) as (database, environment):
        mailboxes = Mailboxes.of(environment, kafka, DATABASE_TIMEOUT="0.1", MAX_ATTEMPTS="3")
        delay = read(ROOT / "knative", ROOT / "eventing").kafka_sources[0].delivery.backoff_delay
        compressed = {"backoff_delay": delay / 100}
        with mailboxes.running("create-task", delivery=compressed) as running:
            mailboxes.event("task.create", {"title": "before"})
            eventually(lambda: running.done("create-task") == 1, "the first")
            database.stop()
            for number in range(3):
                mailboxes.event("task.create", {"title": f"meanwhile {number}"})
            time.sleep(TEN_MINUTES / 100)
            counts = running.sources["create-task"].dispatcher.counts
            assert counts["retries"] > 3, "it was tried more often than an event may fail"
            assert counts["dead_lettered"] == 0
            database.start()
            eventually(lambda: running.done("create-task") == 4, "all", within=60)
            assert (counts["delivered"], counts["dead_lettered"]) == (4, 0)
        assert mailboxes.titles() == ["before", "meanwhile 0", "meanwhile 1", "meanwhile 2"]
        assert {(attempts, status) for _, _, attempts, status in mailboxes.inbox()} == {(1, 204)}


def test_five_functions_at_once_wake_a_suspended_database(environment: dict[str, str]) -> None:
    """Slow at first, then refusing: everybody is told to come again, then all is done once, by the same processes."""
    around = Around(environment)
    task_id = around.task()
    with SleepingDatabase.before(environment["DATABASE_URL"], slow=2, refusing=2, clients=5) as database:
        asleep = {name: database.url(environment[name]) for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
        change = {"task_id": task_id}
        commands = {
            "create-task": ("task.create", {"title": "new"}),
            "update-task": ("task.update", {**change, "title": "changed"}),
            "complete-task": ("task.complete", change),
            "set-preferences": ("preferences.set", {"time_zone": "Europe/Zurich"}),
            "snooze-reminder": ("reminder.snooze", {**change, "duration": "PT5M"}),
        }
        five = [FunctionProcess(name, {**environment, **asleep, "DATABASE_TIMEOUT": "1"}) for name in commands]

        def deliver(function: FunctionProcess) -> list[int]:
            """What was answered until it was done, as KafkaSource asks."""
            event_type, data = commands[function.name]
            send = partial(function.event, event_type, data, user=around.user, event_id=f"asleep {function.name}")
            statuses = [send().status_code]
            while statuses[-1] in (409, 503) and len(statuses) < 200:
                time.sleep(0.1)
                statuses.append(send().status_code)
            return statuses

        with ThreadPoolExecutor(5) as at_once:
            for function in five:
                function.start()
            try:
                answers = list(at_once.map(deliver, five))
                assert database.is_awake
                assert [given[-1] for given in answers] == [204] * 5, answers
                assert all(len(given) > 1 for given in answers), "nobody was served by a database that slept"
                # Each once while it starts, and once by each of its logins.
                assert database.dropped <= 3 * 5, "few knock at the door of a database that wakes"
            finally:
                for function in five:
                    function.kill()
    for name in commands:
        assert around.attempts(f"asleep {name}") == [(1, 204)], name
    assert sorted(title for (title,) in around.sql("SELECT title FROM task WHERE user_id = %s", around.user)) == [
        "changed", "new",
    ]  # fmt: skip


def test_when_the_server_takes_no_more_connections_one_function_waits_and_the_others_go_on(
    environment: dict[str, str],
) -> None:
    around = Around(environment)
    task_id = around.task()
    starved = around.function("create-task", DATABASE_TIMEOUT="0.5")
    with around.function("update-task", DATABASE_TIMEOUT="0.5") as served, ExitStack() as later:

        def rename(title: str) -> int:
            return served.call("PATCH", f"/tasks/{task_id}", {"title": title}, user=around.user).status_code

        def create() -> requests.Response:
            return starved.call("POST", "/tasks", {"title": "late"}, user=around.user)

        assert rename("first") == 200
        around.sql("ALTER ROLE taskmaster_user CONNECTION LIMIT 1")
        try:
            later.enter_context(starved)  # it would have a connection otherwise
            began = time.monotonic()
            refused = create()
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            assert time.monotonic() - began < 20, "within the time-out, however busy the machine"
            assert rename("meanwhile") == 200
        finally:
            around.sql("ALTER ROLE taskmaster_user CONNECTION LIMIT -1")
        eventually(lambda: create().status_code == 201, "recovery")


def test_the_delay_of_an_outage_of_the_broker_is_in_the_log(connected: dict[str, str]) -> None:
    with UnreliableBroker.before(connected) as broker:
        around = Around({**connected, **broker.environment, "KAFKA_REQUEST_TIMEOUT": "2"})
        around.sql("DELETE FROM outbox")
        with around.function("create-task") as function:
            broker.go_away()
            assert function.call("POST", "/tasks", {"title": "x"}, user=around.user).status_code == 201
            eventually(lambda: any("publishing waits" in line for line in function.lines), "the outage in the log")
            time.sleep(5)
            broker.come_back()
            pattern = re.compile(r"published 1 events, of which the oldest had waited \d+ s")
            eventually(lambda: any(pattern.search(line) for line in function.lines), "the delay in the log", within=60)


# Slow -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [2.5])
def test_a_handler_slower_than_the_session_of_its_consumer_is_waited_for_in_order(
    connected: dict[str, str], kafka: Kafka, tmp_path_factory: pytest.TempPathFactory, slow: float
) -> None:
    """The session is a second: a consumer that did not go on polling would be put out of its group, and repeat."""
    mailboxes = Mailboxes.of(connected, kafka)
    source = tmp_path_factory.mktemp("slow") / "create_task.py"
    text = (FUNCTIONS / source.name).read_text()
    handler = "def create_task(command: CreateTask, work: Work) -> Task:\n"
    assert handler in text
    source.write_text(text.replace(handler, f"{handler}    __import__('time').sleep({slow})\n"))
    titles = [f"task {number}" for number in range(3)]
    for title in titles:
        mailboxes.event("task.create", {"title": title}, event_id=f"{title} {uuid4()}")
    with mailboxes.running("create-task", sources={"create-task": source}, session_timeout=1) as running:
        eventually(lambda: running.done("create-task") == 3, "all", within=60)
        counts = running.sources["create-task"].dispatcher.counts
        assert (counts["delivered"], counts["retries"]) == (3, 0)
    assert mailboxes.titles() == titles
    assert {(attempts, status) for _, _, attempts, status in mailboxes.inbox()} == {(1, 204)}
