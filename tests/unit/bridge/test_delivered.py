"""What daprd delivers becomes the request that KafkaSource makes for the same record, but for the lost content type."""

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from knative_delivery.cloud_event import CloudEvent, from_record
from taskmaster.bridge import delivered
from taskmaster.bridge.delivered import NotDelivered, Record
from taskmaster.events.cloudevent import Malformed, Received

HERE = Path(__file__).parent
DAPR = json.loads((HERE / "dapr-observed.json").read_text("utf-8"))
KAFKA_SOURCE = json.loads((HERE.parent / "local/kafkasource-observed.json").read_text("utf-8"))
ON_KAFKA = [case for case in DAPR["deliveries"] if "headers" in case["record"]]
ON_REDIS = [case for case in DAPR["deliveries"] if "metadata" in case["record"]]
# Which record it was decides what the bridge says of its content type: nothing else of the request is lost.
LOST = {
    "binary, no content type",
    "binary, no data",
    "binary, text data",
    "structured, broken JSON",
    "plain JSON, headers",
}


def received(request: dict[str, Any], topic: str = "hello-topic") -> Record:
    return delivered.record(topic, request["headers"], request["body"].encode())


def record_of(given: dict[str, Any], **more: Any) -> Record:
    def raw(text: str | None) -> bytes | None:
        return None if text is None else text.encode("latin-1")

    return Record(
        topic="hello-topic",
        partition=given["partition"],
        offset=given["offset"],
        key=raw(given["key"]),
        value=raw(given["value"]) or b"",
        headers=[(name, value.encode()) for name, value in given["headers"]],
        **{"timestamp": 0, **more},
    )


def as_daprd_sends(record: Record) -> tuple[dict[str, str], bytes]:
    """A record on Kafka as daprd 1.16 was seen to deliver it, with escapeHeaders."""
    own = {name.lower(): quote_plus(value) for name, value in record.headers}
    place = {"__topic": record.topic, "__partition": str(record.partition), "__offset": str(record.offset)}
    key = {} if record.key is None else {"__key": quote_plus(record.key)}
    request = {
        "content-type": "application/cloudevents+json",
        "pubsubname": "pubsub",
        "user-agent": "Go-http-client/1.1",
    }
    envelope = {"id": "new each time", "type": "com.dapr.event.sent", "data_base64": b64encode(record.value).decode()}
    headers = {**own, **place, **key, "__timestamp": str(record.timestamp), **request}
    return headers, json.dumps(envelope).encode()


def as_sent(event: CloudEvent) -> tuple[dict[str, bytes], bytes]:
    return {name: value for name, value in event.http_headers().items() if name != "content-type"}, event.data


@pytest.mark.parametrize("case", ON_KAFKA, ids=lambda case: case["case"])
def test_what_daprd_was_seen_to_deliver_is_what_kafka_source_sends(case: dict[str, Any]) -> None:
    seen = received(case["request"], case["request"]["headers"]["__topic"])
    given = [(name, value.encode("latin-1")) for name, value in case["record"]["headers"]]
    headers = [pair for pair in given if pair[0] not in ("ce_datacontenttype", "partitionKey", "rawPayload")]
    if not any(name.startswith("ce_") for name, _ in headers) and b"specversion" in seen.value:
        headers.append(("content-type", b"application/cloudevents+json"))
    record = record_of({**case["record"], "value": case["record"]["value"] or "null", "headers": []})

    event = delivered.event(seen, namespace="default", function="hello")

    same = replace(record, topic=seen.topic, timestamp=seen.timestamp, headers=headers)
    assert as_sent(event) == as_sent(from_record(same, namespace="default", name="hello"))


@pytest.mark.parametrize("case", KAFKA_SOURCE["deliveries"], ids=lambda case: case["case"])
def test_every_record_of_kafka_source_is_sent_alike(case: dict[str, Any]) -> None:
    record = record_of(case["record"], timestamp=1_795_000_000_123)
    headers, body = as_daprd_sends(record)

    event = delivered.event(delivered.record(record.topic, headers, body), namespace="default", function="hello")

    expected = {name: text.encode("latin-1") for name, text in case["request"]["headers"].items()}
    sent = {"prefer": b"reply", **event.http_headers()}
    for given in (expected, sent):
        given.pop("ce-time" if "kafkasources" in case["request"]["headers"]["ce-source"] else "", None)
        if case["case"] in LOST:
            given.pop("content-type", None)
    assert sent == expected
    assert event.data == case["request"]["body"].encode("latin-1")


