"""One record of a topic, and the committed offset of a consumer group: to skip a record that can never be delivered.

A record that HTTP cannot carry blocks its KafkaSource for hours. The offset of a group can be set only while it has no
members: else the broker refuses, or the consumers go on from their own position, and nothing is skipped.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from taskmaster.broker.connecting import explained
from taskmaster.broker.producer import connection_settings
from taskmaster.errors import TaskmasterError
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer


# What the HTTP client of KafkaSource refuses: control characters but the tab, and line breaks that are no folding.
_UNSENDABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n[ \t])|\n(?![ \t])")


class NoSuchRecord(TaskmasterError):
    """There is no record at this position. The text says which offsets there are."""


class NotSkipped(TaskmasterError):
    """The offset of the group was not set. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """The position of a record, written as TOPIC/PARTITION/OFFSET."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        topic, partition, offset = text.rsplit("/", 2)
        if not topic or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in (partition, offset)):
            raise ValueError(text)
        return cls(topic, int(partition), int(offset))

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def record_at(settings: Settings, position: RecordPosition) -> Any:
    """The record at a position. Raises NoSuchRecord, kafka's errors, and TimeoutError where the broker is silent."""
    from kafka import TopicPartition

    with plain_consumer(settings) as consumer:
        partition = TopicPartition(position.topic, position.partition)
        if position.partition not in (consumer.partitions_for_topic(position.topic) or ()):
            raise NoSuchRecord(
                f"there is no partition {position.partition} of a topic {position.topic}, or none to be seen"
            )
        consumer.assign([partition])
        first, end = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
        if not first <= position.offset < end:
            raise NoSuchRecord(f"{position.topic}/{position.partition} has the offsets from {first} to {end - 1}")
        consumer.seek(partition, position.offset)
        for records in consumer.poll(timeout_ms=int(settings.kafka_request_timeout * 1000), max_records=1).values():
            if records[0].offset == position.offset:
                return records[0]
            raise NoSuchRecord(f"the next record behind {position} is at offset {records[0].offset}")
        raise TimeoutError("the broker handed over no record")


def next_records(settings: Settings, group: str) -> dict[RecordPosition, int]:
    """The next record of a group in each partition that has more for it, and how many records that are.

    Raises kafka's errors.
    """
    with admin_client(settings) as admin, plain_consumer(settings) as consumer:
        known = {each: at.offset for each, at in admin.list_group_offsets([group])[group].items() if at.offset >= 0}
        ends = consumer.end_offsets(list(known)) if known else {}
        firsts = consumer.beginning_offsets(list(known)) if known else {}
    offsets = {each: max(offset, firsts[each]) for each, offset in known.items()}
    return {
        RecordPosition(each.topic, each.partition, offset): ends[each] - offset
        for each, offset in sorted(offsets.items())
        if ends[each] > offset
    }


def obstacle(record: Any) -> str:
    """Why a KafkaSource can never send a record, as a sentence; '' where it can.

    Of a CloudEvent in binary mode it sends the attributes; of anything else every header, and the key.
    """
    named = [(name, (value or b"").decode("utf-8", "replace")) for name, value in record.headers]
    if not any(name.lower() == "ce_specversion" for name, _ in named):
        named.append(("the key", (record.key or b"").decode("utf-8", "replace")))
    for name, value in named:
        if found := _UNSENDABLE.search(value):
            return f"{name} holds U+{ord(found[0]):04X}: no KafkaSource can ever send it"
    return ""


def skip(settings: Settings, group: str, position: RecordPosition) -> None:
    """Set the offset of a group behind its next record. Raises NotSkipped and kafka's errors."""
    from kafka import OffsetAndMetadata, TopicPartition
    from kafka.errors import KafkaError

    partition = TopicPartition(position.topic, position.partition)
    with admin_client(settings) as admin:
        states = {each["group_id"]: each.get("group_state") for each in admin.list_groups()}
        if states.get(group) not in ("Empty", "Dead", "Unknown", None):  # not every broker says
            raise NotSkipped(
                f"{group} has members: stop its KafkaSource first (kubectl scale kafkasource --replicas=0)"
            )
        known = admin.list_group_offsets([group])[group].get(partition)
        stands = known.offset if known is not None and known.offset >= 0 else None
        if stands != position.offset:
            raise NotSkipped(
                f"{group} stands before {position.topic}/{position.partition}/{stands}, not before {position}"
                if stands is not None
                else f"{group} has committed nothing in {position.topic}/{position.partition}"
            )
        moved = admin.alter_group_offsets(group, {partition: OffsetAndMetadata(position.offset + 1, "", -1)})
        error: type[KafkaError] | None = next(iter(moved.values()), None)
        if error is not None and getattr(error, "errno", 0) != 0:
            raise NotSkipped(f"the broker refused to move {group}: {error.__name__}; is its KafkaSource stopped?")


@contextmanager
def plain_consumer(settings: Settings, **options: Any) -> Iterator["KafkaConsumer"]:
    """A consumer of no group, of which nothing stays on the broker, with more of kafka's options. Raises its errors."""
    from kafka import KafkaConsumer

    with explained():
        consumer = KafkaConsumer(
            **connection_settings(settings),
            bootstrap_timeout_ms=int(settings.kafka_request_timeout * 1000),
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            **options,
        )
    try:
        yield consumer
    finally:
        consumer.close()


def connected_admin(settings: Settings) -> "KafkaAdminClient":
    """Kafka's admin client, for the caller to close. Raises kafka's errors."""
    from kafka import KafkaAdminClient

    with explained():
        return KafkaAdminClient(
            **connection_settings(settings), bootstrap_timeout_ms=int(settings.kafka_request_timeout * 1000)
        )


@contextmanager
def admin_client(settings: Settings) -> Iterator["KafkaAdminClient"]:
    """The same, closed at the end."""
    admin = connected_admin(settings)
    try:
        yield admin
    finally:
        admin.close()
