"""A record that no KafkaSource can send: it is seen, and skipped once its source is stopped, on a real broker."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from taskmaster.broker.records import RecordPosition, obstacle
from tests.programs.fuzz.targets import Record
from tests.support.brokers import Kafka
from tests.support.command_line import at_once
from tests.support.function_process import eventually
from tests.support.group_member import member

HEADERS = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/s", "ce_type": "task.complete", "ce_userid": "ada"}


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Three records of one partition, of which no KafkaSource can send the second."""
    name = f"complete-task-{uuid4().hex[:8]}"
    kafka.rename({"complete-task": name})
    with kafka.producer() as producer:
        for number, more in enumerate(({}, {"ce_correlationid": "line1\nline2"}, {})):
            headers = [(header, value.encode()) for header, value in {**HEADERS, **more}.items()]
            producer.send(name, b'{"task_id": %d}' % number, key=b"ada", headers=headers, partition=0).get(10)
    return name


def group_at(kafka: Kafka, topic: str, group: str, offset: int) -> KafkaConsumer:
    """A member of the group that has handled what lies before the offset."""
    consumer: KafkaConsumer = eventually(lambda: member(kafka, topic, group), "an assignment", within=60)
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)})
    return consumer


@pytest.fixture
def stuck(kafka: Kafka, topic: str) -> Iterator[tuple[str, KafkaConsumer]]:
    group = f"taskmaster-{topic}"
    consumer = group_at(kafka, topic, group, 1)
    yield group, consumer
    consumer.close()


def test_the_record_that_a_group_stands_before_is_seen(
    kafka: Kafka, topic: str, stuck: tuple[str, KafkaConsumer]
) -> None:
    environment, (group, _) = kafka.environment("source"), stuck
    following = at_once(environment, "records", "next", group)
    assert following.exit_code == 0, following.output
    assert following.stdout == (
        f"{topic}/0/1: 2 to go, this one is ce_correlationid holds U+000A: no KafkaSource can ever send it\n"
    )
    shown = at_once(environment, "records", "show", f"{topic}/0/1")
    assert shown.exit_code == 0, shown.output
    assert "ce_correlationid     line1\\nline2" in shown.stdout
    assert '{"task_id": 1}' in shown.stdout
    assert "a KafkaSource can send it" in at_once(environment, "records", "show", f"{topic}/0/0").stdout


def test_a_group_is_moved_on_only_while_it_is_stopped_and_only_from_there(
    kafka: Kafka, topic: str, stuck: tuple[str, KafkaConsumer]
) -> None:
    environment, (group, consumer) = kafka.environment("source"), stuck
    running = at_once(environment, "records", "skip", group, f"{topic}/0/1")
    assert running.exit_code == 1
    assert "KafkaSource" in running.stderr
    consumer.close()

    elsewhere = at_once(environment, "records", "skip", group, f"{topic}/0/0")
    assert (elsewhere.exit_code, f"stands before {topic}/0/1" in elsewhere.stderr) == (1, True)
    done = at_once(environment, "records", "skip", group, f"{topic}/0/1")
    assert done.exit_code == 0, done.output
    assert at_once(environment, "records", "skip", group, f"{topic}/0/1").exit_code == 1
    assert at_once(environment, "records", "next", group).stdout == f"{topic}/0/2: 1 to go, this one is sendable\n"


@pytest.mark.parametrize(
    ("place", "said"), [("{topic}/0/9", "has the offsets from 0 to 2"), ("no-such-topic/0/1", "no partition 0")]
)
def test_what_is_not_there_is_said_in_one_sentence(kafka: Kafka, topic: str, place: str, said: str) -> None:
    ended = at_once(kafka.environment("source"), "records", "show", place.format(topic=topic))
    assert ended.exit_code == 1
    [line] = ended.stderr.splitlines()
    assert said in line


def test_a_place_that_is_none_is_a_wrong_argument() -> None:
    for place in ("x", "/0/1", "a/b/c", "a/0/-1"):
        with pytest.raises(ValueError, match=r".*"):
            RecordPosition.parse(place)
    assert at_once({}, "records", "show", "x").exit_code == 2


def test_of_a_record_that_is_no_cloudevent_the_key_counts_too() -> None:
    event = [("ce_specversion", b"1.0")]
    assert obstacle(Record(headers=[], value=b"", key=b"a\nb")).startswith("the key holds U+000A")
    assert obstacle(Record(headers=event, value=b"", key=b"a\nb")) == ""
    assert obstacle(Record(headers=[("x", b"a\x7f")], value=b"")).startswith("x holds U+007F")
    assert obstacle(Record(headers=[("x", b"a\tb\n c")], value=b"")) == ""
