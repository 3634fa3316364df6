"""Dead letters as they lie on the topic: which event one is, why it failed, and that it goes back as it was."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knative.local import manifests
from knative_delivery.cloud_event import from_record
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.events import cloudevent, header_values
from taskmaster.events.cloudevent import Malformed, Received
from taskmaster.events.outgoing import Outgoing, dead_letter
from taskmaster.events.routes import mailbox_of
from taskmaster.handling.idempotency import arrival_key, event_key

OBSERVED = json.loads((Path(__file__).parents[1] / "local" / "kafkasource-observed.json").read_text())
ROOT = Path(__file__).parents[3]
SINK = "http://create-task.default.svc.cluster.local/events"


@dataclass
class Record:
    """A record as a consumer hands it over."""

    value: bytes | None = b'{"title": "x"}'
    headers: Any = field(default_factory=list)
    key: bytes | None = None
    topic: str = "dead-letters"
    partition: int = 2
    offset: int = 17
    timestamp: int = 1_764_000_000_000

    @classmethod
    def of(cls, event: Outgoing) -> "Record":
        """What a publisher makes of it."""
        headers = [(name, value.encode()) for name, value in event.headers.items()]
        return cls(key=event.key.encode(), value=event.value, headers=list(headers))


def letter(value: bytes = b'{"title": "x"}', **attributes: str) -> DeadLetter:
    """A letter as park-dead-letter leaves it."""
    given = {"specversion": "1.0", "id": "e", "source": "/s", "type": "task.create", "userid": "ada"}
    return DeadLetter.read(Record.of(dead_letter({**given, **attributes}, "application/json", value)))


def test_a_letter_says_which_event_failed_where_and_why() -> None:
    body = json.dumps({"type": "about:blank", "detail": "title: Input should be a valid string"}).encode()
    failed = letter(
        b'{"task_id": 7}', knativeerrordest=SINK, knativeerrorcode="422",
        knativeerrordata=base64.b64encode(body).decode(), reason="title: is no text", knativekafkaoffset="5",
    )  # fmt: skip
    assert (failed.position, failed.function, failed.code, failed.reason) == (
        "2/17",
        "create-task",
        422,
        "title: is no text",
    )
    assert (failed.type, failed.id, failed.user_id, failed.task_id) == ("task.create", "e", "ada", 7)
    assert failed.answer == (body.decode(), False)
    assert failed.parked_at.isoformat() == "2025-11-24T16:00:00+00:00"
    assert failed.attributes.keys() == {"specversion", "id", "source", "type", "userid"}


def test_without_a_reason_there_is_that_of_the_answer_or_its_status() -> None:
    detail = base64.b64encode(b'{"detail": "The back end is away."}').decode()
    assert letter(knativeerrorcode="503", knativeerrordata=detail).reason == "The back end is away."
    assert letter(knativeerrorcode="500", knativeerrordata=base64.b64encode(b"<html>").decode()).reason == "status 500"
    assert letter(knativeerrordest=SINK).reason == "no answer"


def test_an_answer_that_kafka_source_cut_is_said_to_be_cut() -> None:
    assert letter(knativeerrordata=base64.b64encode(b"x" * 1024).decode()).answer == ("x" * 1024, True)
    assert letter(knativeerrordata="no base64!").answer == ("no base64!", False)


@pytest.mark.parametrize(
    "destination", [SINK, "create-task", "http://create-task.default.svc", "http://create-task:8080/"]
)
def test_the_function_is_read_from_where_the_event_was_sent(destination: str) -> None:
    assert letter(knativeerrordest=destination).function == "create-task"


def test_every_kafka_source_reads_the_mailbox_that_letters_of_its_function_go_back_to() -> None:
    for source in manifests.read(ROOT / "knative", ROOT / "eventing").kafka_sources:
        [function] = {letter(knativeerrordest=source.sink).function}
        assert source.topics == (mailbox_of(function),)


@pytest.mark.parametrize("case", OBSERVED["deliveries"], ids=lambda case: case["case"])
def test_whatever_kafka_source_delivered_goes_back_under_the_keys_it_had(case: dict[str, Any]) -> None:
    """Delivered, refused, parked, put back and delivered again, it is the same event for the inbox."""
    request = case["request"]
    headers, body = request["headers"], request["body"].encode("latin-1")
    first = cloudevent.attributes(headers.items())
    parked = DeadLetter.read(
        Record.of(
            dead_letter(
                {**first, "knativeerrordest": SINK, "knativeerrorcode": "400"}, headers.get("content-type", ""), body
            )
        )
    )
    if "broken JSON" in case["case"]:
        assert "produce it anew" in parked.obstacle
        return
    assert parked.obstacle == ""
    back = from_record(Record.of(parked.original_event(topic="create-task")), namespace="default", name="create-task")
    again = {name: value.decode("latin-1") for name, value in back.http_headers().items()}
    assert back.data == body
    assert keys(again, body) == keys(headers, body)
    moved = ("ce-knativekafkaoffset", "ce-knativekafkapartition", "prefer")
    ours = cloudevent.attributes(again.items())
    assert {f"ce-{name}": value for name, value in ours.items() if f"ce-{name}" not in moved} == {
        name: value for name, value in headers.items() if name.startswith("ce-") and name not in moved
    }


def keys(headers: dict[str, str], body: bytes) -> list[Any]:
    """What the inbox would know it by: its arrival, and the event inside."""
    found: list[Any] = [arrival_or_none(cloudevent.attributes(headers.items()))]
    try:
        found.append(event_key("create-task", cloudevent.decode(headers, body).get_attributes()))
    except Malformed:
        found.append(None)
    return found


def arrival_or_none(attributes: dict[str, str]) -> Any:
    try:
        return arrival_key("create-task", attributes)
    except Malformed:
        return None


def test_an_envelope_goes_back_as_it_was_wrapped_and_says_whose_it_is() -> None:
    envelope = {"event_type": "task.create", "user_id": "ada", "data": {"title": "x", "task_id": 3}}
    wrapped = letter(
        json.dumps(envelope).encode(), id="partition:0/offset:4", type=cloudevent.WRAPPED,
        time="2026-11-24T13:42:37.988Z", userid="", knativeerrordest="create-task",
        source="/apis/v1/namespaces/default/kafkasources/create-task#create-task",
    )  # fmt: skip
    assert (wrapped.type, wrapped.user_id, wrapped.task_id) == ("task.create", "ada", 3)
    assert wrapped.id == "partition:0/offset:4@2026-11-24T13:42:37.988Z"
    arrival, event = wrapped.keys
    assert (arrival.user_id, event.user_id) == ("", "ada")
    back = wrapped.original_event(topic="create-task")
    assert back.headers["ce_type"] == cloudevent.WRAPPED
    assert back.headers["ce_time"] == "2026-11-24T13:42:37.988Z"
    assert json.loads(back.value) == envelope


@given(identifier=st.text(st.characters(codec="latin-1", exclude_characters="\x00"), min_size=1, max_size=40))
def test_an_id_goes_back_as_it_came_or_not_at_all(identifier: str) -> None:
    received = cloudevent.attributes([("ce-id", identifier), ("ce-knativekafkaoffset", "7")])["id"]
    assert received == identifier
    parked = letter(id=received, knativeerrordest=SINK)
    assert parked.attributes["id"] == received
    if header_values.obstacle(received):
        assert parked.obstacle.startswith("attribute id ")
    else:
        back = from_record(Record.of(parked.original_event(topic="t")), namespace="default", name="create-task")
        assert back.http_headers()["ce-id"].decode("latin-1") == identifier


ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=40)


LISTINGS = ["percentencoded", "misnamed", "undecoded"]
NAMES = st.sampled_from(["id", "note", "userid", "content-type", *LISTINGS]) | st.text(min_size=1, max_size=9)


@given(st.lists(ANYTHING, min_size=2, max_size=2, unique=True), NAMES)
def test_every_letter_is_sendable_and_another_than_every_other(values: list[str], name: str) -> None:
    """Whatever it is of: two that differ in one attribute, and a content type that nobody foresaw."""
    letters = [dead_letter({"id": "e", "type": "t", name: value}, value, b"") for value in values]
    for value, one in zip(values, letters, strict=True):
        header_values.check(one.headers.items())
        assert not header_values.obstacle(one.key)
        read = DeadLetter.read(Record.of(one))
        assert read.attributes[name] == value
        assert read.content_type == value
    assert letters[0].headers != letters[1].headers


@pytest.mark.parametrize("value", ["a%FF", "a%FE", "a%", "%C3"])
def test_what_is_no_percent_encoded_utf8_is_kept_as_it_came(value: str) -> None:
    """Of the dead letter sink nothing may be refused; but such an id is nobody's, and goes nowhere."""
    headers = {"ce-specversion": "1.0", "ce-id": value, "ce-source": "/s", "ce-type": "task.create", "ce-userid": "ada"}
    raw = DeadLetter.read(Record.of(Received(headers, b"{}").as_dead_letter(knativeerrordest=SINK)))
    encoded = DeadLetter.read(
        Record.of(
            Received({**headers, "ce-id": header_values.sent(value)}, b"{}").as_dead_letter(knativeerrordest=SINK)
        )
    )
    assert raw.attributes["id"] == encoded.attributes["id"] == value
    assert raw.keys == ()
    assert raw.identity != encoded.identity
    assert raw.obstacle == "attribute id is not percent-encoded UTF-8: correct it and produce it anew"
    assert encoded.obstacle == ""


