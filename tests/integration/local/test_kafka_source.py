"""KafkaSource on a real broker: order, retries, commits and what a restart repeats."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from kafka import KafkaProducer

from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.resources import Delivery, KafkaSource
from knative_delivery.sink import Answer
from tests.support.brokers import Kafka

DEAD = "http://dead/events"


class Function:
    """A sink that remembers what it was sent and answers what the test says."""

    def __init__(self, answer: Callable[[str], int] = lambda _: 204) -> None:
        self.bodies: list[str] = []
        self.by_partition: defaultdict[str, list[str]] = defaultdict(list)
        self.dead_letters: list[str] = []
        self.most_at_once: defaultdict[str, int] = defaultdict(int)
        self._at_once: defaultdict[str, int] = defaultdict(int)
        self._answer = answer
        self._lock = threading.Lock()

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        partition, text = headers["ce-knativekafkapartition"].decode(), body.decode()
        with self._lock:
            if url == DEAD:
                self.dead_letters.append(text)
                return Answer(204, {}, b"")
            self.bodies.append(text)
            self.by_partition[partition].append(text)
            for lane in (partition, "all"):
                self._at_once[lane] += 1
                self.most_at_once[lane] = max(self.most_at_once[lane], self._at_once[lane])
        status = self._answer(text)
        with self._lock:
            for lane in (partition, "all"):
                self._at_once[lane] -= 1
        return Answer(status, {}, b"")


@contextlib.contextmanager
def running(
    kafka: Kafka, topic: str, function: Function, *, commit_interval: float = 0.1, **fields: Any
) -> Iterator[KafkaSourceAdapter]:
    delivery = {"retry": 3, "backoff_delay": timedelta(milliseconds=10), "backoff_policy": "linear"}
    source = KafkaSource(
        name="hello",
        topics=(topic,),
        consumer_group=f"taskmaster-{topic}",
        sink="http://hello/events",
        initial_offset="earliest",
        delivery=Delivery(**{**delivery, "dead_letter_sink": DEAD, **fields.pop("delivery", {})}),
        **fields,
    )
    adapter = KafkaSourceAdapter(
        source,
        client=kafka.client("source"),
        sink=function,
        commit_interval=commit_interval,
        session_timeout=1,
    )
    adapter.start()
    try:
        yield adapter
    finally:
        adapter.stop()


def until(condition: Callable[[], bool], what: str = "it", seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


def send(producer: KafkaProducer, topic: str, *values: str, partition: int = 0) -> None:
    for future in [producer.send(topic, value=value.encode(), partition=partition) for value in values]:
        future.get(10)


def test_ordered_delivers_one_at_a_time_in_the_order_of_the_partition(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    values = [str(n) for n in range(100)]
    send(producer, topic, *values, partition=0)
    send(producer, topic, *values, partition=1)
    function = Function()
    with running(kafka, topic, function):
        until(lambda: len(function.bodies) == 200)
    assert function.by_partition == {"0": values, "1": values}
    assert function.most_at_once["0"] == function.most_at_once["1"] == 1


def test_ordered_retries_hold_up_their_partition_alone(kafka: Kafka, topic: str, producer: KafkaProducer) -> None:
    healthy = threading.Event()
    function = Function(lambda text: 503 if text == "bad" and not healthy.is_set() else 204)
    send(producer, topic, "bad", "after", partition=0)
    send(producer, topic, "other", partition=1)
    with running(kafka, topic, function, delivery={"retry": 1000}):
        until(lambda: function.bodies.count("bad") > 3 and "other" in function.bodies)
        assert "after" not in function.bodies
        healthy.set()
        until(lambda: "after" in function.bodies)
    assert function.dead_letters == []


def test_what_exhausts_its_retries_is_a_dead_letter_and_the_partition_goes_on(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    function = Function(lambda text: 500 if text == "bad" else 204)
    send(producer, topic, "bad", "after")
    with running(kafka, topic, function):
        until(lambda: "after" in function.bodies)
    assert function.bodies == ["bad"] * 4 + ["after"]
    assert function.dead_letters == ["bad"]


def test_unordered_has_many_in_flight_and_one_that_is_slow_holds_up_nobody(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    release = threading.Event()

    def answer(text: str) -> int:
        if text == "slow":
            release.wait(10)
        return 204

    function = Function(answer)
    send(producer, topic, "slow", *[str(n) for n in range(30)])
    with running(kafka, topic, function, ordering="unordered") as adapter:
        until(lambda: len(function.bodies) == 31 and adapter.dispatcher.counts["delivered"] == 30)
        release.set()
    assert function.most_at_once["all"] > 1


def test_unordered_commits_only_what_lies_before_the_first_unfinished(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    function = Function(lambda text: 503 if text == "b" else 204)
    send(producer, topic, "a", "b", "c", "d")
    patient = {"retry": 1000, "backoff_delay": timedelta(hours=1)}
    with running(kafka, topic, function, ordering="unordered", delivery=patient) as adapter:
        until(lambda: adapter.dispatcher.counts["delivered"] == 3)
    again = Function()
    with running(kafka, topic, again):
        until(lambda: len(again.bodies) == 3)
    assert again.bodies == ["b", "c", "d"]


def test_a_clean_stop_commits_and_a_restart_goes_on_from_there(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    first, second = Function(), Function()
    send(producer, topic, "a", "b")
    with running(kafka, topic, first, commit_interval=3600):
        until(lambda: len(first.bodies) == 2)
    send(producer, topic, "c")
    with running(kafka, topic, second):
        until(lambda: bool(second.bodies))
    assert second.bodies == ["c"]


def test_an_event_that_waits_for_its_retry_comes_again_after_a_restart(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    first, second = Function(lambda _: 503), Function()
    send(producer, topic, "a")
    patient = {"retry": 1000, "backoff_delay": timedelta(hours=1)}
    with running(kafka, topic, first, delivery=patient):
        until(lambda: first.bodies == ["a"])
    with running(kafka, topic, second):
        until(lambda: second.bodies == ["a"])


def test_a_backlog_in_every_partition_is_delivered_whole_and_in_order(
    kafka: Kafka, topic: str, producer: KafkaProducer
) -> None:
    values = [str(n) for n in range(500)]
    for partition in (0, 1):
        send(producer, topic, *values, partition=partition)
    function = Function()
    with running(kafka, topic, function):
        until(lambda: len(function.bodies) == 1000)
    assert function.by_partition == {"0": values, "1": values}


@pytest.mark.embedded_broker  # Apache Kafka refuses such a record by itself
def test_a_record_that_nobody_foresaw_does_not_block_its_partition(
    kafka: Kafka, topic: str, producer: KafkaProducer, caplog: pytest.LogCaptureFixture
) -> None:
    beyond_the_calendar = 2**60
    producer.send(topic, value=b"odd", partition=0, timestamp_ms=beyond_the_calendar).get(10)
    send(producer, topic, "after")
    function = Function()
    with running(kafka, topic, function):
        until(lambda: function.bodies == ["after"])
    assert "EVENT LOST: offset 0" in caplog.text


@pytest.mark.parametrize("ordering", ["ordered", "unordered"])
def test_a_record_is_delivered_soon_after_it_was_produced(
    kafka: Kafka, topic: str, producer: KafkaProducer, ordering: str
) -> None:
    function = Function()
    with running(kafka, topic, function, ordering=ordering) as adapter:
        assert adapter.assigned.wait(10)
        send(producer, topic, "first")
        until(lambda: len(function.bodies) == 1)
        started = time.monotonic()
        send(producer, topic, "second")
        until(lambda: len(function.bodies) == 2)
    assert time.monotonic() - started < 1.5


def test_partitions_that_go_to_another_member_are_given_up_without_a_new_consumer(
    kafka: Kafka, topic: str, producer: KafkaProducer, caplog: pytest.LogCaptureFixture
) -> None:
    """What was delivered and not committed comes again; kafka-python lets nobody commit while partitions go."""
    first, second = Function(), Function()
    send(producer, topic, "one", "two")
    with running(kafka, topic, first, commit_interval=60):
        until(lambda: len(first.bodies) == 2)
        with running(kafka, topic, second) as other:
            until(other.assigned.is_set, "the second member's partitions")
            send(producer, topic, "three")
            until(lambda: "three" in first.bodies + second.bodies)
    assert "starting the consumer anew" not in caplog.text
