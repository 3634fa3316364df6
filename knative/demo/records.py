"""What happens on the topics, for somebody who watches: everything that comes, by topic, and a way to add to it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import requests
from kafka import KafkaConsumer, KafkaProducer

TOPICS = ("task-events", "task-updates", "dead-letters")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One record that came by."""

    topic: str
    key: str | None
    headers: dict[str, str]
    value: bytes


class Records:
    """Watches topics from their beginning, in a thread, and produces to any."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="records", daemon=True)
        self._thread.start()

    def produce(self, topic: str, data: Any, *, headers: dict[str, str] | None = None, key: str | None = None) -> None:
        """Put one record with a JSON value on a topic and wait until the broker has it."""
        raise NotImplementedError

    def seen(self, topic: str) -> list[Seen]:
        return [record for record in list(self._seen) if record.topic == topic]

    def with_id(self, topic: str, event_id: str) -> Seen | None:
        """The event of this id on a topic, if it has come."""
        return next((r for r in self.seen(topic) if r.headers.get("ce_id") == event_id), None)

    def about(self, task: dict[str, Any], event_type: str) -> Seen | None:
        """The first event of this type on task-events about a task, if it has come."""
        for record in self.seen("task-events"):
            if record.headers.get("ce_type") == event_type and json.loads(record.value)["task_id"] == task["task_id"]:
                return record
        return None

    def close(self) -> None:
        self._leaving.set()
        self._thread.join(5)

    def _watch(self) -> None:
        """Add to what was seen until it leaves."""
        raise NotImplementedError


class KafkaRecords(Records):
    """As a plain Kafka client sees and sends them."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=False, batch_size=0)
        self._consumer = KafkaConsumer(*TOPICS, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        super().__init__()

    def produce(self, topic: str, data: Any, *, headers: dict[str, str] | None = None, key: str | None = None) -> None:
        self._producer.send(
            topic,
            value=json.dumps(data).encode(),
            key=key.encode() if key else None,
            headers=[(name, value.encode()) for name, value in (headers or {}).items()],
        ).get(timeout=10)

    def close(self) -> None:
        super().close()
        self._producer.close(timeout=1)

    def _watch(self) -> None:
        while not self._leaving.is_set():
            for records in self._consumer.poll(timeout_ms=200).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    key = record.key.decode() if record.key else None
                    self._seen.append(Seen(topic=record.topic, key=key, headers=headers, value=record.value))
        self._consumer.close()


class RedisRecords(Records):
    """Seen on Redis' streams, and sent as any program sends one by Dapr: to the HTTP API of daprd, raw."""

    def __init__(self, redis_url: str, daprd: str, token: str) -> None:
        import redis

        self._redis = redis.Redis.from_url(redis_url, socket_timeout=10)
        self._publish = f"{daprd}/v1.0/publish/pubsub/"
        self._token = {"dapr-api-token": token}
        super().__init__()

    def produce(self, topic: str, data: Any, *, headers: dict[str, str] | None = None, key: str | None = None) -> None:
        metadata = {"rawPayload": "true", **({"partitionKey": key} if key else {}), **(headers or {})}
        query = {f"metadata.{name}": value for name, value in metadata.items()}
        body = json.dumps(data).encode()
        answer = requests.post(self._publish + topic, data=body, params=query, headers=self._token, timeout=10)
        answer.raise_for_status()

    def close(self) -> None:
        super().close()
        self._redis.close()

    def _watch(self) -> None:
        import redis

        last: dict[Any, Any] = dict.fromkeys(TOPICS, "0")
        while not self._leaving.is_set():
            try:
                found: Any = self._redis.xread(last, block=200)
            except redis.RedisError:  # it is away for a moment, or for good
                self._leaving.wait(0.2)
                continue
            for stream, entries in found:
                for entry, fields in entries:
                    metadata = json.loads(fields.get(b"metadata") or b"{}")
                    topic, key = stream.decode(), metadata.pop("partitionKey", None)
                    self._seen.append(Seen(topic=topic, key=key, headers=metadata, value=fields[b"data"]))
                    last[topic] = entry
