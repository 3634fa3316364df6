"""A member of a consumer group, as a KafkaSource has it there."""

from typing import Any

from kafka import KafkaConsumer

from tests.support.brokers import Kafka


def member(kafka: Kafka, topic: str, group: str) -> Any:
    """A member of a group with its partitions. None while the broker has no coordinator for it yet."""
    consumer = KafkaConsumer(
        topic, **kafka.client("source"), group_id=group, enable_auto_commit=False,
        auto_offset_reset="earliest", session_timeout_ms=6_000, heartbeat_interval_ms=2_000,
    )  # fmt: skip
    for _ in range(40):
        if consumer.poll(timeout_ms=200) or consumer.assignment():
            return consumer
    consumer.close()
    return None
