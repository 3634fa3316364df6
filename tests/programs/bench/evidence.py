"""Proof that nothing was only answered: every 201 left one row and at least one event, and nothing else did."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import psycopg
from kafka import KafkaConsumer, TopicPartition

from tests.programs.bench.contenders import Contender, Wrong

_PATIENCE_SECONDS = 30.0


class Evidence:
    """What one contender left in its database and on its topic. One consumer, which reads only when it is asked."""

    def __init__(self, contender: Contender, bootstrap_servers: str) -> None:
        self._contender = contender
        self._answered: set[int] = set()
        self._sent_at: dict[int, float] = {}  # Unix time of the first event of each task
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
        topic = contender.topic
        self._consumer.assign([TopicPartition(topic, each) for each in self._consumer.partitions_for_topic(topic)])
        self._consumer.seek_to_beginning()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._consumer.close()

    def published(self, task_ids: Iterable[int]) -> float:
        """Wait until each of these tasks has its event; Unix time at which the last was sent. Raises Wrong."""
        wanted = set(task_ids)
        self._answered |= wanted
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while missing := wanted - self._sent_at.keys():
            if time.monotonic() > deadline:
                raise Wrong(f"{self._contender.name}: {len(missing)} of {len(wanted)} events never came")
            for records in self._consumer.poll(timeout_ms=100).values():
                for record in records:
                    self._sent_at.setdefault(int(record.key), record.timestamp / 1000)
        return max(self._sent_at[task_id] for task_id in wanted)

    def close_the_books(self) -> int:
        """How many tasks were created, once rows, events and answers name the same ones. Raises Wrong."""
        with psycopg.connect(self._contender.database) as connection:
            rows = {task_id for (task_id,) in connection.execute("SELECT task_id FROM task")}
        if not rows == self._sent_at.keys() == self._answered:
            raise Wrong(
                f"{self._contender.name}: {len(self._answered)} tasks were answered with 201, "
                f"but there are {len(rows)} rows and events of {len(self._sent_at)}"
            )
        return len(rows)
