"""Records become the requests that Knative's own KafkaSource was seen to send for them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knative_delivery.cloud_event import from_record, rfc3339

OBSERVED = json.loads(Path(__file__).with_name("kafkasource-observed.json").read_text("utf-8"))


@dataclass
class Record:
    key: bytes | None = None
    value: bytes | None = b"{}"
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    topic: str = "hello-topic"
    partition: int = 0
    offset: int = 1
    timestamp: int = 1_795_000_000_000


def latin(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")


@pytest.mark.parametrize("case", OBSERVED["deliveries"], ids=lambda case: case["case"])
def test_a_record_is_sent_as_knative_sends_it(case: dict[str, Any]) -> None:
    given, expected = case["record"], case["request"]
    record = Record(
        key=latin(given["key"]),
        value=latin(given["value"]),
        headers=[(name, value.encode()) for name, value in given["headers"]],
        partition=given["partition"],
        offset=given["offset"],
    )
    if expected["headers"]["ce-type"] == "dev.knative.kafka.event":
        moment = datetime.fromisoformat(expected["headers"]["ce-time"])
        record.timestamp = round(moment.timestamp() * 1000)

    event = from_record(record, namespace="default", name="hello")

    headers = {"prefer": b"reply", **event.http_headers()}
    assert headers == {name: latin(value) for name, value in expected["headers"].items()}
    assert event.data == latin(expected["body"])


@pytest.mark.parametrize("case", OBSERVED["header values"]["cases"], ids=lambda case: ascii(case["record"])[:30])
def test_a_header_value_is_sent_as_knative_sends_it(case: dict[str, Any]) -> None:
    record = binary()
    record.headers.append(("ce_test", case["record"].encode("latin-1")))
    event = from_record(record, namespace="default", name="hello")
    assert event.unsendable() == ("ce-test" if case["sent"] is None else "")
    if case["sent"] is not None:
        assert event.http_headers()["ce-test"] == latin(case["sent"])


@pytest.mark.parametrize(
    ("record", "header"),
    [
        (Record(key=b"a\nb"), "ce-key"),
        (Record(headers=[("x", b"a\nb")]), "ce-kafkaheaderx"),
        (Record(headers=[("content-type", b"a\x01b")]), "content-type"),
    ],
)
def test_a_record_that_is_no_cloudevent_may_be_unsendable_too(record: Record, header: str) -> None:
    assert from_record(record, namespace="default", name="hello").unsendable() == header


def test_the_key_of_a_cloudevent_is_not_sent() -> None:
    record = binary()
    record.key = b"a\nb"
    assert from_record(record, namespace="default", name="hello").unsendable() == ""


def binary(**attributes: str) -> Record:
    required = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    return Record(headers=[(f"ce_{n}", v.encode()) for n, v in {**required, **attributes}.items()])


@pytest.mark.parametrize(
    "attributes",
    [
        {"time": "yesterday"},
        {"source": "two words"},
        {"dataschema": "<s>"},
        {"my_name": "x"},
        {"time": "2026-02-30T10:00:00Z"},
    ],
)
def test_an_invalid_attribute_makes_it_a_wrapped_record(attributes: dict[str, str]) -> None:
    event = from_record(binary(**attributes), namespace="default", name="hello")
    assert event.attributes["type"] == "dev.knative.kafka.event"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2026-11-24T10:00:00.500Z", "2026-11-24T10:00:00.5Z"),
        ("2026-11-24T10:00:00.000+00:00", "2026-11-24T10:00:00Z"),
        ("2026-11-24T10:00:00.123456789+05:30", "2026-11-24T10:00:00.123456789+05:30"),
    ],
)
def test_a_time_loses_only_needless_digits(given: str, sent: str) -> None:
    assert from_record(binary(time=given), namespace="default", name="hello").attributes["time"] == sent


def test_a_moment_without_fraction_is_written_without() -> None:
    assert rfc3339(datetime(2026, 11, 24, 10, tzinfo=UTC)) == "2026-11-24T10:00:00Z"


def structured(**members: Any) -> Record:
    required = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    return Record(
        value=json.dumps({**required, **members}).encode(),
        headers=[("content-type", b"application/cloudevents+json")],
    )


@pytest.mark.parametrize(
    ("members", "body", "content_type"),
    [
        ({"data": {"a": "ü", "n": 1.5}}, '{"a":"ü","n":1.5}', None),
        ({"data": "text", "datacontenttype": "text/plain"}, "text", "text/plain"),
        ({"data": "text", "datacontenttype": "application/vnd.x+json"}, '"text"', "application/vnd.x+json"),
        ({"data_base64": "aGk="}, "hi", None),
        ({}, "", None),
    ],
)
def test_structured_data_are_taken_out(members: dict[str, Any], body: str, content_type: str | None) -> None:
    event = from_record(structured(**members), namespace="default", name="hello")
    assert (event.data, event.content_type) == (body.encode(), content_type)


def test_structured_attributes_become_text_and_null_is_absent() -> None:
    event = from_record(structured(level=3, urgent=True, note=None), namespace="default", name="hello")
    assert (event.attributes["level"], event.attributes["urgent"]) == ("3", "true")
    assert "note" not in event.attributes


@pytest.mark.parametrize(
    "members",
    [
        {"data_base64": "?"},
        {"extra": {"a": 1}},
        {"type": None},
        {"specversion": "2"},
        {"datacontenttype": 1},
        {"data": float("nan")},
    ],
)
def test_a_broken_structured_event_is_wrapped(members: dict[str, Any]) -> None:
    event = from_record(structured(**members), namespace="default", name="hello")
    assert event.attributes["type"] == "dev.knative.kafka.event"
    assert event.content_type == "application/cloudevents+json"


def test_extensions_of_the_manifest_win() -> None:
    event = from_record(binary(team="a"), namespace="default", name="hello", extensions={"team": "b"})
    assert event.attributes["team"] == "b"


def test_bytes_that_are_no_text_are_no_obstacle() -> None:
    event = from_record(
        Record(key=b"\xff", value=b"\x00\xff", headers=[("x", b"\xfe")]), namespace="default", name="hello"
    )
    assert event.data == b"\x00\xff"
    assert event.http_headers()["ce-key"] == b"?"
