"""KafkaSource: consume topics as a group, deliver each record to the sink, commit what was delivered.

Ordered, a partition has one event in flight, and the retries of one event hold up its partition and no other.
Unordered, many are in flight, and what is committed is the part before the first that is not yet delivered.
Offsets are committed now and then and at a clean stop: after a crash events come again, none is skipped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from knative.local.delivery import Dispatcher, Outcome
from knative.local.fetch_pace import FetchPace
from knative.local.offsets import OffsetTracker
from knative.local.resources import KafkaSource
from knative_delivery.cloud_event import Record, from_record
from knative_delivery.sink import Sink

_logger = logging.getLogger(__name__)

# Events in flight, and threads that carry them: KafkaSource's max.poll.records.
_IN_FLIGHT = 50
# Records of one partition that are fetched ahead, so that a partition that retries does not fill the memory.
_BACKLOG = 200
# Between two attempts at a broker that is away, at most; as shipped, half a minute.
_RECONNECT_MS = 2_000
# While its broker is away kafka-python 3.0.12 polls without a pause, and ten sources take a processor from whoever
# is to start the broker. A poll that finds nothing and computes for so long is followed by a pause.
_SPIN_SECONDS = 0.02
_PAUSE_SECONDS = 1.0
# A consumer that was cut off while it joined its group may wait for ever for an answer that got lost.
_JOIN_SECONDS = 30.0
# How soon a stop is noticed; records themselves end the wait at once. Eleven idle sources that poll four times a second
# take 4 % of a processor more.
_POLL_SECONDS = 1.0
# The same while it joins its group: kafka-python 3.0.12 forgets an answer that comes between two polls and asks anew,
# so that a consumer which polls for less than a busy broker takes would join again and again.
_JOIN_POLL_SECONDS = 2.0
# The same while partitions are paused: how soon one that has drained is fetched again.
_PAUSED_POLL_SECONDS = 0.25


class KafkaSourceAdapter:
    """Runs one KafkaSource between `start` and `stop`.

    `client` holds kafka-python's connection settings, bootstrap_servers among them. The sources of a broker share
    a `pace`.
    """

    def __init__(
        self,
        source: KafkaSource,
        *,
        client: Mapping[str, Any],
        sink: Sink,
        pace: FetchPace | None = None,
        commit_interval: float = 5.0,
        session_timeout: float = 6.0,
    ) -> None:
        self.source = source
        self.dispatcher = Dispatcher(name=source.name, destination=source.sink, delivery=source.delivery, sink=sink)
        # Set as soon as partitions are assigned.
        self.assigned = threading.Event()
        self._client = client
        self._pace = pace or FetchPace()
        self._commit_interval = commit_interval
        self._session_timeout = session_timeout
        self._stopping = threading.Event()
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._workers = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix=f"kafka-source-{source.name}")
        self._thread = threading.Thread(target=self._run, name=f"kafka-source-{source.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the requests in flight end, commit, and leave the group."""
        self._stopping.set()
        for lane in list(self._lanes.values()):
            lane.stopping.set()
        self._workers.shutdown(wait=True)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._consume()
            except Exception as error:  # whatever it is: a source that ends in silence would lose all that comes
                _logger.error("%s: %s; starting the consumer anew", self.source.name, error or repr(error))
                self._stopping.wait(1)

    def _consume(self) -> None:
        consumer = KafkaConsumer(
            **self._client,
            client_id=f"kafka-source-{self.source.name}",
            group_id=self.source.consumer_group,
            auto_offset_reset=self.source.initial_offset,
            enable_auto_commit=False,
            max_poll_records=_IN_FLIGHT,
            session_timeout_ms=int(self._session_timeout * 1000),
            heartbeat_interval_ms=int(self._session_timeout * 1000 / 3),
            reconnect_backoff_max_ms=_RECONNECT_MS,
        )
        try:
            consumer.subscribe(self.source.topics, listener=_Rebalance(self))
            next_commit = time.monotonic() + self._commit_interval
            joined = time.monotonic()
            while not self._stopping.is_set():
                is_member = bool(consumer.assignment())
                if is_member:
                    joined = time.monotonic()
                elif time.monotonic() - joined > _JOIN_SECONDS:
                    raise KafkaTimeoutError(f"no partitions within {_JOIN_SECONDS:.0f} s")
                worked = time.thread_time()
                longest = _PAUSED_POLL_SECONDS if consumer.paused() else _POLL_SECONDS
                found = consumer.poll(timeout_ms=int((longest if is_member else _JOIN_POLL_SECONDS) * 1000))
                for partition, records in found.items():
                    self._lane(partition).extend(records)
                if found:
                    self._pace.note_records(self.source.name)
                consumer._fetcher.config["fetch_max_wait_ms"] = self._pace.wait_ms(self.source.name)
                if not found and time.thread_time() - worked > _SPIN_SECONDS:
                    self._stopping.wait(_PAUSE_SECONDS)
                self._regulate(consumer)
                if time.monotonic() >= next_commit:
                    self._commit(consumer)
                    next_commit = time.monotonic() + self._commit_interval
            self._workers.shutdown(wait=True)
            self._commit(consumer)
        finally:
            self._abandon(list(self._lanes))
            consumer.close(autocommit=False)

    def _lane(self, partition: TopicPartition) -> _Lane:
        if partition not in self._lanes:
            lane = _OrderedLane if self.source.ordering == "ordered" else _UnorderedLane
            self._lanes[partition] = lane(self.source, self.dispatcher, self._workers)
        return self._lanes[partition]

    def _regulate(self, consumer: KafkaConsumer) -> None:
        """Fetch no more for a partition that has enough to do. Polling goes on: it keeps the membership."""
        full = {partition for partition, lane in list(self._lanes.items()) if lane.backlog >= _BACKLOG}
        paused = consumer.paused()
        if full - paused:
            consumer.pause(*(full - paused))
        if paused - full:
            consumer.resume(*(paused - full))
        # kafka-python 3.0.12 parks what it fetched for a paused partition, one batch a partition, and takes a batch
        # up again only if this slot is None: a drained batch left in it would block a resumed partition for good.
        fetcher = consumer._fetcher
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def _commit(self, consumer: KafkaConsumer) -> None:
        lanes = dict(self._lanes)
        offsets = {
            partition: offset for partition, lane in lanes.items() if (offset := lane.tracker.to_commit()) is not None
        }
        if not offsets:
            return
        try:
            consumer.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()})
        except KafkaError as error:
            # What is not committed now is committed the next time, or delivered again.
            _logger.warning("%s: offsets not committed: %s", self.source.name, error)
            return
        for partition, offset in offsets.items():
            lanes[partition].tracker.committed(offset)

    def _abandon(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            if lane := self._lanes.pop(partition, None):
                lane.stopping.set()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Called by kafka-python in its own thread, in which nothing can be committed: what is abandoned comes again."""

    def __init__(self, adapter: KafkaSourceAdapter) -> None:
        self._adapter = adapter

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._adapter._abandon(revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        # Records that were on their way out of poll() belong to the time before: they too come again, from the commit.
        self._adapter._abandon(assigned)
        self._adapter.assigned.set()


class _Lane:
    """The records of one partition on their way to the sink."""

    def __init__(self, source: KafkaSource, dispatcher: Dispatcher, workers: ThreadPoolExecutor) -> None:
        self.tracker = OffsetTracker()
        self.stopping = threading.Event()
        self._source = source
        self._dispatcher = dispatcher
        self._workers = workers
        self._lock = threading.Lock()
        self.backlog = 0

    def extend(self, records: Iterable[Record]) -> None:
        raise NotImplementedError

    def _deliver(self, record: Record) -> None:
        try:
            if not self.stopping.is_set() and self._dispatch(record) is not Outcome.INTERRUPTED:
                self.tracker.finished(record.offset)
        except Exception:
            # As in KafkaSource, a record that nobody foresaw must not block its partition.
            _logger.exception("%s: EVENT LOST: offset %d", self._source.name, record.offset)
            self.tracker.finished(record.offset)
        finally:
            with self._lock:
                self.backlog -= 1

    def _dispatch(self, record: Record) -> Outcome:
        source = self._source
        event = from_record(record, namespace=source.namespace, name=source.name, extensions=source.extensions)
        return self._dispatcher.dispatch(event, self.stopping)

    def _accept(self, record: Record) -> None:
        self.tracker.received(record.offset)
        with self._lock:
            self.backlog += 1


class _UnorderedLane(_Lane):
    def extend(self, records: Iterable[Record]) -> None:
        for record in records:
            self._accept(record)
            self._workers.submit(self._deliver, record)


class _OrderedLane(_Lane):
    def __init__(self, source: KafkaSource, dispatcher: Dispatcher, workers: ThreadPoolExecutor) -> None:
        super().__init__(source, dispatcher, workers)
        self._waiting: deque[Record] = deque()
        self._busy = False

    def extend(self, records: Iterable[Record]) -> None:
        for record in records:
            self._accept(record)
            self._waiting.append(record)
        with self._lock:
            start = bool(self._waiting) and not self._busy
            self._busy = self._busy or start
        if start:
            self._workers.submit(self._drain)

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self.stopping.is_set():
                    self._busy = False
                    return
                record = self._waiting.popleft()
            self._deliver(record)
