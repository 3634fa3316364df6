"""What the pack and its stand-in need of a broker, so that another one can take the place of the embedded one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from taskmaster import settings
from taskmaster.broker.producer import KafkaBroker
from taskmaster.broker.topics import Admin
from taskmaster.broker.transport import ProducerRecord, Unsendable
from taskmaster.events.outgoing import Outgoing
from tests.support.brokers import Kafka
from tests.support.function_process import eventually

SESSION_MS = 2_000
PATIENCE_MS = 2_000  # kafka-python forgets an answer to its joining that comes between two polls


@pytest.fixture
def admin(kafka: Kafka) -> Iterator[Admin]:
    """Whoever makes the topics."""
    admin = Admin(settings.read(kafka.environment("admin")))
    yield admin
    admin.close()


@pytest.fixture
def topic(kafka: Kafka, admin: Admin) -> str:
    """A new topic of three partitions, made as `taskmaster topics` makes it, that is used as a mailbox."""
    name = f"topic-{uuid4().hex[:8]}"
    kafka.allow({"create-task": name})
    admin.create([name], partitions=3, replication=-1)
    return name


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[KafkaBroker]:
    """The pack's own producer: acks=all, one request in flight, no idempotence."""
    broker = KafkaBroker(settings.read(kafka.environment("functions")))
    yield broker
    broker.close()


def records(kafka: Kafka, topic: str, count: int) -> list[Any]:
    """So many records of a topic from its beginning, by a consumer that belongs to no group."""
    consumer = KafkaConsumer(topic, **kafka.client("source"), auto_offset_reset="earliest")
    found: list[Any] = []

    def read() -> bool:
        for batch in consumer.poll(timeout_ms=100).values():
            found.extend(batch)
        return len(found) >= count

    eventually(read, f"record {count}")
    consumer.close()
    return found


def send(broker: KafkaBroker, topic: str, *values: bytes, key: str = "key") -> None:
    for number, value in enumerate(values):
        sent, failed = broker.send([(number, (topic, key, {}, value))])
        assert (sent, failed) == ({number}, {})


def test_a_topic_has_the_partitions_it_was_made_with(admin: Admin, topic: str) -> None:
    found = admin.existing([topic, "no-such-topic"])
    assert found.keys() == {topic}
    assert found[topic].partitions == 3


def test_a_topic_is_there_for_everybody_once_it_was_made(kafka: Kafka, topic: str) -> None:
    with kafka.admin() as another:
        assert topic in another.list_topics()


def test_key_headers_and_value_come_back_byte_by_byte(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "é ☃", "content-type": "application/json"}
    value = bytes(range(256))
    broker.produce(Outgoing(key="ключ", topics=(topic,), headers=headers, value=value), to=topic)
    [record] = records(kafka, topic, 1)
    assert record.key.decode() == "ключ"
    assert {name: text.decode() for name, text in record.headers} == headers
    assert [name for name, _ in record.headers] == list(headers)
    assert record.value == value
    assert record.offset == 0
    assert record.timestamp > 0


@pytest.mark.parametrize("value", ["a\nb", "a\x01b", "a\x7fb"])
def test_what_no_kafkasource_could_send_is_put_on_no_topic(broker: KafkaBroker, topic: str, value: str) -> None:
    """A row of an older version may hold it: it stays in the outbox, and the log says so."""
    with pytest.raises(Unsendable, match="its header ce_correlationid holds U\\+00"):
        broker.produce(Outgoing(key="k", topics=(topic,), headers={"ce_correlationid": value}, value=b""), to=topic)


def test_records_of_one_key_are_on_one_partition_in_the_order_they_were_sent(
    kafka: Kafka, broker: KafkaBroker, topic: str
) -> None:
    batch: list[tuple[int, ProducerRecord]] = [
        (number, (topic, f"key {number % 7}", {}, b"%d" % number)) for number in range(700)
    ]
    sent, failed = broker.send(batch)
    assert (len(sent), failed) == (700, {})
    by_key: dict[bytes, list[int]] = {}
    places: dict[bytes, set[int]] = {}
    for record in records(kafka, topic, 700):
        by_key.setdefault(record.key, []).append(int(record.value))
        places.setdefault(record.key, set()).add(record.partition)
    assert by_key == {f"key {n}".encode(): list(range(n, 700, 7)) for n in range(7)}
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len(set.union(*places.values())) > 1, "keys are spread over the partitions"


def test_a_record_of_900_kb_is_taken_whole(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    value = b"x" * 900_000
    send(broker, topic, value)
    [record] = records(kafka, topic, 1)
    assert record.value == value


def test_what_was_acknowledged_is_there_at_once(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    consumer = KafkaConsumer(**kafka.client("source"))
    partitions = [TopicPartition(topic, number) for number in range(3)]
    for count in range(1, 6):
        send(broker, topic, b"x", key=f"key {count}")
        assert sum(consumer.end_offsets(partitions).values()) == count
    consumer.close()


# Consumer groups ------------------------------------------------------------------------------------------------------


def member(kafka: Kafka, topic: str) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        **kafka.client("source"),
        group_id=f"taskmaster-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 4,
        max_poll_records=10,
    )


def take(consumer: KafkaConsumer, count: int) -> list[Any]:
    found: list[Any] = []

    def poll() -> bool:
        for batch in consumer.poll(timeout_ms=PATIENCE_MS, max_records=count - len(found)).values():
            found.extend(batch)
        return len(found) >= count

    eventually(poll, f"record {count}")
    return found


def test_a_group_goes_on_from_what_it_committed(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    send(broker, topic, *(b"%d" % number for number in range(10)))
    first = member(kafka, topic)
    taken = take(first, 4)
    place = TopicPartition(topic, taken[0].partition)
    first.commit({place: OffsetAndMetadata(taken[-1].offset + 1, "", -1)})
    first.close(autocommit=False)

    second = member(kafka, topic)
    rest = take(second, 6)
    second.close(autocommit=False)
    assert [int(record.value) for record in taken + rest] == list(range(10))


def test_what_a_group_did_not_commit_comes_again(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    send(broker, topic, b"0", b"1")
    for _ in range(2):
        consumer = member(kafka, topic)
        assert [record.value for record in take(consumer, 2)] == [b"0", b"1"]
        consumer.close(autocommit=False)


def test_groups_do_not_know_of_each_other(kafka: Kafka, broker: KafkaBroker, topic: str) -> None:
    send(broker, topic, b"0")
    for group in ("first", "second"):
        consumer = KafkaConsumer(
            topic, **kafka.client("source"), group_id=f"taskmaster-{topic}-{group}", auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS, heartbeat_interval_ms=SESSION_MS // 4,
        )  # fmt: skip
        assert [record.value for record in take(consumer, 1)] == [b"0"]
        consumer.commit()
        consumer.close()


def test_the_partitions_of_a_topic_are_shared_by_the_members_of_a_group(kafka: Kafka, topic: str) -> None:
    members = [member(kafka, topic) for _ in range(2)]

    def shared() -> bool:
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda each: each.poll(timeout_ms=PATIENCE_MS), members))
        held = [{place.partition for place in each.assignment()} for each in members]
        return all(held) and sorted(place for each in held for place in each) == [0, 1, 2]

    eventually(shared, "a share for each")
    for each in members:
        each.close(autocommit=False)
