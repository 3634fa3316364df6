"""What happens on the topics, for somebody who watches: everything that comes, by topic, and a way to add to it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One record that came by."""

    topic: str
    key: str | None
    headers: dict[str, str]
    value: bytes


class Records:
    """Watches topics from their beginning, in a thread, and produces to any."""

    def __init__(
        self, bootstrap_servers: str, topics: tuple[str, ...] = ("task-events", "task-updates", "dead-letters")
    ) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=False, batch_size=0)
        self._consumer = KafkaConsumer(*topics, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
        self._seen: list[Seen] = []
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="records", daemon=True)
        self._thread.start()

    def produce(self, topic: str, data: Any, *, headers: dict[str, str] | None = None, key: str | None = None) -> None:
        """Put one record with a JSON value on a topic and wait until the broker has it."""
        self._producer.send(
            topic,
            value=json.dumps(data).encode(),
            key=key.encode() if key else None,
            headers=[(name, value.encode()) for name, value in (headers or {}).items()],
        ).get(timeout=10)

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
        self._producer.close(timeout=1)

    def _watch(self) -> None:
        while not self._leaving.is_set():
            for records in self._consumer.poll(timeout_ms=200).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    key = record.key.decode() if record.key else None
                    self._seen.append(Seen(topic=record.topic, key=key, headers=headers, value=record.value))
        self._consumer.close()
