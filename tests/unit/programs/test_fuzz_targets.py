"""What the fuzzer calls holds for its seeds, for what it found, and at random; and what is written reads the same."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from knative_delivery import cloud_event
from taskmaster.domain import paging
from taskmaster.domain.paging import ListTasks
from taskmaster.domain.task import Task
from taskmaster.events import cloudevent
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from tests.programs.fuzz.targets import TARGETS, Record, decode
from tests.support.sizes import size

SEEDS = sorted((Path(__file__).parents[2] / "programs" / "fuzz" / "seeds").glob("*/*"))
AT_RANDOM = settings(max_examples=size(50, 200), derandomize=True)


class Empty(BaseModel):
    """Data without a field."""


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_seed_and_everything_that_was_found_holds(seed: Path) -> None:
    TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds() -> None:
    assert {seed.parent.name for seed in SEEDS} == set(TARGETS)


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A seed of which a piece is another one's, or anything."""

    def mend(seed: bytes, start: float, length: int, piece: bytes) -> bytes:
        at = int(start * len(seed))
        return seed[:at] + piece + seed[at + length :]

    pieces = st.binary(max_size=8) | st.sampled_from(seeds) | st.text(max_size=8).map(str.encode)
    return st.builds(mend, st.sampled_from(seeds), st.floats(0, 1), st.integers(0, 12), pieces)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_holds_at_random(name: str) -> None:
    seeds = [seed.read_bytes() for seed in SEEDS if seed.parent.name == name]

    @AT_RANDOM
    @given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode()) | mutated(seeds))
    def holds(data: bytes) -> None:
        TARGETS[name](data)

    holds()


# What is written reads the same ---------------------------------------------------------------------------------------

ATTRIBUTE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40).filter(
    lambda text: text == text.strip()
)
URI = st.from_regex(r"/[a-z0-9/-]{1,30}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def handed_over(event: Outgoing) -> Any:
    """The event as a function reads it behind Kafka and KafkaSource."""
    headers = [(name, value.encode()) for name, value in event.headers.items()]
    record = Record(headers=headers, value=event.value, key=event.key.encode())
    made = cloud_event.from_record(record, namespace="default", name="create-task")
    return decode({name: value.decode("latin-1") for name, value in made.http_headers().items()}, made.data)


@AT_RANDOM
@given(user=ATTRIBUTE, correlation=ATTRIBUTE, key=ATTRIBUTE, at=st.datetimes(timezones=st.just(UTC)))
def test_an_event_of_ours_arrives_as_it_was_written(user: str, correlation: str, key: str, at: datetime) -> None:
    origin = Origin(function="create-task", user_id=user, correlation_id=correlation)
    event = outgoing("task.created", Empty(), origin=origin, at=at, key=key, subject="tasks/7")
    arrived = dict(handed_over(event).get_attributes())
    for place in ("knativekafkapartition", "knativekafkaoffset"):
        del arrived[place]
    sent = {name[3:]: value for name, value in event.headers.items() if name.startswith("ce_")}
    for attributes in (sent, arrived):
        assert datetime.fromisoformat(attributes.pop("time")) == at
    assert arrived == sent


@AT_RANDOM
@given(envelope=st.fixed_dictionaries(
    {"event_type": ATTRIBUTE.filter(lambda name: name != cloudevent.WRAPPED), "user_id": ATTRIBUTE, "data": JSON},
    optional={"event_id": ATTRIBUTE, "correlation_id": ATTRIBUTE},
))  # fmt: skip
def test_an_original_envelope_arrives_as_the_event_it_stands_for(envelope: dict[str, Any]) -> None:
    record = Record(headers=[], value=json.dumps(envelope).encode())
    made = cloud_event.from_record(record, namespace="default", name="create-task")
    event = decode({name: value.decode("latin-1") for name, value in made.http_headers().items()}, made.data)
    assert (event["type"], event["userid"]) == (envelope["event_type"], envelope["user_id"])
    assert event["id"] == envelope.get("event_id", f"partition:0/offset:7@{made.attributes['time']}")
    assert event.get("correlationid") == envelope.get("correlation_id")
    assert event.get_data() == envelope["data"]


@AT_RANDOM
@given(
    sort=st.sampled_from(["title", "-due", "priority", "created_at", "-updated_at"]),
    title=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1),
    due=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    priority=st.sampled_from(["low", "medium", "high", "urgent"]),
    task_id=st.integers(1, 2**63 - 1),
)
def test_a_cursor_leads_back_to_the_task_it_was_made_of(
    sort: Any, title: str, due: datetime | None, priority: Any, task_id: int
) -> None:
    made = datetime(2026, 11, 24, 9, tzinfo=UTC)
    task = Task(task_id=task_id, title=title, due_at=due, priority=priority, created_at=made, updated_at=made)
    shown = paging.page(ListTasks(sort=sort, limit=1), [task, task])
    mark = paging.position_of(ListTasks(sort=sort, cursor=shown.next_cursor))
    assert mark == paging.PagePosition(paging._key(sort, task), task_id)


# Found, and kept ------------------------------------------------------------------------------------------------------


def test_what_comes_from_a_kafkasource_is_not_decoded_once_more() -> None:
    """It encodes nothing: the ids a%2Fb and a/b are two events, and were one."""
    common = {"ce-specversion": "1.0", "ce-source": "/a", "ce-type": "t"}
    kafka = {**common, "ce-id": "a%2Fb", "ce-knativekafkaoffset": "7", "ce-knativekafkapartition": "0"}
    assert cloudevent.decode(kafka, b"")["id"] == "a%2Fb"
    assert cloudevent.decode({**common, "ce-id": "a%2Fb"}, b"")["id"] == "a/b"


@pytest.mark.parametrize("character", ["😀", "\x01", '"', "\\", "é"], ids=ascii)
def test_the_longest_title_has_a_cursor_that_may_come_back(character: str) -> None:
    made = datetime(2026, 11, 24, 9, tzinfo=UTC)
    task = Task(task_id=2**63 - 1, title=character * 500, created_at=made, updated_at=made)
    shown = paging.page(ListTasks(sort="-title", limit=1), [task, task])
    assert paging.position_of(ListTasks(sort="-title", cursor=shown.next_cursor)) == paging.PagePosition(
        task.title, task.task_id
    )


def test_an_event_without_a_time_gets_none() -> None:
    """The cloudevents package makes one up, of the machine's clock and not of business time."""
    event = cloudevent.decode({"ce-specversion": "1.0", "ce-source": "/a", "ce-type": "t", "ce-id": "1"}, b"")
    assert "time" not in event
