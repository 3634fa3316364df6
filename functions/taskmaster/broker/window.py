"""The records of topics from a moment on, by Kafka's protocol: transport.TopicReader without a consumer group."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from taskmaster.broker.records import plain_consumer
from taskmaster.broker.transport import ReadingForbidden, Unreadable
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

_POLL = 5_000  # records
_LAST_LOOK_MS = 30  # at the end of all partitions: some brokers name an end that is before the last batch


class KafkaTopicReader:
    """One connection for several looks at the same topics."""

    def __init__(self, consumer: "KafkaConsumer", topics: Iterable[str], *, patience: float) -> None:
        self._consumer = consumer
        self._there: set[str] = consumer.topics()
        self._partitions = _partitions(consumer, topics, self._there)
        self._patience = patience

    def has(self, topic: str) -> bool:
        return topic in self._there

    def size(self) -> int:
        with _explained():
            starts = self._consumer.beginning_offsets(self._partitions)
            ends = self._consumer.end_offsets(self._partitions)
        return sum(ends[each] - starts[each] for each in self._partitions)

    def read(
        self,
        *,
        since: datetime | None = None,
        newest: int | None = None,
        is_over: Callable[[Any], bool] = lambda record: False,
    ) -> Iterator[Any]:
        if self._partitions:
            with _explained():
                yield from _read(
                    self._consumer, self._partitions, since, newest=newest, is_over=is_over, patience=self._patience
                )


@contextmanager
def reading(settings: Settings, topics: Iterable[str], *, decode_late: bool = False) -> Iterator[KafkaTopicReader]:
    """A reader of these topics; those that are not there, or not to be seen, are left out. Raises Unreadable.

    With `decode_late` its records are Undecoded ones, for whoever passes most of them over.
    """
    with _explained(), plain_consumer(settings, auto_offset_reset="earliest", fetch_max_wait_ms=50) as consumer:
        if decode_late:
            from taskmaster.broker import undecoded

            undecoded.decode_late(consumer)
        yield KafkaTopicReader(consumer, topics, patience=settings.kafka_request_timeout)


@contextmanager
def _explained() -> Iterator[None]:
    """Raises Unreadable in the place of kafka's errors, with what they say or else their name."""
    from kafka.errors import KafkaError, TopicAuthorizationFailedError

    try:
        yield
    except KafkaError as error:
        kind = ReadingForbidden if isinstance(error, TopicAuthorizationFailedError) else Unreadable
        raise kind((str(error).strip() or type(error).__name__).splitlines()[0]) from error


def _partitions(consumer: "KafkaConsumer", topics: Iterable[str], there: set[str]) -> "list[TopicPartition]":
    from kafka import TopicPartition

    return [
        TopicPartition(topic, number)
        for topic in dict.fromkeys(topics)
        if topic in there
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]


def _read(
    consumer: "KafkaConsumer",
    partitions: "list[TopicPartition]",
    since: datetime | None,
    *,
    newest: int | None,
    is_over: Callable[[Any], bool],
    patience: float,
) -> Iterator[Any]:
    consumer.assign(partitions)
    if paused := consumer.paused():  # by a look before this one
        consumer.resume(*paused)
    ends = dict(consumer.end_offsets(partitions))
    if since is None:
        starts = dict(consumer.beginning_offsets(partitions))
    else:
        found = consumer.offsets_for_times({each: int(since.timestamp() * 1000) for each in partitions})
        # Where there is no such record some brokers say nothing, others a place without a time.
        starts = {
            each: at.offset if (at := found.get(each)) and at.timestamp >= 0 else ends[each] for each in partitions
        }
    if newest is not None:
        starts = {each: max(start, ends[each] - newest) for each, start in starts.items()}
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    open_ones, unseen = set(partitions), set(partitions)
    silent_since = time.monotonic()
    while True:
        is_last_look = all(consumer.position(each) >= ends[each] for each in open_ones)
        batches = consumer.poll(timeout_ms=_LAST_LOOK_MS if is_last_look else 500, max_records=_POLL)
        if is_last_look and not unseen & batches.keys():
            return
        for partition, records in batches.items():
            silent_since = time.monotonic()
            if partition in unseen:  # a broker may say of its last batch only where it begins
                unseen.discard(partition)
                ends[partition] = max(ends[partition], consumer.highwater(partition) or 0)
            for record in records:
                if partition not in open_ones or record.offset >= ends[partition]:
                    break
                if is_over(record):
                    open_ones.discard(partition)
                    consumer.pause(partition)
                    break
                yield record
        if time.monotonic() > silent_since + patience:
            raise TimeoutError(f"no record for {patience:g} seconds")
