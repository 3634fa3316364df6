"""Whatever comes to whatever door: the documented answer, never a traceback, never a 500."""

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.support.function_pack import INTERNAL, Json, Pack
from tests.support.sizes import size
from update_task import UpdateTask

DOCUMENTED = {200, 201, 204, 400, 401, 404, 405, 409, 412, 413, 415, 422}
OBSERVED = Path(__file__).parent.parent / "unit" / "local" / "kafkasource-observed.json"

COMMANDS = {
    "create-task": ("task.create", "POST", "/tasks"),
    "update-task": ("task.update", "PATCH", "/tasks/1"),
    "complete-task": ("task.complete", "POST", "/tasks/1/complete"),
    "reopen-task": ("task.reopen", "POST", "/tasks/1/reopen"),
    "delete-task": ("task.delete", "DELETE", "/tasks/1"),
    "schedule-next-recurrence": ("task.skip", "POST", "/tasks/1/skip"),
}
TICKS = ["relay-outbox"]

DEEP = b"[" * 100_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t",
    "null": b"null",
    "a number": b"7",
    "a text": b'"x"',
    "an array": b'[{"title": "x"}]',
    "an empty object": b"{}",
    "half an object": b'{"title": "x"',
    "two objects": b'{"title": "x"}{"title": "y"}',
    "a trailing comma": b'{"title": "x",}',
    "a comment": b'{"title": "x"} // y',
    "deep arrays": DEEP,
    "deep objects": b'{"a":' * 50_000,
    "closed deep arrays": b"[" * 20_000 + b"]" * 20_000,
    "depth in a field": b'{"title": ' + b"[" * 150 + b"]" * 150 + b"}",
    "a huge integer": b'{"task_id": ' + b"9" * 5_000 + b"}",
    "a large integer": b'{"task_id": ' + b"9" * 100 + b"}",
    "a negative integer": b'{"task_id": -1, "expected_version": -1}',
    "an infinite number": b'{"task_id": 1e999}',
    "a fraction": b'{"task_id": 1.5}',
    "a whole fraction": b'{"task_id": 1.0}',
    "infinity by name": b'{"title": Infinity}',
    "a boolean id": b'{"task_id": true}',
    "a lone surrogate": b'{"title": "\\ud800"}',
    "surrogates the wrong way round": b'{"title": "\\udc00\\ud800"}',
    "a lone surrogate in a name": b'{"\\ud800": 1}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "invalid UTF-8": b'{"title": "\xff\xfe"}',
    "overlong UTF-8": b'{"title": "\xc0\xaf"}',
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"title": "x"}',
    "U+0000 escaped": b'{"title": "a\\u0000b", "task_id": 1}',
    "U+0000 as it is": b'{"title": "a\x00b"}',
    "U+0000 in a name": b'{"a\\u0000b": 1}',
    "a line break in a name": b'{"a\\r\\nX-Injected: 1": 1}',
    "non-characters": '{"title": "\uffff\U0010ffff", "tags": ["\u202e"]}'.encode(),
    "duplicate names": b'{"title": "x", "title": "y", "task_id": 1, "task_id": 2}',
    "a prototype": b'{"__proto__": {}, "__class__": "x", "constructor": 1}',
    "wrong types": b'{"title": [], "tags": {}, "due_at": {}, "priority": 7, "recurrence_pattern": [], "task_id": "1"}',
    "wrong types again": b'{"title": {}, "tags": "x", "due_at": 1e308, "due_on": 1, "time_zone": [], "task_id": null}',
    "many tags": json.dumps({"title": "x", "tags": ["a"] * 60_000}).encode(),
    "many fields": json.dumps({f"field {n}": n for n in range(5_000)}).encode(),
    "a long name": json.dumps({"x" * 200_000: 1}).encode(),
    "a long title": json.dumps({"title": "x" * 200_000}).encode(),
    "a long pattern": json.dumps({"title": "x", "due_on": "2026-11-24", "recurrence_pattern": "A=" * 250}).encode(),
    "a slow pattern": json.dumps(
        {"title": "x", "due_on": "2000-01-01", "recurrence_pattern": "FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2"}
    ).encode(),
    "a date that is none": b'{"title": "x", "due_at": "2026-11-24T25:61:61+99:99"}',
    "the end of time": b'{"title": "x", "due_at": "9999-12-31T23:59:59Z", "due_on": "9999-12-31"}',
    "the beginning of time": b'{"title": "x", "due_at": "0001-01-01T00:00:00+14:00"}',
    "digits of another script": '{"title": "x", "due_on": "٢٠٢٦-١١-٢٤"}'.encode(),
    "a path as a zone": b'{"title": "x", "time_zone": "../../../../etc/passwd"}',
    "SQL": b'{"title": "\'; DROP TABLE task; --", "tags": ["{a,b}", "\\\\"]}',
    "placeholders": b'{"title": "%s %(x)s $1 %%", "description": "%"}',
    "gzip": gzip.compress(b'{"title": "x"}'),
    "binary": bytes(range(256)) * 16,
    "a form": b"title=x&task_id=1",
    "XML": b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>',
    "too much": b" " * 262_145,
}
MEDIA_TYPES = [
    "application/json",
    "application/json; charset=latin-1",
    "application/merge-patch+json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/cloudevents+avro",
    "application/octet-stream",
    "text/plain",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    ";",
    "é/\xff",
    "x" * 10_000,
    "",
]


