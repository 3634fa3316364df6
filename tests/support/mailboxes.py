"""Functions behind their mailboxes, as on a cluster: KafkaSources, Serving and the dead letter sink, all of it real.

The topics of each test are its own, of one partition, so that nothing of another test is ever seen.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.resources import Container, Delivery, KafkaSource, Service, cluster_url
from knative.local.serving import ClusterSink, Serving
from taskmaster.events.routes import TOPICS, mailbox_of
from tests.support.brokers import Kafka
from tests.support.function_pack import FUNCTIONS
from tests.support.topic_reader import TopicReader

SINK = "park-dead-letter"


@dataclass
class Running:
    """Functions that are being fed."""

    serving: Serving
    sources: dict[str, KafkaSourceAdapter]

    def done(self, function: str) -> int:
        """How many records its KafkaSource is done with: delivered, or handed to the dead letters."""
        counts = self.sources[function].dispatcher.counts
        return counts["delivered"] + counts["dead_lettered"]


@dataclass
class Mailboxes:
    """Topics of a test, a user who has the tasks in it to himself, and what runs the functions."""

    environment: dict[str, str]
    kafka: Kafka
    user: str = field(default_factory=lambda: f"user-{uuid4()}")

    @classmethod
    def of(cls, connected: Mapping[str, str], kafka: Kafka, **settings: str) -> "Mailboxes":
        prefix = uuid4().hex[:8]
        names = {name: f"{prefix}.{name}" for name in TOPICS}
        renamed = {"KAFKA_TOPICS": kafka.rename(names, partitions=1)}
        return cls({**connected, **renamed, **settings}, kafka)

    @property
    def operator(self) -> dict[str, str]:
        """What somebody who looks after dead letters is configured with."""
        return {**self.environment, **self.kafka.environment("operator")}

    @contextlib.contextmanager
    def running(
        self,
        *functions: str,
        sources: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        delivery: Mapping[str, Any] | None = None,
        session_timeout: float = 1,
    ) -> Iterator[Running]:
        """Run these functions until the block ends. `sources` are files of those that are not the pack's own."""
        settings = {**self.environment, **(environment or {}), "PYTHONPATH": str(FUNCTIONS)}
        files = {name: FUNCTIONS / f"{name.replace('-', '_')}.py" for name in (*functions, SINK)} | dict(sources or {})
        services = [
            Service(
                name=name,
                container=Container(
                    command=("python", "-m", "taskmaster.serve"),
                    env={**settings, "FUNCTION_TARGET": name.replace("-", "_"), "FUNCTION_SOURCE": str(file)},
                ),
                max_scale=1,
            )
            for name, file in files.items()
        ]
        retrying = {"retry": 120, "backoff_policy": "linear", "backoff_delay": timedelta(milliseconds=20)}
        with contextlib.ExitStack() as stack:
            serving = stack.enter_context(Serving(services, cwd=FUNCTIONS))
            sink = ClusterSink(serving)
            adapters = {}
            for name in functions:
                adapters[name] = KafkaSourceAdapter(
                    KafkaSource(
                        name=name,
                        topics=(self.topic(mailbox_of(name)),),
                        consumer_group=f"taskmaster-{self.topic(name)}",
                        initial_offset="earliest",
                        sink=cluster_url(name, "default", "/events"),
                        delivery=Delivery(
                            **{
                                **retrying,
                                "timeout": timedelta(seconds=30),
                                "dead_letter_sink": cluster_url(SINK, "default", "/events"),
                                **(delivery or {}),
                            }
                        ),
                    ),
                    client=self.kafka.client("source"),
                    sink=sink,
                    commit_interval=0.1,
                    session_timeout=session_timeout,
                )
                adapters[name].start()
                stack.callback(adapters[name].stop)
            yield Running(serving, adapters)

    def topic(self, name: str) -> str:
        return str(json.loads(self.environment["KAFKA_TOPICS"]).get(name, name))

    def reader(self, name: str) -> TopicReader:
        return TopicReader(self.kafka, self.topic(name))

    def event(self, event_type: str, data: Any, *, event_id: str | None = None, **attributes: str) -> str:
        """A command on the mailbox of its operation, as a CloudEvent in binary mode; its id."""
        identifier = event_id or str(uuid4())
        given = {"specversion": "1.0", "id": identifier, "source": "/tests", "type": event_type, "userid": self.user}
        headers = [(f"ce_{name}", value.encode()) for name, value in {**given, **attributes}.items()]
        function = "-".join(reversed(event_type.split(".")))
        self.record(function, json.dumps(data).encode(), [*headers, ("content-type", b"application/json")])
        return identifier

    def record(self, topic: str, value: bytes, headers: list[tuple[str, bytes]] | None = None) -> None:
        """A record on a topic, acknowledged."""
        with self.kafka.producer() as producer:
            producer.send(self.topic(topic), key=self.user.encode(), value=value, headers=headers or []).get(10)

    def titles(self) -> list[str]:
        return [title for (title,) in self.sql("SELECT title FROM task WHERE user_id = %s ORDER BY task_id", self.user)]

    def inbox(self) -> list[tuple[Any, ...]]:
        """The user's events: function, id, attempts, status."""
        return self.sql("SELECT function, id, attempts, status FROM inbox WHERE user_id = %s ORDER BY id", self.user)

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Look into the database as its owner."""
        with psycopg.connect(self.environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []
