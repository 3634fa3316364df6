"""Records that are decoded late, beside those of kafka-python's own consumer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from taskmaster.broker.undecoded import _PartitionRecords
from taskmaster.story.event import of_record
from taskmaster.story.names import Names

Batch = list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]]  # timestamp, key, value, headers
HEADERS: list[tuple[str, bytes | None]] = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e1"),
    ("ce_source", b"/x"),
    ("ce_type", b"task.created"),
]
OURS = "correlation-of-ours"
PARTITION = TopicPartition("task-events", 1)

binaries = st.none() | st.binary(max_size=300)
records = st.tuples(
    st.integers(0, 2**41), binaries, binaries, st.lists(st.tuples(st.text(max_size=20), binaries), max_size=4)
)


def written(*batches: Batch, compression: int = 0) -> bytes:
    """The bytes of batches, as a broker keeps them."""
    whole, offset = b"", 0
    for batch in batches:
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=compression, is_transactional=False, producer_id=-1, producer_epoch=-1,
            base_sequence=-1, batch_size=10_000_000,
        )  # fmt: skip
        for number, (timestamp, key, value, headers) in enumerate(batch):
            builder.append(number, timestamp=timestamp, key=key, value=value, headers=headers)
        built = builder.build()
        whole += offset.to_bytes(8, "big") + bytes(built[8:])
        offset += len(batch)
    return whole


def read(kind: Any, raw: bytes, *, begin: int = 0) -> tuple[list[Any], Any]:
    """The records from an offset on, and the answer of the broker that they were taken from."""
    answer = kind(begin, PARTITION, MemoryRecords(raw))
    return answer.take(), answer


def fields(record: Any) -> Any:
    return record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers


@given(st.lists(st.lists(records, min_size=1, max_size=5), min_size=1, max_size=4), st.sampled_from([0, 1]), st.data())
def test_they_are_what_the_client_reads(batches: list[Batch], compression: int, data: st.DataObject) -> None:
    raw = written(*batches, compression=compression)
    begin = data.draw(st.integers(0, sum(map(len, batches)) - 1))  # in the middle of a batch, too
    expected, theirs = read(Fetcher.PartitionRecords, raw, begin=begin)
    found, ours = read(_PartitionRecords, raw, begin=begin)
    assert list(map(fields, found)) == list(map(fields, expected))
    assert (ours.next_fetch_offset, bool(ours)) == (theirs.next_fetch_offset, bool(theirs))


def test_what_is_taken_in_parts_goes_on_where_it_stopped() -> None:
    raw = written([(1, b"a", b"", [])], [(1, b"b", b"", []), (1, b"c", b"", [])])
    answer = _PartitionRecords(0, PARTITION, MemoryRecords(raw))
    assert [(each.key, answer.next_fetch_offset) for each in answer.take(2)] == [(b"a", 2), (b"b", 2)]
    assert [each.key for each in answer.take(2)] == [b"c"]
    assert answer.next_fetch_offset == 3


def test_a_batch_with_a_bit_that_flipped_is_refused() -> None:
    raw = bytearray(written([(1, b"a", b"value", [])]))
    raw[-3] ^= 1
    with pytest.raises(CorruptRecordError, match="task-events/1"):
        read(_PartitionRecords, bytes(raw))


def test_a_search_passes_over_what_is_of_other_stories_without_decoding_it() -> None:
    names = Names(correlations={OURS})
    batch: Batch = [
        (1, b"1", b"{}", [*HEADERS, ("ce_correlationid", b"another")]),
        (1, b"1", b"{}", [*HEADERS, ("ce_correlationid", OURS.encode())]),
        (1, b"1", b'{"x": "ce_specversion"}', []),  # it may say inside what it is
        (1, b"1", b"{}", [*HEADERS, ("ce_percentencoded", b"correlationid"), ("ce_correlationid", b"%63")]),
    ]
    found, _ = read(_PartitionRecords, written(batch))
    assert [names.may_concern(each) for each in found] == [False, True, True, True]
    assert names.take(of_record(found[1]))
    alone, _ = read(_PartitionRecords, written(batch[:1]))
    assert not names.may_concern(alone[0])
    assert alone[0]._batch._decoded is None


def test_what_is_compressed_is_looked_into() -> None:
    [record], _ = read(_PartitionRecords, written([(1, b"1", b"{}" + b" " * 500, HEADERS)], compression=1))
    assert not record.holds_none([b"anything"])
    assert not Names(correlations={OURS}).may_concern(record)
