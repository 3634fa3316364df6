"""Poison: a record that always fails is tried a limited number of times, whatever becomes of the retry count."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.resources import Container, Delivery, KafkaSource, Service
from knative.local.serving import ClusterSink, Serving
from tests.support.brokers import Kafka
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import eventually
from tests.support.topic_reader import TopicReader

POISONABLE = Path(__file__).parents[2] / "support" / "fixtures" / "functions" / "poisonable.py"
LIMIT = 4
EVENTS = "http://{}.default.svc.cluster.local/events"


class Consumer:
    """A KafkaSource that loses its retry count at every restart, as Knative's can, and never gives up by itself."""

    def __init__(self, kafka: Kafka, serving: Serving, topic: str, attempts: Path) -> None:
        self.attempts_file = attempts
        self._kafka = kafka
        self._sink = ClusterSink(serving)
        self._source = KafkaSource(
            name="poisonable",
            topics=(topic,),
            consumer_group=f"taskmaster-{topic}",
            initial_offset="earliest",
            sink=EVENTS.format("poisonable"),
            delivery=Delivery(
                retry=1_000, backoff_policy="linear", backoff_delay=timedelta(seconds=1), dead_letter_sink="http://no/"
            ),
        )

    def attempts(self) -> list[str]:
        return self.attempts_file.read_text().splitlines()

    def run_until_the_next_attempt(self) -> None:
        """Start, and stop again once something more was tried: its first retry would have come a second later."""
        before = len(self.attempts())
        adapter = KafkaSourceAdapter(
            self._source,
            client=self._kafka.client("source"),
            sink=self._sink,
            commit_interval=0.1,
            session_timeout=1,
        )
        adapter.start()
        try:
            eventually(lambda: len(self.attempts()) > before, "the next attempt")
        finally:
            adapter.stop()


@pytest.fixture
def topics(kafka: Kafka) -> dict[str, str]:
    """The mailbox of the fixture function takes the place of one of ours."""
    prefix = uuid4().hex[:8]
    topics = {name: f"{prefix}.{name}" for name in ("dead-letters", "poisonable")}
    kafka.rename({"dead-letters": topics["dead-letters"], "create-task": topics["poisonable"]})
    return topics


@pytest.fixture
def consumer(connected: dict[str, str], kafka: Kafka, topics: dict[str, str], tmp_path: Path) -> Iterator[Consumer]:
    attempts = tmp_path / "attempts"
    attempts.touch()
    environment = {
        **connected,
        "FUNCTION_TARGET": "poisonable",
        "FUNCTION_SOURCE": str(POISONABLE),
        "PYTHONPATH": str(FUNCTIONS),
        "KAFKA_TOPICS": json.dumps(topics),
        "MAX_ATTEMPTS": str(LIMIT),
        "ATTEMPTS_FILE": str(attempts),
    }
    service = Service(
        name="poisonable",
        container=Container(command=("python", "-m", "taskmaster.serve"), env=environment),
        max_scale=1,
    )
    with Serving([service], cwd=FUNCTIONS) as serving:
        yield Consumer(kafka, serving, topics["poisonable"], attempts)


@pytest.mark.parametrize("poison", ["poison", "worse"])
def test_a_poisonous_record_is_tried_up_to_the_limit_while_its_consumer_restarts_again_and_again(
    kafka: Kafka, topics: dict[str, str], consumer: Consumer, poison: str
) -> None:
    user = f"user-{uuid4()}"
    with kafka.producer("producer") as producer:
        for what in (poison, "water"):
            headers = {"specversion": "1.0", "id": what, "source": "/tests", "type": "test.drink", "userid": user}
            producer.send(
                topics["poisonable"],
                value=json.dumps({"what": what}).encode(),
                partition=0,
                headers=[(f"ce_{name}", value.encode()) for name, value in headers.items()]
                + [("content-type", b"application/json")],
            ).get(10)

    while "water" not in consumer.attempts():
        consumer.run_until_the_next_attempt()

    assert consumer.attempts() == [poison] * LIMIT + ["water"]
    with TopicReader(kafka, topics["dead-letters"]) as letters:
        [letter] = letters.wait_for(1)
        assert len(letters.read()) == 1
    assert (letter.id, letter.data) == (poison, {"what": poison})
    assert letter.attributes["reason"] == f"failed {LIMIT} times"
    assert letter.attributes["knativeerrordest"] == "poisonable"
