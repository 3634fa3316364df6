"""Only the part of a partition that is finished without a gap may be committed."""

import random

from knative.local.offsets import OffsetTracker


def test_a_record_in_flight_holds_the_commit_back() -> None:
    tracker = OffsetTracker()
    for offset in (5, 6, 7):
        tracker.received(offset)
    tracker.finished(6)
    tracker.finished(7)
    assert tracker.to_commit() is None
    tracker.finished(5)
    assert tracker.to_commit() == 8


def test_nothing_is_committed_twice() -> None:
    tracker = OffsetTracker()
    tracker.received(0)
    tracker.finished(0)
    tracker.committed(1)
    assert tracker.to_commit() is None


def test_gaps_between_offsets_do_not_matter() -> None:
    tracker = OffsetTracker()
    for offset in (1, 4, 9):
        tracker.received(offset)
    for offset in (1, 4):
        tracker.finished(offset)
    assert tracker.to_commit() == 5


def test_finished_in_any_order_all_can_be_committed() -> None:
    tracker, offsets = OffsetTracker(), list(range(100))
    for offset in offsets:
        tracker.received(offset)
    random.Random(1).shuffle(offsets)
    for offset in offsets:
        tracker.finished(offset)
    assert tracker.to_commit() == 100
