"""All records of the topics as they are now, kept in memory: for a test that has many stories told."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from taskmaster.broker.transports import reading
from taskmaster.events import routes
from taskmaster.settings import Settings


class KeptTopics:
    """Reads as broker.transport.TopicReader does, and each record from the broker only once."""

    def __init__(self, settings: Settings) -> None:
        with reading(settings, map(settings.topic, routes.TOPICS), decode_late=True) as topics:
            records = sorted(topics.read(), key=lambda each: (each.topic, each.partition))  # each partition is in order
        grouped = groupby(records, key=lambda each: (each.topic, each.partition))
        self._partitions = [list(partition) for _, partition in grouped]

    def read(self, *, since: datetime | None, is_over: Callable[[Any], bool]) -> Iterator[Any]:
        begin = since.timestamp() * 1000 if since else 0
        for partition in self._partitions:
            first = next((place for place, each in enumerate(partition) if each.timestamp >= begin), len(partition))
            for record in partition[first:]:
                if is_over(record):
                    break
                yield record
