"""Which topics there should be, and what would have to change so that they are."""

import pytest

from taskmaster.broker.topics import RETENTION_MS, TopicDescription, count_of_unknown_retention, differences, wanted
from taskmaster.events import routes
from taskmaster.handling.idempotency import KEEP_EVENTS
from taskmaster.settings import read

GOOD = TopicDescription(partitions=3, retention_ms=RETENTION_MS)


def test_topics_that_are_as_they_should_be_need_nothing() -> None:
    assert (
        differences(
            ["a", "b"],
            {"a": GOOD, "b": GOOD, "somebody's": TopicDescription(partitions=1, retention_ms=-1)},
            partitions=3,
        )
        == []
    )


def test_a_topic_that_is_missing_is_created() -> None:
    [change] = differences(["a", "b"], {"a": GOOD}, partitions=3)
    assert (change.topic, change.action) == ("b", "create")
    assert change.described(is_done=True) == "b: created with 3 partitions, records kept 7 days"
    assert change.described(is_done=False) == "b: would be created with 3 partitions, records kept 7 days"


@pytest.mark.parametrize("partitions", [3, 4, 100])
def test_more_partitions_than_asked_for_are_left_alone(partitions: int) -> None:
    assert (
        differences(["a"], {"a": TopicDescription(partitions=partitions, retention_ms=RETENTION_MS)}, partitions=3)
        == []
    )


def test_fewer_partitions_are_told_but_not_touched_since_keys_would_move() -> None:
    [change] = differences(["a"], {"a": TopicDescription(partitions=1, retention_ms=RETENTION_MS)}, partitions=3)
    assert change.action is None
    for is_done in (True, False):
        assert change.described(is_done=is_done) == (
            "a: has 1 partitions, not 3: left alone, since more would move keys"
        )


@pytest.mark.parametrize(
    ("retention", "kept"), [(-1, "for ever"), (RETENTION_MS + 1, "7.0 days"), (30 * 86_400_000, "30.0 days")]
)
def test_records_kept_longer_than_the_inbox_remembers_are_shortened(retention: int, kept: str) -> None:
    [change] = differences(["a"], {"a": TopicDescription(partitions=3, retention_ms=retention)}, partitions=3)
    assert change.action == "retention"
    assert change.described(is_done=True).endswith(f"{kept}, longer than the inbox remembers them: set to 7 days")


@pytest.mark.parametrize("retention", [0, 1, RETENTION_MS, None])
def test_records_kept_for_less_and_what_the_broker_does_not_tell_are_left_alone(retention: int | None) -> None:
    assert differences(["a"], {"a": TopicDescription(partitions=3, retention_ms=retention)}, partitions=3) == []


@pytest.mark.parametrize("retention", [RETENTION_MS, -1, None])
def test_a_compacted_topic_never_forgets_whatever_its_retention(retention: int | None) -> None:
    [change] = differences(
        ["a"], {"a": TopicDescription(partitions=3, retention_ms=retention, is_compacted=True)}, partitions=3
    )
    assert change.action == "retention"
    assert change.described(is_done=False).endswith("for ever: would be set to cleanup.policy=delete and 7 days")


def test_how_many_topics_keep_their_records_for_nobody_knows_how_long_is_counted() -> None:
    assert count_of_unknown_retention({"a": GOOD, "b": TopicDescription(partitions=3, retention_ms=None)}) == 1


def test_topics_keep_their_records_for_less_than_the_inbox_remembers_them() -> None:
    assert KEEP_EVENTS.total_seconds() * 1000 > RETENTION_MS


def test_one_topic_may_need_two_things() -> None:
    changes = differences(["a"], {"a": TopicDescription(partitions=1, retention_ms=-1)}, partitions=3)
    assert [change.action for change in changes] == [None, "retention"]


def test_the_topics_are_those_of_the_routes() -> None:
    assert wanted(read({})) == list(routes.TOPICS)
    for event_type in routes.types():
        assert set(routes.topics_of(event_type, recurs=True)) <= set(routes.TOPICS)


def test_several_topics_may_share_one_which_is_wanted_once() -> None:
    names = wanted(read({"KAFKA_TOPICS": '{"task-events": "all", "task-updates": "all", "reminders": "all"}'}))
    assert names.count("all") == 1
    assert len(names) == len(routes.TOPICS) - 2


def test_an_event_without_a_route_cannot_be_emitted() -> None:
    with pytest.raises(KeyError):
        routes.topics_of("task.imagined")


def test_only_the_completion_of_what_recurs_wakes_its_schedule() -> None:
    mailbox = routes.SCHEDULE_NEXT_RECURRENCE
    assert mailbox in routes.topics_of("task.completed", recurs=True)
    assert mailbox not in routes.topics_of("task.completed")
    assert mailbox not in routes.topics_of("task.updated", recurs=True)
