"""What is on a topic, read from its beginning by a consumer that belongs to no group."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer

from tests.programs.specifications import published
from tests.support.brokers import Kafka
from tests.support.function_process import eventually


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One record that is an event."""

    key: str
    attributes: dict[str, str]
    value: bytes
    timestamp: int  # milliseconds

    @property
    def id(self) -> str:
        return self.attributes["id"]

    @property
    def data(self) -> Any:
        return json.loads(self.value)


class TopicReader:
    """Collects the records of a topic, in the order of each partition."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._consumer = KafkaConsumer(topic, **kafka.client(), auto_offset_reset="earliest", metadata_max_age_ms=200)
        self.seen: list[Seen] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def read(self) -> list[Seen]:
        """Everything so far."""
        for records in self._consumer.poll(timeout_ms=100).values():
            for record in records:
                headers = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
                published.hold(headers, record.value)
                seen = Seen(key=record.key.decode(), attributes=headers, value=record.value, timestamp=record.timestamp)
                self.seen.append(seen)
        return self.seen

    def once(self) -> list[Seen]:
        """Everything so far, repeats removed by id."""
        first: dict[str, Seen] = {}
        for seen in self.read():
            first.setdefault(seen.id, seen)
        return list(first.values())

    def wait_for(self, count: int) -> list[Seen]:
        """Different events, once there are so many."""
        eventually(lambda: len(self.once()) >= count, f"event {count}")
        return self.once()