@pytest.fixture(autouse=True)
def nothing_fails_inside(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test here may leave an error in the log: each is a failure that somebody provoked from outside."""
    monkeypatch.setattr("taskmaster.log.configure", lambda _: None)  # it would take pytest's ear away
    yield
    assert [line.getMessage() for line in caplog.get_records("call") if line.levelno >= logging.ERROR] == []


def expect_documented(answer: TestResponse) -> None:
    assert answer.status_code in DOCUMENTED, answer.text[:500]
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    if answer.status_code >= 400 and answer.data:
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["status"] == answer.status_code
        assert answer.headers["kne-reason"]
        assert len(answer.headers["kne-reason"]) <= 500
    for name, value in answer.headers:
        assert name != "X-Injected"
        assert value.isprintable(), name


def binary_event(pack: Pack, function: str, event_type: str, **attributes: str) -> dict[str, str]:
    headers = {"specversion": "1.0", "id": str(uuid4()), "source": "/hostile", "type": event_type, "userid": pack.user}
    return {f"ce-{name}": value for name, value in {**headers, **attributes}.items()}


# A person's door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", COMMANDS)
def test_any_body_to_a_persons_door(pack: Pack, function: str) -> None:
    _, method, path = COMMANDS[function]
    for name, body in BODIES.items():
        answer = pack.call(function, method, path, body)
        expect_documented(answer)
        if name == "too much":
            assert answer.status_code == 413


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_any_media_type_to_a_persons_door(pack: Pack, media_type: str) -> None:
    for function, (_, method, path) in COMMANDS.items():
        for body in (b'{"title": "x"}', b"", BODIES["binary"]):
            expect_documented(pack.call(function, method, path, body, Content_Type=media_type))


HEADERS: list[tuple[str, str]] = [
    *(("If_Match", value) for value in ("\x7f", "é", '"' * 10_000, "9" * 10_000, "\ud83d")),
    *(("Idempotency_Key", value) for value in ("\x7f", " k", "k ", " ", "é", "'; --", "k" * 100_000, "%00", "\x01")),
    *(
        ("Authorization", value)
        for value in ("Bearer", "Bearer \x01", "Bearer é", "Bearer " + "x" * 100_000, "Bearer .")
    ),
    *(("X_Correlation_Id", value) for value in ("\x7f", "é", "c" * 100_000)),
    *(("traceparent", value) for value in ("00", "é", "0" * 100_000)),
    *(("Content_Encoding", value) for value in ("gzip", "br", "é")),
    *(("Host", value) for value in ("", "é", "[", "a" * 10_000, ".svc", "x.svc:port")),
    *(("ce_specversion", value) for value in ("", "1.0", "0.3", "é", "%00")),
    ("X_Filler", "x" * 200_000),
]


@pytest.mark.parametrize(("name", "value"), HEADERS, ids=lambda text: repr(text)[:30])
def test_any_header_to_a_persons_door(pack: Pack, name: str, value: str) -> None:
    value = value.encode("utf-8", "surrogatepass").decode("latin-1")
    for function, method, path, body in [
        ("create-task", "POST", "/tasks", {"title": "x"}),
        ("complete-task", "POST", "/tasks/1/complete", None),
        ("query-tasks", "GET", "/tasks", None),
    ]:
        answer = pack.call(function, method, path, body, **{name: value})
        if name == "Host" and answer.content_type.startswith("text/html"):
            assert answer.status_code == 400  # werkzeug's own, before any function
        else:
            expect_documented(answer)


QUERIES = [
    "%",
    "%00=%00",
    "text=%ED%A0%80",
    "text=%FF",
    "text=%",
    "text=" + "%F0%9F%92%A9" * 200,
    "text=" + "x" * 60_000,
    "a" * 60_000,
    "&".join(f"tag={n}" for n in range(2_000)),
    "&".join(f"priority=low{n}" for n in range(2_000)),
    ";".join("a=b" for _ in range(2_000)),
    "limit=١",
    "limit=1e2",
    "limit=0x10",
    "limit=+1",
    "limit=%201",
    "sort[]=title",
    "sort=title&sort=due",
    "cursor=&cursor=",
    "cursor=" + "W" * 4_000,
    "due_from=9999-12-31T23:59:59-23:59",
    "due_from=٢٠٢٦-١١-٢٤",
    "due_to=0001-01-01",
    "task_id=1",
    "expected_version=1",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda text: text[:30])
def test_any_query(pack: Pack, query: str) -> None:
    for path in ("/tasks", "/tasks/1", "/tasks/1/occurrences", "/occurrences"):
        expect_documented(pack.call("query-tasks", "GET", f"{path}?{query}"))
    expect_documented(pack.call("delete-task", "DELETE", f"/tasks/1?{query}"))


# The event door -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", COMMANDS)
def test_any_data_in_an_event(pack: Pack, function: str) -> None:
    event_type, *_ = COMMANDS[function]
    for body in BODIES.values():
        answer = pack.deliver_raw(function, binary_event(pack, function, event_type), body)
        expect_documented(answer)
        assert answer.status_code in (204, 400, 413, 422)


@pytest.mark.parametrize("function", COMMANDS)
def test_any_record_that_is_no_cloudevent(pack: Pack, function: str) -> None:
    event_type, *_ = COMMANDS[function]
    for number, body in enumerate(BODIES.values()):
        expect_documented(pack.envelope(function, body, offset=number))
        inside = b'{"event_type": "%s", "user_id": "u", "data": %s}' % (event_type.encode(), body or b"0")
        expect_documented(pack.envelope(function, inside, offset=1000 + number))


@pytest.mark.parametrize("function", COMMANDS)
def test_any_structured_event(pack: Pack, function: str) -> None:
    for body in BODIES.values():
        expect_documented(pack.deliver_raw(function, {}, body, content_type="application/cloudevents+json"))


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_any_media_type_in_an_event(pack: Pack, media_type: str) -> None:
    for function, (event_type, *_) in COMMANDS.items():
        for headers in ({}, binary_event(pack, function, event_type)):
            answer = pack.deliver_raw(function, headers, b'{"title": "x"}', content_type=media_type)
            expect_documented(answer)
            assert answer.status_code in (204, 400, 422)


ATTRIBUTES: list[tuple[str, str, int]] = [
    ("specversion", "", 400),
    ("specversion", "0.3", 400),
    ("specversion", "2.0", 400),
    ("specversion", "1.0%00", 400),
    ("specversion", "1.0%0D%0AX-Injected: 1", 400),
    ("id", "", 400),
    ("id", "%00", 400),
    ("id", "a%00b", 400),
    ("id", "i" * 2_001, 400),
    ("id", "%F0%9F%92%A9" * 600, 400),
    ("id", "%ED%A0%80", 400),
    ("id", "%FF%FE", 400),
    ("id", "a%", 400),
    ("id", "a%F", 400),
    ("id", "a%0Ab", 400),
    ("id", "a%7Fb", 400),
    ("id", "a%C2%85b", 400),
    ("id", "a%EF%BF%BEb", 400),
    ("id", "%20a", 400),
    ("id", "a%20", 400),
    ("id", "a%C2%A0", 400),
    ("id", "a%E2%86%92b", 400),
    ("id", "a%C3%A9b", 204),
    ("id", '"a b"', 204),
    ("id", '" a"', 400),
    ("id", "'; DROP TABLE inbox; --", 204),
    ("source", "", 400),
    ("source", "%00", 400),
    ("source", "/a%0Ab", 400),
    ("source", "idempotency-key", 400),
    ("source", "s" * 10_000, 400),
    ("type", "", 400),
    ("type", "%00", 204),
    ("type", "t" * 10_000, 204),
    ("userid", "", 400),
    ("userid", "%00", 400),
    ("userid", "u" * 129, 400),
    ("userid", "a%0Ab", 400),
    ("userid", "%20eve", 400),
    ("userid", "eve%20", 400),
    ("userid", '"eve "', 400),
    ("userid", "ev%C3%A9", 400),
    ("userid", "%E2%80%AE", 400),
    ("time", "", 400),
    ("time", "now", 400),
    ("time", "2026-13-01T00:00:00Z", 400),
    ("time", "2026-11-24T09:00:00Z" + "0" * 10_000, 400),
    ("time", "%00", 400),
    ("subject", "%00", 400),
    ("subject", "s" * 10_000, 400),
    ("partitionkey", "p" * 10_000, 400),
    ("partitionkey", "%00", 400),
    ("traceparent", "é", 204),
    ("traceparent", "t" * 10_000, 400),
    ("correlationid", "%0D%0AX-Injected: 1", 400),
    ("correlationid", "line1%0Aline2", 400),
    ("correlationid", "a%01b", 400),
    ("correlationid", "a%7Fb", 400),
    ("correlationid", "a%09b", 400),
    ("correlationid", "%F0%9F%98%80", 400),
    ("correlationid", "gr%C3%BC%C3%9F", 204),
    ("correlationid", "c" * 10_000, 400),
    ("correlationid", "%00", 400),
    ("dataschema", "not a URI", 204),
    ("datacontenttype", "text/xml", 204),
    ("wrapped", "true", 204),
    ("note", "%F0%9F%98%80", 204),
    ("note", "a%0Ab", 400),
    ("note", "%FF", 400),
    ("with-hyphen", "x", 400),
    ("with_underscore", "x", 204),
    ("x" * 100, "x", 400),
    ("%41", "x", 400),
]


@pytest.mark.parametrize(("name", "value", "status"), ATTRIBUTES, ids=lambda text: str(text)[:30])
def test_any_attribute_in_an_event(pack: Pack, name: str, value: str, status: int) -> None:
    headers = binary_event(pack, "create-task", "task.create", **{name: value})
    for _ in range(2):
        answer = pack.deliver_raw("create-task", headers, b'{"title": "x"}')
        expect_documented(answer)
        if name != "with_underscore":  # servers differ on whether it is a header at all
            assert answer.status_code == status, answer.text


def observed() -> dict[str, Json]:
    return {each["case"]: each for each in json.loads(OBSERVED.read_text())["deliveries"]}


@pytest.mark.parametrize("case", observed())
@pytest.mark.parametrize("function", [*COMMANDS, *TICKS, "query-tasks"])
def test_what_kafkasource_was_seen_to_send(pack: Pack, function: str, case: str) -> None:
    request = observed()[case]["request"]
    headers = {name: value.encode().decode("latin-1") for name, value in request["headers"].items()}
    body = request["body"].encode("latin-1")
    for also in ({}, {"ce-userid": pack.user}):
        answer = pack.client(function).open(
            "/events",
            method=request["method"],
            data=body,
            headers={**headers, **also},
            base_url=INTERNAL.format(name=function),
        )
        expect_documented(answer)
        assert answer.status_code in (204, 400, 422)


@pytest.mark.parametrize("function", [*TICKS, "query-tasks"])
def test_any_event_to_a_function_that_takes_none(pack: Pack, function: str) -> None:
    for event_type in ("task.create", "", "%00", "x" * 10_000):
        for body in BODIES.values():
            answer = pack.deliver_raw(function, binary_event(pack, function, event_type), body)
            expect_documented(answer)


# The last resort ------------------------------------------------------------------------------------------------------


def test_whatever_was_refused_anywhere_can_be_parked(
    connected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that the dead letter sink refuses as well is gone: KafkaSource has nowhere else to take it."""
    with Pack.served(connected, monkeypatch, user=f"user-{uuid4()}") as pack:
        for name, value, _ in ATTRIBUTES:
            headers = binary_event(pack, "create-task", "task.create", **{name: value})
            answer = pack.deliver_raw("park-dead-letter", headers, b'{"title": "x"}')
            assert answer.status_code == 204, (name, value)
        for name, body in BODIES.items():
            headers = binary_event(pack, "create-task", "task.create", knativeerrorcode="422", reason="é%00")
            assert pack.deliver_raw("park-dead-letter", headers, body).status_code == 204, name
        largest = b"x" * 1_048_576  # what a broker takes as it is shipped, the record's own key and headers left out
        headers = binary_event(pack, "create-task", "task.create", knativeerrordata="x" * 1_400)
        assert pack.deliver_raw("park-dead-letter", headers, largest).status_code == 204
        for media_type in MEDIA_TYPES:
            headers = binary_event(pack, "create-task", "task.create")
            answer = pack.deliver_raw("park-dead-letter", headers, b"\xff", content_type=media_type)
            assert answer.status_code == 204, media_type


# At random ------------------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from([*UpdateTask.model_fields])
NEARLY = st.dictionaries(FIELDS, ANYTHING, max_size=6).map(lambda fields: {"title": "x", "task_id": 1, **fields})
SOON = settings(
    max_examples=size(30, 120),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SOON
@given(function=st.sampled_from(list(COMMANDS)), data=ANYTHING | NEARLY)
def test_any_json_is_answered_alike_by_call_and_by_event(pack: Pack, function: str, data: Any) -> None:
    event_type, method, path = COMMANDS[function]
    body = json.dumps(data).encode()
    expect_documented(pack.call(function, method, path, body))
    expect_documented(pack.deliver_raw(function, binary_event(pack, function, event_type), body))
    expect_documented(pack.deliver_raw(function, {}, body, content_type="application/cloudevents+json"))


@SOON
@given(body=st.binary(max_size=200), number=st.integers(0, 10**6))
def test_any_bytes_are_answered(pack: Pack, body: bytes, number: int) -> None:
    expect_documented(pack.call("create-task", "POST", "/tasks", body))
    expect_documented(pack.event("create-task", "task.create", body))
    expect_documented(pack.envelope("create-task", body, offset=number))
    expect_documented(pack.deliver_raw("create-task", {}, body, content_type="application/cloudevents+json"))


@SOON
@given(
    attributes=st.dictionaries(
        st.sampled_from(["id", "source", "type", "userid", "time", "subject", "correlationid", "partitionkey", "a1"]),
        st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    )
)
def test_any_attributes_are_answered(pack: Pack, attributes: dict[str, str]) -> None:
    headers = binary_event(pack, "create-task", "task.create", **attributes)
    expect_documented(pack.deliver_raw("create-task", headers, b'{"title": "x"}'))


@SOON
@given(cursor=st.binary(max_size=60) | st.text(max_size=60), sort=st.sampled_from(["title", "-due", "priority"]))
def test_any_cursor_is_answered(pack: Pack, cursor: Any, sort: str) -> None:
    from base64 import urlsafe_b64encode
    from urllib.parse import quote

    sent = urlsafe_b64encode(cursor).decode() if isinstance(cursor, bytes) else quote(cursor)
    expect_documented(pack.call("query-tasks", "GET", f"/tasks?sort={sort}&cursor={sent}"))
    expect_documented(pack.call("query-tasks", "GET", f"/tasks/changes?cursor={sent}"))