def test_an_attribute_whose_name_is_none_is_kept_beside_the_others() -> None:
    """Such a header would make KafkaSource take the whole letter for a record that is no event."""
    whole = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "trace\vid": "1,2=3", "Odd": "4"}
    received = Received({"content-type": cloudevent.STRUCTURED}, json.dumps(whole).encode())
    parked = received.as_dead_letter(reason="why", knativeerrordest=SINK)
    assert parked.headers["ce_misnamed"] == "trace%0Bid=1%2C2%3D3,Odd=4"
    made = from_record(Record.of(parked), namespace="default", name="park-dead-letter")
    assert (made.attributes["type"], made.unsendable()) == ("t", "")
    read = DeadLetter.read(Record.of(parked))
    assert (read.attributes["trace\vid"], read.attributes["Odd"]) == ("1,2=3", "4")
    assert read.obstacle == "'trace\\x0bid' is no name of an attribute: correct it and produce it anew"


def test_a_letter_from_before_says_why_it_cannot_go_back() -> None:
    """Letters that lie on the topic already may hold what no header carries."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "e",
        "ce_type": "t",
        "ce_knativeerrordest": SINK,
        "ce_correlationid": "a\nb",
    }
    old = DeadLetter.read(Record(headers=[(name, value.encode()) for name, value in headers.items()]))
    assert "attribute correlationid holds U+000A" in old.obstacle


def test_a_structured_event_is_parked_as_the_event_it_is() -> None:
    whole = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "note": "a\nb", "data": {"x": 1}}
    parked = Received({"content-type": cloudevent.STRUCTURED}, json.dumps(whole).encode()).as_dead_letter(reason="why")
    read = DeadLetter.read(Record.of(parked))
    assert (read.id, read.attributes["note"], read.reason) == ("e", "a\nb", "why")
    assert (json.loads(read.value), read.content_type) == ({"x": 1}, "application/json")


@given(
    headers=st.lists(st.tuples(st.text(max_size=30), st.one_of(st.none(), st.binary(max_size=60))), max_size=12),
    value=st.one_of(st.none(), st.binary(max_size=200)),
    timestamp=st.integers(-(2**63), 2**63 - 1),
)
def test_nothing_that_lies_on_the_topic_cannot_be_read(
    headers: list[tuple[str, bytes | None]], value: bytes | None, timestamp: int
) -> None:
    read = DeadLetter.read(Record(value=value, headers=headers, timestamp=timestamp))
    assert read.position == "2/17"
    assert read.reason
    assert read.obstacle
