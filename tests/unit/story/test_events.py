"""Which event a record is, and whether it is of a story."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from taskmaster.events.ids import new_id
from taskmaster.story.event import Event, of_record
from taskmaster.story.names import Names, made_at
from tests.programs.fuzz.targets import Record

HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e1"),
    ("ce_source", b"/taskmaster/create-task"),
    ("ce_userid", b"ada"),
]


def event(**headers: str) -> Event:
    more = [(f"ce_{name}", value.encode()) for name, value in headers.items()]
    return of_record(Record(headers=[*HEADERS, *more], value=b"{}"))


def test_an_event_without_a_correlation_begins_one() -> None:
    assert event().correlation == "e1"
    assert event(correlationid="c").correlation == "c"
    assert event().function == "create-task"
    assert event(causationid="e0").cause == "e0"


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b'{"metadata": 7}', b'"x"', b"\xff"])
def test_whatever_a_record_holds_it_has_a_name(value: bytes) -> None:
    assert of_record(Record(headers=[], value=value)).id.startswith("partition:")


def test_the_original_envelope_is_known_by_what_it_says() -> None:
    envelope = {
        "event_id": "e",
        "event_type": "task.create",
        "user_id": "ada",
        "correlation_id": "c",
        "metadata": {"source": "/s"},
    }
    found = of_record(Record(headers=[], value=json.dumps(envelope).encode()))
    assert (found.id, found.type, found.user_id, found.correlation, found.source) == (
        "e",
        "task.create",
        "ada",
        "c",
        "/s",
    )


def test_an_id_says_when_it_was_made_if_it_is_a_uuidv7() -> None:
    made = made_at(new_id())
    assert made is not None
    assert abs((datetime.now(UTC) - made).total_seconds()) < 5
    assert made_at(str(UUID(int=4, version=4))) is None
    assert made_at("c") is None
    assert made_at("ffffffff-ffff-7000-8000-000000000000") is None  # the year 10889


def test_a_story_grows_by_the_correlations_of_its_events() -> None:
    names = Names(subjects={"tasks/17"})
    assert names.take(event(subject="tasks/17", correlationid="c"))
    assert names.take(event(subject="tasks/18", correlationid="c"))
    assert not names.take(event(subject="tasks/18", correlationid="d"))


def test_what_is_passed_over_by_its_headers_is_of_no_story() -> None:
    names = Names(correlations={"c"})
    assert names.may_concern(Record(headers=[*HEADERS, ("ce_correlationid", b"c")], value=b""))
    assert not names.may_concern(Record(headers=HEADERS, value=b""))
    assert names.may_concern(Record(headers=[], value=b""))  # it may say inside what it is
    names.events.add("e1")
    assert names.may_concern(Record(headers=HEADERS, value=b""))