@pytest.mark.parametrize("case", KAFKA_SOURCE["header values"]["cases"], ids=lambda case: ascii(case["record"])[:30])
def test_a_value_of_a_header_is_sent_as_kafka_source_sends_it(case: dict[str, Any]) -> None:
    given: dict[str, Any] = {"partition": 0, "offset": 1, "key": None, "value": "{}"}
    names = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t"}
    record = record_of({**given, "headers": list(names.items())})
    record = replace(record, headers=[*record.headers, ("ce_test", case["record"].encode("latin-1"))])

    headers, body = as_daprd_sends(record)
    event = delivered.event(delivered.record("t", headers, body), namespace="default", function="hello")

    assert event.unsendable() == ("ce-test" if case["sent"] is None else "")
    if case["sent"] is not None:
        assert event.http_headers()["ce-test"] == case["sent"].encode("latin-1")


@pytest.mark.parametrize("case", ON_REDIS, ids=lambda case: case["case"])
def test_an_event_on_redis_arrives_with_the_attributes_it_has(case: dict[str, Any]) -> None:
    record = received(case["request"])
    event = delivered.event(record, namespace="default", function="hello")
    arrived = Received({name: value.decode("ascii") for name, value in delivered.encoded(event).items()}, event.data)
    metadata = json.loads(case["record"]["metadata"])
    given = {name[3:]: text for name, text in metadata.items() if name.startswith("ce_")}
    if given:
        content_type = given.pop("datacontenttype")
        assert arrived.attributes == given
        assert arrived.headers["content-type"] == content_type
        assert event.data.decode() == case["record"]["data"]
    assert record.key == metadata["partitionKey"].encode()
    assert "ce-knativekafkaoffset" not in arrived.headers


def test_what_redis_gives_as_it_is_arrives_as_it_is() -> None:
    given = {"ce_specversion": "1.0", "ce_id": 'a%2Fb "c"', "ce_source": "/s", "ce_type": "t", "ce_note": "Zürich €"}
    in_latin_1 = {name: text.encode().decode("latin-1") for name, text in given.items()}  # as the server hands it over
    record = received({"headers": in_latin_1, "body": '{"data_base64": "e30="}'})
    event = delivered.event(record, namespace="default", function="hello")
    headers = {name: value.decode("ascii") for name, value in delivered.encoded(event).items()}
    assert Received(headers, event.data).attributes == {name[3:]: text for name, text in given.items()}


def on_redis(envelope: dict[str, Any], key: str = "ada") -> Received:
    value = b64encode(json.dumps(envelope).encode()).decode()
    record = received({"headers": {"partitionkey": key}, "body": json.dumps({"data_base64": value})})
    event = delivered.event(record, namespace="default", function="create-task")
    return Received({name: text.decode() for name, text in delivered.encoded(event).items()}, event.data)


ENVELOPE = {"event_type": "task.create", "user_id": "ada", "data": {"title": "x"}}


def test_an_envelope_on_redis_is_known_by_its_own_id() -> None:
    event = on_redis({**ENVELOPE, "event_id": "e-1"}).event
    assert (event["id"], event["userid"], event.get_data()) == ("e-1", "ada", {"title": "x"})


def test_an_envelope_without_an_id_is_refused_on_redis() -> None:
    with pytest.raises(Malformed, match="no event_id"):
        _ = on_redis(ENVELOPE).event


def test_a_record_on_redis_that_is_no_event_is_counted_by_its_bytes() -> None:
    first, again, other = on_redis(ENVELOPE), on_redis(ENVELOPE), on_redis(ENVELOPE, key="grace")
    assert first.checked["id"] == again.checked["id"] != other.checked["id"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": {}}', b'{"data_base64": "?"}', b"[" * 100_000])
def test_a_request_that_is_no_raw_delivery_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotDelivered):
        delivered.record("create-task", {}, body)
