"""Somebody who uses the platform as people and programs do: by REST, and by records on topics."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import uuid4

import requests
from kafka import KafkaConsumer, KafkaProducer

from knative.local.up import Platform
from tests.programs.specifications import published
from tests.support.brokers import Kafka

Json = dict[str, Any]
Found = TypeVar("Found")


class User:
    """One user's REST session and Kafka client. The platform is shared, the tasks are his own."""

    def __init__(self, platform: Platform, kafka: Kafka, name: str, producer: KafkaProducer) -> None:
        self.name = name
        self._platform = platform
        self._kafka = kafka
        self._producer = producer
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {platform.token(name)}"

    @classmethod
    @contextmanager
    def of(cls, platform: Platform, kafka: Kafka, name: str) -> Iterator[User]:
        with kafka.producer("producer") as producer:
            yield cls(platform, kafka, name, producer)

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._session.request(method, self._platform.url + path, json=body, headers=sent, timeout=60)

    def produce(self, topic: str, event_type: str, data: Any, *, event_id: str | None = None, key: str = "") -> None:
        """A CloudEvent in binary mode, as any Kafka client writes one."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": event_id or str(uuid4()),
            "ce_source": "/tests",
            "ce_type": event_type,
            "ce_userid": self.name,
            "content-type": "application/json",
        }
        self._producer.send(
            topic,
            value=json.dumps(data).encode(),
            key=(key or self.name).encode(),
            headers=[(name, value.encode()) for name, value in headers.items()],
        )

    def send(self, topic: str, envelope: Any) -> None:
        """The original JSON envelope, without headers."""
        self._producer.send(topic, value=json.dumps(envelope).encode(), key=self.name.encode())

    def flush(self) -> None:
        self._producer.flush()

    def tasks(self) -> list[Json]:
        """Every task, page by page."""
        found: list[Json] = []
        path = "/tasks?sort=created_at&limit=100"
        while True:
            answer = self.call("GET", path)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["tasks"]
            if page["next_cursor"] is None:
                return found
            path = f"/tasks?sort=created_at&limit=100&cursor={page['next_cursor']}"

    def events(self, topic: str = "task-events") -> list[tuple[dict[str, str], Json]]:
        """The user's events on a topic so far, by partition in order: attributes and data."""
        consumer = KafkaConsumer(
            topic, **self._kafka.client("listener"), auto_offset_reset="earliest", consumer_timeout_ms=1500
        )
        found = []
        for record in consumer:
            attributes = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
            if attributes.get("userid") == self.name:
                published.hold(attributes, record.value)
                found.append((attributes, json.loads(record.value)))
        consumer.close()
        return found

    def facts(self) -> dict[int, list[tuple[str, str, int]]]:
        """By task: (event id, type, version) of its events on task-events, in order, repeats removed by id."""
        by_task: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
        seen: set[str] = set()
        for attributes, data in self.events():
            if attributes["id"] not in seen:
                seen.add(attributes["id"])
                by_task[data["task_id"]].append((attributes["id"], attributes["type"], data["version"]))
        return by_task


def eventually(look: Callable[[], Found | None], *, within: float = 60) -> Found:
    """What `look` finds once it finds something. Fails when it does not in so many seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found
