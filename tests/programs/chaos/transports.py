"""What carries the events in a run, as the generator sends them and as an independent reader finds them in the end."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import redis
import requests
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from tests.programs.chaos.victims import Kafka, StandIn

# Who reads which topic: what is produced and not committed by its group is on its way.
READERS = {
    "create-task": "taskmaster-create-task",
    "update-task": "taskmaster-update-task",
    "complete-task": "taskmaster-complete-task",
    "reopen-task": "taskmaster-reopen-task",
    "delete-task": "taskmaster-delete-task",
    "set-preferences": "taskmaster-set-preferences",
    "snooze-reminder": "taskmaster-snooze-reminder",
    "schedule-next-recurrence": "taskmaster-schedule-next-recurrence",
    "dispatch-due-reminders": "taskmaster-dispatch-due-reminders",
    "reminders": "taskmaster-send-reminder",
}
TOPICS = (*READERS, "task-events", "task-updates", "dead-letters")


class Transport(Protocol):
    """Apache Kafka or Redis."""

    def producer(self) -> Any:
        """A client that sends as kafka-python's producer does."""

    def lags(self) -> dict[str, int]:
        """How many records of each topic are not handled yet, by a name for people."""

    def records(self) -> Iterator[Any]:
        """Every record of every topic, as kafka-python reads them."""


class OnKafka:
    """Apache Kafka, by its own protocol, whoever delivers from there."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    def producer(self) -> KafkaProducer:
        """It may send twice what it was not told about; the event id stays the same."""
        return KafkaProducer(
            **self._kafka.client(),
            client_id="chaos-generator",
            acks="all",
            enable_idempotence=False,
            max_in_flight_requests_per_connection=1,
            request_timeout_ms=4_000,
            delivery_timeout_ms=6_000,
            max_block_ms=3_000,
            bootstrap_timeout_ms=4_000,
        )

    def lags(self) -> dict[str, int]:
        lags = {}
        consumer = KafkaConsumer(**self._kafka.client(), client_id="chaos-lag")
        admin = KafkaAdminClient(**self._kafka.client(), client_id="chaos-lag")
        try:
            offsets = admin.list_group_offsets(dict.fromkeys(READERS.values()))
            for topic, group in READERS.items():
                ends = consumer.end_offsets(_partitions(consumer, topic))
                read = {partition: max(found.offset, 0) for partition, found in offsets[group].items()}
                lags[f"on {topic}"] = sum(end - read.get(partition, 0) for partition, end in ends.items())
        finally:
            admin.close()
            consumer.close()
        return lags

    def records(self) -> Iterator[Any]:
        consumer = KafkaConsumer(**self._kafka.client(), client_id="chaos-reader", enable_auto_commit=False)
        try:
            partitions = [partition for topic in TOPICS for partition in _partitions(consumer, topic)]
            ends = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for records in consumer.poll(timeout_ms=500).values():
                    yield from records
        finally:
            consumer.close()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a stream; `offset` is its id."""

    topic: str
    offset: str
    key: bytes | None
    headers: list[tuple[str, bytes]]
    value: bytes
    partition: int = 0


class OnRedis:
    """The streams on the Redis of the stand-in, which has another address after each of its starts."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def producer(self) -> "DaprProducer":
        return DaprProducer(self._stand_in.environment())

    def lags(self) -> dict[str, int]:
        lags = {}
        with self._connected() as client:
            for topic, group in READERS.items():
                found: Any = client.xinfo_groups(topic) if client.exists(topic) else []
                of_group = [each for each in found if each["name"].decode() == group]
                lags[f"on {topic}"] = sum(each["pending"] + (each["lag"] or 0) for each in of_group)
        return lags

    def records(self) -> Iterator[Entry]:
        with self._connected() as client:
            for topic in TOPICS:
                found: Any = client.xrange(topic)
                for name, fields in found:
                    metadata = json.loads(fields.get(b"metadata") or b"{}")
                    metadata.pop("rawPayload", None)
                    key = metadata.pop("partitionKey", None)
                    yield Entry(
                        topic=topic,
                        offset=name.decode(),
                        key=None if key is None else key.encode(),
                        headers=[(header, text.encode()) for header, text in metadata.items()],
                        value=fields[b"data"],
                    )

    def _connected(self) -> redis.Redis:
        return redis.Redis.from_url(self._stand_in.environment()["REDIS_URL"], socket_timeout=10)


@dataclass(frozen=True)
class _Stored:
    """Where a record is: Dapr does not say at which place."""

    topic: str
    partition: int = 0
    offset: int = -1

    def get(self, timeout: float) -> "_Stored":
        return self


class DaprProducer:
    """Publishes by the HTTP API of daprd, as any program may; a request without an answer may have been published."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._url = f"{environment['DAPR_URL']}/v1.0/publish/pubsub/"
        self._token = {"dapr-api-token": environment["DAPR_API_TOKEN"]}

    def send(self, topic: str, *, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> _Stored:
        metadata = {
            "rawPayload": "true",
            "partitionKey": key.decode(),
            **{name: text.decode() for name, text in headers},
        }
        query = {f"metadata.{name}": text for name, text in metadata.items()}
        answer = requests.post(self._url + topic, params=query, data=value, headers=self._token, timeout=6)
        answer.raise_for_status()
        return _Stored(topic)

    def close(self, timeout: float) -> None:
        """Nothing is kept open."""


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
