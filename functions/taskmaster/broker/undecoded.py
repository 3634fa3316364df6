"""Records that are decoded when somebody looks into them: for a search that passes most of them over.

To decode a record in Python takes four times as long as to find where it ends and whether its headers hold a name. The
format is that of KIP-98. This takes the place of a class of kafka-python 3.0 that is not public:
tests/unit/broker/test_undecoded.py holds that both read the same. It imports kafka, so it is imported late.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

_FORMAT = 2  # of batches, since Kafka 0.11


def decode_late(consumer: KafkaConsumer) -> None:
    """Have this consumer return Undecoded records."""
    consumer._fetcher.PartitionRecords = _PartitionRecords


class _Batch:
    """The bytes of a batch, which its records share."""

    __slots__ = ("_decoded", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._decoded: dict[int, Any] | None = None

    def decoded(self) -> dict[int, Any]:
        """The records by offset. Raises CorruptRecordError."""
        if self._decoded is None:
            self._decoded = {each.offset: each for each in DefaultRecordBatch(self.raw)}
        return self._decoded


class Undecoded:
    """A record as kafka-python's consumer has it; `timestamp` is in milliseconds of Unix time."""

    __slots__ = ("_batch", "_end", "_start", "offset", "partition", "timestamp", "topic")

    def __init__(
        self, source: TopicPartition, offset: int, timestamp: int, batch: _Batch, extent: tuple[int, int] = (0, 0)
    ) -> None:
        """`extent` is where in the batch its headers are; nowhere, where that is compressed."""
        self.topic, self.partition = source
        self.offset = offset
        self.timestamp = timestamp
        self._batch = batch
        self._start, self._end = extent

    def holds_none(self, texts: Iterable[bytes]) -> bool:
        """Whether none of these is in its headers. False where that is not known: decode it then."""
        if not self._end:
            return False
        find, start, end = self._batch.raw.find, self._start, self._end
        for text in texts:  # noqa: SIM110, this is done for every record that is passed over, and any() takes longer
            if find(text, start, end) >= 0:
                return False
        return True

    @property
    def key(self) -> bytes | None:
        key: bytes | None = self._batch.decoded()[self.offset].key
        return key

    @property
    def value(self) -> bytes | None:
        value: bytes | None = self._batch.decoded()[self.offset].value
        return value

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        headers: list[tuple[str, bytes | None]] = self._batch.decoded()[self.offset].headers
        return headers


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What one answer of the broker has of a partition."""

    def _unpack_records(self, tp: TopicPartition, records: Any, *_deserializers: Any) -> Iterator[Any]:
        for batch in iter(records.next_batch, None):
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"a batch of {tp.topic}/{tp.partition} is corrupt")
            if batch.magic != _FORMAT:
                raise CorruptRecordError(f"{tp.topic}/{tp.partition} has records of before Kafka 0.11")
            if not batch.is_control_batch:
                for record in _records(tp, batch):
                    self.records_read += 1
                    self.next_fetch_offset = record.offset + 1
                    yield record
            self.bytes_read += batch.size_in_bytes
            self.next_fetch_offset = batch.next_offset
        self.drain()


def _records(source: TopicPartition, batch: DefaultRecordBatch) -> list[Undecoded]:
    raw = bytes(batch._buffer)
    shared = _Batch(raw)
    if batch.compression_type != batch.CODEC_NONE:
        return [Undecoded(source, offset, each.timestamp, shared) for offset, each in shared.decoded().items()]
    base, first = batch.base_offset, batch.first_timestamp
    appended = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    position = batch.HEADER_STRUCT.size
    found = []
    for _ in range(batch.records_count):
        length, start = decode_varint(raw, position)
        since_first, behind = decode_varint(raw, start + 1)  # behind the attributes, a byte
        number, behind = decode_varint(raw, behind)
        key, behind = decode_varint(raw, behind)
        value, behind = decode_varint(raw, behind + max(key, 0))  # -1: there is none
        position = start + length
        timestamp = first + since_first if appended is None else appended
        found.append(Undecoded(source, base + number, timestamp, shared, (behind + max(value, 0), position)))
    return found
