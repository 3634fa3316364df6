"""Where on the topics the events of a story are looked for, and that none of them is missed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskmaster.story.event import Event
from taskmaster.story.looks import QUIET
from taskmaster.story.names import Names
from taskmaster.story.records import find_events
from tests.programs.fuzz.targets import Record

LETTERS = "dead-letters"
T0 = datetime(2026, 11, 24, 9, tzinfo=UTC)


def id_at(moment: datetime, last: int = 0) -> str:
    """A UUIDv7 of a moment."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{last:012x}"


class Topics:
    """Records in memory, read as from a broker: by partition, and no further than it is told."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.looks = 0
        self.read_count = 0

    def add(
        self, at: datetime, *, topic: str = "task-events", partition: int = 0, value: bytes = b"{}", **attrs: str
    ) -> None:
        headers = [(f"ce_{name}", text.encode()) for name, text in attrs.items()]
        if "id" in attrs:
            headers = [("ce_specversion", b"1.0"), ("ce_source", b"/taskmaster/create-task"), *headers]
        offset = sum((each.topic, each.partition) == (topic, partition) for each in self.records)
        stamp = int(at.timestamp() * 1000)
        self.records.append(Record(headers, value, topic=topic, partition=partition, offset=offset, timestamp=stamp))

    def read(self, *, since: datetime | None, is_over: Callable[[Any], bool]) -> Iterator[Any]:
        self.looks += 1
        for partition in sorted({(each.topic, each.partition) for each in self.records}):
            for record in sorted(self.records, key=lambda each: each.timestamp):
                if (record.topic, record.partition) != partition:
                    continue
                if since is not None and record.timestamp < since.timestamp() * 1000:
                    continue
                if is_over(record):
                    break
                self.read_count += 1
                yield record


@pytest.fixture
def topics() -> Topics:
    return Topics()


def found(topics: Topics, identifier: str, **how: Any) -> list[Event]:
    names = Names(correlations={identifier}, events={identifier})
    return find_events(topics, names, letters=LETTERS, **how)


def ids(events: list[Event]) -> list[str]:
    return [each.id for each in events]


def test_a_story_is_looked_for_around_the_moment_of_its_id(topics: Topics) -> None:
    correlation = id_at(T0)
    for minute in range(-60, 60):
        topics.add(T0 + timedelta(minutes=minute), id=f"other-{minute}", correlationid="other")
    topics.add(T0 + timedelta(seconds=1), id="e1", correlationid=correlation)
    topics.add(T0 + timedelta(minutes=9), id="e2", correlationid=correlation)
    topics.add(T0 + timedelta(minutes=18), id="e3", correlationid=correlation)
    assert ids(found(topics, correlation)) == ["e1", "e2", "e3"]
    assert topics.read_count < 60


def test_an_id_without_a_time_has_the_topics_read_whole_and_once(topics: Topics) -> None:
    topics.add(T0, id="c", correlationid="c", topic="create-task")
    topics.add(T0 + timedelta(days=5), id="e1", correlationid="c")
    assert ids(found(topics, "c")) == ["c", "e1"]
    assert topics.looks == 1


def test_an_event_leads_to_what_came_before_and_after_it(topics: Topics) -> None:
    command, made = id_at(T0), id_at(T0 + timedelta(hours=5))  # it waited in its mailbox for hours
    topics.add(T0, id=command, correlationid=command, topic="create-task")
    topics.add(T0 + timedelta(hours=5), id=made, correlationid=command, causationid=command)
    assert ids(found(topics, made)) == [command, made]
    assert ids(found(topics, command)) == [command]  # nothing says that there is more, hours later
    topics.add(T0 - timedelta(hours=1), id="before", correlationid=command)  # than which its id says
    assert ids(found(topics, command, until=T0 + timedelta(hours=6))) == [command, made]


def test_a_command_that_waited_is_found_though_its_id_says_no_time(topics: Topics) -> None:
    made = id_at(T0 + timedelta(hours=5))
    topics.add(T0, id="c", correlationid="c", topic="create-task")
    topics.add(T0 + timedelta(hours=5), id=made, correlationid="c", causationid="c")
    assert ids(found(topics, made)) == ["c", made]
    assert topics.read_count == 2  # no record is read twice


def test_a_reminder_is_found_where_it_was_fired_days_later(topics: Topics) -> None:
    reminder, fired = id_at(T0), T0 + timedelta(days=3)
    due = id_at(fired)
    topics.add(fired, id=due, correlationid=reminder, topic="reminders")
    topics.add(fired + timedelta(seconds=2), id="sent", correlationid=reminder, causationid=due, topic="task-updates")
    assert ids(found(topics, reminder, moments=[fired])) == [due, "sent"]
    assert ids(found(topics, reminder)) == [due, "sent"]  # its row is gone, so the topics are read whole
    assert ids(found(topics, due)) == [due, "sent"]


def test_since_reads_from_there_to_the_end(topics: Topics) -> None:
    topics.add(T0, id="early", correlationid="c")
    topics.add(T0 + timedelta(hours=1), id="e1", correlationid="c")
    topics.add(T0 + timedelta(hours=9), id="e2", correlationid="c")
    assert ids(found(topics, "c", since=T0 + timedelta(minutes=1))) == ["e1", "e2"]


def test_a_story_that_is_found_longer_is_read_on_in_every_partition(topics: Topics) -> None:
    """A partition that was left before another one showed that the story goes on."""
    correlation = id_at(T0)
    late = T0 + QUIET + timedelta(minutes=1)
    topics.add(late, id="late", correlationid=correlation, partition=0)
    topics.add(T0 + QUIET - timedelta(minutes=1), id="soon", correlationid=correlation, partition=1)
    assert ids(found(topics, correlation)) == ["soon", "late"]


def test_a_story_has_one_order_whichever_id_led_to_it(topics: Topics) -> None:
    correlation, first, second = (id_at(T0, each) for each in range(3))
    topics.add(T0, id=second, correlationid=correlation, partition=0)
    topics.add(T0, id=first, correlationid=correlation, partition=1)
    for identifier in (correlation, first, second):
        assert ids(found(topics, identifier)) == [first, second]


def test_a_task_has_all_its_stories(topics: Topics) -> None:
    topics.add(T0, id="c1", correlationid="c1", topic="create-task")
    topics.add(T0 + timedelta(seconds=1), id="e1", correlationid="c1", subject="tasks/17")
    topics.add(T0 + timedelta(days=1), id="e2", correlationid=id_at(T0), subject="tasks/17")
    topics.add(T0 + timedelta(days=2), id="e3", correlationid=id_at(T0), subject="tasks/18")
    events = find_events(topics, Names(subjects={"tasks/17"}), letters=LETTERS)
    assert ids(events) == ["c1", "e1", "e2", "e3"]


def test_an_event_seen_twice_is_one_with_both_places(topics: Topics) -> None:
    topics.add(T0, id="e", correlationid="c", topic="task-updates")
    topics.add(T0, id="e", correlationid="c")
    [event] = found(topics, "c")
    assert [str(each) for each in event.places] == ["task-events/0/0", "task-updates/0/0"]


def test_a_dead_letter_of_an_envelope_is_of_the_record_that_failed(topics: Topics) -> None:
    """The record names no source; its KafkaSource gave it one, which the dead letter has."""
    value = b'{"event_type": "task.create", "user_id": "ada", "data": {}}'
    topics.add(T0, topic="create-task", value=value)
    position = f"partition:0/offset:0@{T0:%Y-%m-%dT%H:%M:%S}Z"
    topics.add(
        T0 + timedelta(seconds=1),
        topic=LETTERS,
        value=value,
        id="partition:0/offset:0",
        type="dev.knative.kafka.event",
        time=f"{T0:%Y-%m-%dT%H:%M:%S}Z",
        source="/apis/v1/namespaces/default/kafkasources/create-task#create-task",
        knativeerrorcode="422",
    )
    [event] = found(topics, position)
    assert [str(each) for each in event.places] == ["create-task/0/0"]
    assert [each.code for each in event.letters] == [422]


def test_a_dead_letter_with_an_encoded_id_is_found_by_the_id(topics: Topics) -> None:
    topics.add(T0, topic=LETTERS, id="%CE%B1", userid="ada", percentencoded="id")
    assert ids(found(topics, "α")) == ["α"]


def test_the_timestamp_of_a_record_may_be_anything(topics: Topics) -> None:
    topics.add(T0, id="e", correlationid="c")
    for stamp in (-1, 2**62):
        topics.records.append(Record(topics.records[0].headers, b"", topic="task-updates", timestamp=stamp))
    assert ids(found(topics, "c")) == ["e"]
