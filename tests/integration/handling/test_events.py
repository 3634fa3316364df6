"""Events in and events out: every answer that KafkaSource can get, and what the pack says on its topics."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from werkzeug.test import TestResponse

from taskmaster.handling import idempotency
from tests.support.function_pack import Json, Pack

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def structured(
    pack: Pack, function: str, event: Any, *, media_type: str = "application/cloudevents+json"
) -> TestResponse:
    """An event in structured mode at the event door; `event` is JSON, or bytes as they are."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return pack.deliver_raw(function, {}, body, content_type=media_type)


def whole(pack: Pack, data: Any = None, **attributes: Any) -> Json:
    """A task.create event as JSON; an attribute that is None is left out."""
    event = {
        "specversion": "1.0", "id": str(uuid4()), "source": "/tests", "type": "task.create", "userid": pack.user,
        "data": {"title": "by event"} if data is None else data, **attributes,
    }  # fmt: skip
    return {name: value for name, value in event.items() if value is not None}


# Answers --------------------------------------------------------------------------------------------------------------


def test_an_event_that_is_handled_is_answered_204(pack: Pack) -> None:
    answer = pack.event("create-task", "task.create", {"title": "by event", "tags": ["a"]})
    assert (answer.status_code, answer.data) == (204, b"")
    assert "kne-reason" not in answer.headers
    [task] = pack.tasks()
    assert (task["title"], task["tags"]) == ("by event", ["a"])


def test_every_command_can_come_by_event(pack: Pack) -> None:
    pack.event("create-task", "task.create", {"title": "by event"})
    [task] = pack.tasks()
    data = {"task_id": task["task_id"]}
    for function, command, more in [
        ("update-task", "task.update", {"priority": "high"}),
        ("complete-task", "task.complete", {}),
        ("reopen-task", "task.reopen", {}),
        ("delete-task", "task.delete", {}),
    ]:
        assert pack.event(function, command, {**data, **more}).status_code == 204
    facts = ["task.created", "task.updated", "task.completed", "task.updated", "task.deleted"]
    assert [event.type for event in pack.events()] == facts
    assert pack.tasks() == []


def test_a_repeated_event_has_one_effect_and_the_same_answer(pack: Pack) -> None:
    answers = [pack.event("create-task", "task.create", {"title": "x"}, event_id="same") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert len(pack.tasks()) == len(pack.events()) == 1


def test_an_id_is_one_of_its_source_and_user(pack: Pack) -> None:
    pack.event("create-task", "task.create", {"title": "x"}, event_id="same", source="/one")
    pack.event("create-task", "task.create", {"title": "x"}, event_id="same", source="/two")
    pack.event("create-task", "task.create", {"title": "x"}, event_id="same", source="/one", user=f"u-{uuid4()}")
    assert len(pack.tasks()) == 2


def test_an_id_with_another_command_is_refused_and_not_swallowed(pack: Pack) -> None:
    pack.event("create-task", "task.create", {"title": "x"}, event_id="same")
    answer = pack.event("create-task", "task.create", {"title": "y"}, event_id="same")
    assert answer.status_code == 422
    assert "another command" in answer.headers["kne-reason"]
    assert [task["title"] for task in pack.tasks()] == ["x"]


@pytest.mark.parametrize(
    "written",
    [
        b'{"tags":["a"],"title":"x"}',
        b' {"title" : "x",\n "tags": ["a"], "priority": "medium"} ',
        b'{"title": "\\u0078", "tags": ["a", "a"], "priority": null, "description": null}',
    ],
)
def test_a_repeat_is_known_however_its_json_is_written(pack: Pack, written: bytes) -> None:
    for body in (b'{"title": "x", "tags": ["a"]}', written, b'{"title": "x", "tags": ["a"]}'):
        assert pack.event("create-task", "task.create", body, event_id="same").status_code == 204
    assert len(pack.tasks()) == len(pack.events()) == 1
    assert pack.event("create-task", "task.create", {"title": "y"}, event_id="same").status_code == 422


def test_a_repeat_in_another_mode_is_the_same_command(pack: Pack) -> None:
    event = whole(pack, {"title": "x"}, id="same", source="/s")
    assert structured(pack, "create-task", event).status_code == 204
    encoded = {**event, "data": None, "data_base64": base64.b64encode(b'{"title": "x"}').decode()}
    assert structured(pack, "create-task", encoded).status_code == 204
    assert pack.event("create-task", "task.create", {"title": "x"}, event_id="same", source="/s").status_code == 204
    envelope = {"event_id": "same", "event_type": "task.create", "user_id": pack.user, "metadata": {"source": "/s"}}
    assert pack.envelope("create-task", {**envelope, "data": {"title": "x"}}, offset=1).status_code == 204
    assert pack.envelope("create-task", {**envelope, "data": {"title": "y"}}, offset=2).status_code == 422
    assert len(pack.tasks()) == 1


def test_another_type_under_the_same_id_is_another_command(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    data = {"task_id": task["task_id"]}
    assert pack.event("schedule-next-recurrence", "task.skip", data, event_id="same").status_code == 204
    assert pack.event("schedule-next-recurrence", "task.completed", data, event_id="same").status_code == 422


def test_what_a_person_sent_and_what_kafka_brings_is_one_event(pack: Pack) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "mine", "ce_source": "/phone", "ce_type": "task.create"}
    assert pack.call("create-task", "POST", "/", {"title": "x", "tags": []}, **headers).status_code == 201
    handle_event = {"event_id": "mine", "source": "/phone"}
    assert pack.event("create-task", "task.create", {"tags": [], "title": "x"}, **handle_event).status_code == 201
    assert pack.event("create-task", "task.create", {"title": "y"}, **handle_event).status_code == 422
    assert len(pack.tasks()) == 1


def test_a_repeat_of_what_an_older_version_handled_is_known(pack: Pack) -> None:
    """Rows of then have the digest of the bytes alone, and live for eight days."""
    body = b'{"title": "x"}'
    assert pack.event("create-task", "task.create", body, event_id="old").status_code == 204
    pack.sql(
        "UPDATE inbox SET digest = %(digest)s WHERE user_id = %(user)s AND id = 'old'",
        digest=idempotency.digest(body),
        user=pack.user,
    )
    assert pack.event("create-task", "task.create", body, event_id="old").status_code == 204
    assert pack.event("create-task", "task.create", {"title": "y"}, event_id="old").status_code == 422
    assert len(pack.tasks()) == 1


@pytest.mark.parametrize(
    ("function", "command", "data", "status"),
    [
        ("complete-task", "task.complete", {"task_id": 999_999_999}, 404),
        ("update-task", "task.update", {"task_id": 999_999_999, "title": "x"}, 404),
        ("delete-task", "task.delete", {"task_id": 999_999_999}, 404),
        ("create-task", "task.create", {"title": "x", "recurrence_pattern": "daily"}, 422),
        ("create-task", "task.create", {"title": "x", "due_on": "2026-11-24", "due_at": "2026-11-24T09:00:00Z"}, 422),
    ],
)
def test_what_a_rule_refuses_is_done_and_told(pack: Pack, function: str, command: str, data: Json, status: int) -> None:
    answer = pack.event(function, command, data, event_id="the-command", correlationid="c-1", traceparent=TRACE)
    assert answer.status_code == 204
    [rejected] = pack.events()
    assert rejected.type == "task.command.rejected"
    assert rejected.topics == ["task-updates"]
    assert rejected.key == rejected.attributes["partitionkey"] == pack.user
    assert {name: rejected.data[name] for name in ("command", "command_id", "status")} == {
        "command": command, "command_id": "the-command", "status": status,
    }  # fmt: skip
    assert rejected.data["title"]
    assert rejected.data["detail"].endswith(".")
    assert rejected.attributes["correlationid"] == "c-1"
    assert rejected.attributes["traceparent"] == TRACE
    assert rejected.attributes["userid"] == pack.user


def test_a_refusal_that_is_repeated_is_told_once(pack: Pack) -> None:
    for _ in range(3):
        assert pack.event("complete-task", "task.complete", {"task_id": 10**9}, event_id="same").status_code == 204
    assert len(pack.events()) == 1


def test_a_version_conflict_by_event_changes_nothing_and_is_told(pack: Pack) -> None:
    task = pack.update(pack.create(), priority="low")
    data = {"task_id": task["task_id"], "title": "y", "expected_version": 1}
    assert pack.event("update-task", "task.update", data).status_code == 204
    [rejected] = pack.events("task.command.rejected")
    assert rejected.data["status"] == 412
    assert "at version 2, not 1" in rejected.data["detail"]
    assert pack.get(task) == task


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        ([], 422, "must be a JSON object"),
        ("x", 422, "must be a JSON object"),
        (b"null", 422, "title: is required"),
        (b"", 422, "title: is required"),
        ({}, 422, "title: is required"),
        ({"title": ""}, 422, "at least 1 character"),
        ({"title": "x", "titel": "y"}, 422, "titel: there is no such field"),
        ({"title": "x", "task_id": 1}, 422, "task_id"),
        ({"title": "x", "completed": True}, 422, "completed"),
    ],
)
def test_a_malformed_event_says_why_to_the_dead_letter_sink(pack: Pack, data: Any, status: int, reason: str) -> None:
    for _ in range(2):  # the second answer is the one that was remembered
        answer = pack.event("create-task", "task.create", data, event_id="same")
        assert answer.status_code == status
        assert reason in answer.headers["kne-reason"]
    assert pack.tasks() == []
    assert pack.events() == []


def test_a_reason_fits_into_a_header_whatever_was_sent(pack: Pack) -> None:
    answer = pack.event("create-task", "task.create", {"title": "x", "a\r\nSet-Cookie: x\x00ü" * 5000: 1})
    assert answer.status_code == 422
    assert "Set-Cookie" not in answer.headers
    assert len(answer.headers["kne-reason"]) <= 500
    assert answer.headers["kne-reason"].isprintable()
    assert answer.headers["kne-reason"].isascii()


@pytest.mark.parametrize("event_type", ["task.created", "task.complete", "com.example.other", "TASK.CREATE"])
def test_a_type_of_somebody_else_is_none_of_our_business(pack: Pack, event_type: str) -> None:
    assert pack.event("create-task", event_type, b"not even JSON", user="").status_code == 204
    assert structured(pack, "create-task", whole(pack, type=event_type, userid=None)).status_code == 204
    envelope = {"event_id": "e", "event_type": event_type, "data": {"title": "x"}}
    assert pack.envelope("create-task", envelope, offset=1).status_code == 204
    assert pack.tasks() == []
    assert pack.events() == []


@pytest.mark.parametrize("missing", ["ce-id", "ce-source", "ce-type", "ce-userid"])
def test_an_event_without_an_attribute_it_needs_is_malformed(pack: Pack, missing: str) -> None:
    headers = {
        "ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": pack.user,
    }  # fmt: skip
    del headers[missing]
    answer = pack.deliver_raw("create-task", headers, b'{"title": "x"}')
    assert answer.status_code == 400
    assert answer.headers["kne-reason"]
    assert pack.tasks() == []


def test_what_is_no_event_at_all_is_malformed(pack: Pack) -> None:
    assert pack.deliver_raw("create-task", {}, b'{"title": "x"}').status_code == 400
    batch = structured(pack, "create-task", [whole(pack)], media_type="application/cloudevents-batch+json")
    assert batch.status_code == 400
    assert "Batches are not taken" in batch.headers["kne-reason"]
    headers = {"ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": "eve"}
    for media_type in ("application/cloudevents-batch+json", "application/cloudevents+avro"):
        assert pack.deliver_raw("create-task", headers, b"[]", content_type=media_type).status_code == 400
    assert pack.tasks() == []


def test_an_event_above_the_limit_is_too_large(pack: Pack) -> None:
    answer = pack.event("create-task", "task.create", b" " * 262_145)
    assert answer.status_code == 413
    assert answer.headers["kne-reason"]


# Modes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8"])
def test_structured_mode_is_the_same_command(pack: Pack, media_type: str) -> None:
    event = whole(pack, correlationid="c-2", datacontenttype="application/json", time="2026-11-24T09:00:00Z")
    for _ in range(2):
        assert structured(pack, "create-task", event, media_type=media_type).status_code == 204
    [created] = pack.events()
    assert created.attributes["correlationid"] == "c-2"
    assert [task["title"] for task in pack.tasks()] == ["by event"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "JSON object"),
        ({"data_base64": "e30="}, "not both"),
        (b'{"specversion": "1.0", "id": "a", "id": "b", "source": "/s", "type": "task.create"}', "'id' twice"),
        ({"correlationid": "line1\nline2"}, "correlationid holds U+000A"),
        ({"correlationid": "a\u2028b"}, "beyond Latin-1"),
        ({"userid": " eve"}, "begins or ends with a blank"),
        ({"source": "/s "}, "begins or ends with a blank"),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": None}, "id"),
        ({"source": ""}, "source"),
        ({"userid": None}, "userid"),
        ({"userid": "\u0000"}, "userid"),
        ({"extra": {"a": 1}}, "extra"),
        ({"Extra": "x"}, "lower-case"),
        ({"extra": "\u0000"}, "U+0000"),
        ({"time": "yesterday"}, "RFC 3339"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
    ],
)
def test_a_structured_event_that_is_none_says_why(pack: Pack, event: Any, reason: str) -> None:
    answer = structured(pack, "create-task", whole(pack, **event) if isinstance(event, dict) else event)
    assert answer.status_code == 400
    assert reason in answer.headers["kne-reason"]
    assert pack.tasks() == []


def test_binary_attributes_are_percent_encoded_or_utf8_as_it_is(pack: Pack) -> None:
    pack.event("create-task", "task.create", {"title": "x"}, correlationid="Z%C3%BCrich%20100%25")
    pack.event("create-task", "task.create", {"title": "x"}, correlationid="Zürich".encode().decode("latin-1"))
    assert [event.attributes["correlationid"] for event in pack.events()] == ["Zürich 100%", "Zürich"]


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/vnd.example+json", ""])
def test_binary_data_is_json_by_its_type_or_without_one(pack: Pack, media_type: str) -> None:
    headers = {
        "ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": pack.user,
    }  # fmt: skip
    answer = pack.deliver_raw("create-task", headers, b'{"title": "x"}', content_type=media_type)
    assert answer.status_code == 204
    assert len(pack.tasks()) == 1


def test_a_quoted_value_is_unquoted_first_and_then_decoded_once(pack: Pack) -> None:
    """HTTP binding 3.1.3.2. A KafkaSource quotes and encodes nothing: what comes from one is taken as it is."""
    quoted = '"a \\"b\\" %2525"'
    pack.event("create-task", "task.create", {"title": "x"}, correlationid=quoted)
    pack.event("create-task", "task.create", {"title": "x"}, correlationid=quoted, knativekafkaoffset="7")
    assert [event.attributes["correlationid"] for event in pack.events()] == ['a "b" %25', quoted]


def test_what_a_kafkasource_writes_is_latin_1(pack: Pack) -> None:
    """Two ids that would be one where its bytes were taken for UTF-8."""
    for identifier in ("ü", "Ã¼"):
        answer = pack.event("create-task", "task.create", {"title": "x"}, event_id=identifier, knativekafkaoffset="7")
        assert answer.status_code == 204
    assert len(pack.tasks()) == 2
    assert [event.attributes["correlationid"] for event in pack.events()] == ["ü", "Ã¼"]


@pytest.mark.parametrize("name", ["id", "userid"])
def test_a_question_mark_from_a_kafkasource_may_be_any_character(pack: Pack, name: str) -> None:
    """Two ids beyond Latin-1 arrive as one, and one of their events would be taken for the other's repeat."""
    headers = {"ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": "eve"}
    headers |= {f"ce-{name}": "a?b"}
    by_kafka = {**headers, "ce-knativekafkaoffset": "7", "ce-knativekafkapartition": "0"}
    answer = pack.deliver_raw("create-task", by_kafka, b'{"title": "x"}')
    assert answer.status_code == 400
    assert f"attribute {name} holds a question mark" in answer.headers["kne-reason"]
    assert pack.deliver_raw("create-task", headers, b'{"title": "x"}').status_code == 204
    ours = {**by_kafka, "ce-source": "/taskmaster/create-task"}  # which are ASCII, so it is one
    assert pack.deliver_raw("create-task", ours, b'{"title": "x"}').status_code == 204


def test_data_base64_is_the_same_as_data(pack: Pack) -> None:
    event = whole(pack, id="i")
    del event["data"]
    encoded = base64.b64encode(b'{"title": "by event"}').decode()
    assert structured(pack, "create-task", {**event, "data_base64": encoded}).status_code == 204
    assert [task["title"] for task in pack.tasks()] == ["by event"]


@pytest.mark.parametrize(
    ("encoded", "reason"), [("e30", "not Base64"), ("*", "not Base64"), ({"a": 1}, "not Base64"), ("eA==", "not JSON")]
)
def test_data_base64_that_is_none_says_why(pack: Pack, encoded: Any, reason: str) -> None:
    event = whole(pack)
    del event["data"]
    answer = structured(pack, "create-task", {**event, "data_base64": encoded})
    assert answer.status_code == 400
    assert reason in answer.headers["kne-reason"]


@pytest.mark.parametrize("name", ["correlationid", "subject", "time", "datacontenttype", "data_base64", "extra"])
def test_a_null_attribute_is_absent(pack: Pack, name: str) -> None:
    event = whole(pack)
    assert structured(pack, "create-task", {**event, name: None}).status_code == 204
    assert len(pack.tasks()) == 1


def test_on_create_null_for_a_field_with_a_default_is_that_default(pack: Pack) -> None:
    nothing = dict.fromkeys(("priority", "tags", "recurrence_from", "description", "reminders", "time_zone"))
    assert pack.event("create-task", "task.create", {"title": "x", **nothing}).status_code == 204
    assert pack.call("create-task", "POST", "/tasks", {"title": "x", **nothing}).status_code == 201
    for task in pack.tasks():
        assert [task[name] for name in ("priority", "tags", "recurrence_from")] == ["medium", [], "due"]
    assert pack.event("create-task", "task.create", {"title": None}).status_code == 422


def test_null_is_the_default_in_every_command_but_a_patch(pack: Pack) -> None:
    pack.prefer(time_zone="Europe/Zurich", day_hour="07:00")
    nothing = {"time_zone": None, "day_hour": None, "reminders": None, "channels": None, "quiet_hours": None}
    assert pack.event("set-preferences", "preferences.set", nothing).status_code == 204
    shown = pack.call("set-preferences", "GET", "/preferences").json
    defaults: Json = {"time_zone": "UTC", "day_hour": "09:00", "reminders": None, "quiet_hours": None, "channels": []}
    assert shown == defaults
    task = pack.create(description="y", priority="high")
    patch = {"task_id": task["task_id"], "description": None, "priority": None}
    assert pack.event("update-task", "task.update", patch).status_code == 204
    assert [pack.get(task)[name] for name in ("description", "priority")] == [None, "medium"]
    assert pack.event("update-task", "task.update", {**patch, "title": None}).status_code == 422
    delete = {"task_id": task["task_id"], "scope": None}
    assert pack.event("delete-task", "task.delete", delete).status_code == 204


@pytest.mark.parametrize("body", [b"", b"null"])
def test_a_tombstone_resets_nobodys_preferences(pack: Pack, body: bytes) -> None:
    kept = pack.prefer(time_zone="Europe/Zurich")
    answer = pack.event("set-preferences", "preferences.set", body)
    assert answer.status_code == 400
    assert "data is missing" in answer.headers["kne-reason"]
    headers = {"ce_specversion": "1.0", "ce_id": "i", "ce_source": "/s", "ce_type": "preferences.set"}
    assert pack.call("set-preferences", "POST", "/", body, **headers).status_code == 400
    event = {**whole(pack, type="preferences.set"), "data": None}
    assert structured(pack, "set-preferences", event).status_code == 400
    assert pack.call("set-preferences", "GET", "/preferences").json == kept
    assert pack.event("set-preferences", "preferences.set", {}).status_code == 204  # that is meant
    assert pack.call("set-preferences", "GET", "/preferences").json != kept


# The original envelope ------------------------------------------------------------------------------------------------


def envelope_of(pack: Pack, data: Json, event_type: str = "task.create", **fields: Any) -> Json:
    return {
        "event_id": str(uuid4()), "event_type": event_type, "event_version": "1.0",
        "timestamp": "2026-11-24T13:42:37.988Z", "user_id": pack.user, "correlation_id": "from-the-envelope",
        "data": data, "metadata": {"source": "the-old-service", "trace_id": TRACE}, **fields,
    }  # fmt: skip


def test_the_original_envelope_is_the_same_command(pack: Pack) -> None:
    assert pack.envelope("create-task", envelope_of(pack, {"title": "as ever"}), offset=7).status_code == 204
    [created] = pack.events()
    assert created.data["title"] == "as ever"
    assert created.attributes["correlationid"] == "from-the-envelope"
    assert created.attributes["traceparent"] == TRACE
    assert created.attributes["userid"] == pack.user


def test_the_original_envelope_may_carry_the_whole_task(pack: Pack) -> None:
    data = {
        "task_id": 4711, "title": "as ever", "description": None, "completed": False, "priority": "high",
        "tags": ["a"], "due_at": "2026-11-25T09:00:00Z", "recurrence_pattern": None,
        "created_at": "2026-11-24T13:42:37Z",
    }  # fmt: skip
    assert pack.envelope("create-task", envelope_of(pack, data), offset=1).status_code == 204
    [task] = pack.tasks()
    assert task["task_id"] != 4711
    assert [task[name] for name in ("title", "priority", "due_at")] == ["as ever", "high", "2026-11-25T09:00:00Z"]

    completion = envelope_of(pack, {**data, "task_id": task["task_id"]}, "task.complete")
    assert pack.envelope("complete-task", completion, offset=2).status_code == 204
    assert pack.get(task)["completed"]


def test_the_original_envelope_with_a_field_that_no_task_has_is_refused(pack: Pack) -> None:
    answer = pack.envelope("create-task", envelope_of(pack, {"title": "x", "titel": "y"}), offset=1)
    assert answer.status_code == 422
    assert "titel" in answer.headers["kne-reason"]


def test_an_event_id_at_two_offsets_is_one_command(pack: Pack) -> None:
    envelope = envelope_of(pack, {"title": "x"})
    for offset in (1, 2, 1):
        assert pack.envelope("create-task", envelope, offset=offset).status_code == 204
    assert len(pack.tasks()) == len(pack.events()) == 1


def test_without_an_event_id_each_offset_is_a_command(pack: Pack) -> None:
    envelope = envelope_of(pack, {"title": "x"}, event_id=None)
    for offset in (1, 2, 1, 2):
        assert pack.envelope("create-task", envelope, offset=offset).status_code == 204
    assert len(pack.tasks()) == 2


def test_the_same_offset_at_another_time_is_of_a_topic_made_anew(pack: Pack) -> None:
    envelope = envelope_of(pack, {"title": "x"}, event_id=None)
    for time in ("2026-11-24T13:42:37.988Z", "2026-11-25T13:42:37.988Z", "2026-11-24T13:42:37.988Z"):
        assert pack.envelope("create-task", envelope, offset=1, time=time).status_code == 204
    assert len(pack.tasks()) == 2


def test_an_event_id_with_another_command_is_refused_in_an_envelope_too(pack: Pack) -> None:
    pack.envelope("create-task", envelope_of(pack, {"title": "x"}, event_id="e"), offset=1)
    answer = pack.envelope("create-task", envelope_of(pack, {"title": "y"}, event_id="e"), offset=2)
    assert answer.status_code == 422
    assert [task["title"] for task in pack.tasks()] == ["x"]


@pytest.mark.parametrize(
    ("envelope", "status", "reason"),
    [
        (b"\x00\x01\x02", 400, "not JSON"),
        (b"hello", 400, "not JSON"),
        ([], 400, "neither a CloudEvent nor"),
        ({}, 400, "event_type"),
        ({"title": "x"}, 400, "event_type"),
        ({"event_type": 7}, 400, "type must be a text"),
        ({"event_type": "task.create", "data": {"title": "x"}}, 400, "userid"),
        ({"event_type": "task.create", "user_id": "", "data": {"title": "x"}}, 400, "userid"),
        ({"event_type": "task.create", "user_id": ["a"], "data": {"title": "x"}}, 400, "userid"),
        ({"event_type": "task.create", "user_id": "u", "metadata": "x", "data": {}}, 400, "metadata"),
        ({"event_type": "task.create", "user_id": "u", "timestamp": "soon", "data": {}}, 400, "time"),
        ({"event_type": "task.create", "user_id": "u", "event_id": "a\x00", "data": {}}, 400, "U+0000"),
        ({"event_type": "task.create", "user_id": "u", "event_id": "a\nb", "data": {}}, 400, "id holds U+000A"),
        ({"event_type": "task.create", "user_id": "u", "event_id": "a\x7f", "data": {}}, 400, "id holds U+007F"),
        ({"event_type": "task.create", "user_id": "u", "event_id": "→", "data": {}}, 400, "id holds U+2192"),
        ({"event_type": "task.create", "user_id": "u", "correlation_id": "a\n", "data": {}}, 400, "U+000A"),
        ({"event_type": "task.create", "user_id": "u", "correlation_id": "😀", "data": {}}, 400, "question mark"),
        ({"event_type": "task.create", "user_id": " u", "data": {}}, 400, "userid begins or ends"),
        (b'{"event_type": "task.create", "user_id": "u", "user_id": "v", "data": {}}', 400, "'user_id' twice"),
        ({"event_type": "task.create", "user_id": "u"}, 422, "title"),
        ({"event_type": "task.create", "user_id": "u", "data": []}, 422, "JSON object"),
    ],
)
def test_an_envelope_that_is_none_says_why_each_time(pack: Pack, envelope: Any, status: int, reason: str) -> None:
    for _ in range(2):
        answer = pack.envelope("create-task", envelope, offset=1)
        assert answer.status_code == status
        assert reason in answer.headers["kne-reason"]


def test_an_envelopes_trace_that_is_none_is_left_out(pack: Pack) -> None:
    pack.envelope("create-task", envelope_of(pack, {"title": "x"}, metadata={"trace_id": "abc"}), offset=1)
    [created] = pack.events()
    assert "traceparent" not in created.attributes


# An event from a person -----------------------------------------------------------------------------------------------


def test_a_person_may_send_an_event_and_gets_a_persons_answer(pack: Pack) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "mine", "ce_source": "/phone", "ce_type": "task.create"}
    first = pack.call("create-task", "POST", "/", {"title": "x"}, **headers)
    again = pack.call("create-task", "POST", "/", {"title": "x"}, **headers)
    assert first.status_code == again.status_code == 201
    assert first.json == again.json
    assert pack.call("create-task", "POST", "/", {"title": "y"}, **headers).status_code == 422
    assert len(pack.tasks()) == 1


def test_a_persons_event_in_structured_mode_is_the_same(pack: Pack) -> None:
    body = json.dumps(whole(pack, userid=None)).encode()
    answer = pack.call("create-task", "POST", "/", body, Content_Type="application/cloudevents+json")
    assert answer.status_code == 201


def test_a_persons_event_that_a_function_does_not_take_is_said_to_be_so(pack: Pack) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "i", "ce_source": "/s", "ce_type": "task.complete"}
    answer = pack.call("create-task", "POST", "/", {"title": "x"}, **headers)
    assert answer.status_code == 422
    assert "create-task takes task.create" in answer.text


# What the pack emits --------------------------------------------------------------------------------------------------


def test_a_fact_has_every_attribute_of_the_contract(pack: Pack) -> None:
    now = pack.travel(to=datetime(2026, 11, 24, 9, tzinfo=UTC))
    task = pack.create(title="x")
    [created] = pack.events()
    attributes = created.attributes
    assert set(attributes) == {
        "specversion", "id", "source", "type", "time", "dataschema", "partitionkey", "userid", "correlationid",
        "subject",
    }  # fmt: skip
    assert attributes["specversion"] == "1.0"
    assert UUID(attributes["id"]).version == 7
    assert attributes["source"] == "/taskmaster/create-task"
    assert attributes["dataschema"].endswith("task.created:1.0")
    assert attributes["subject"] == f"tasks/{task['task_id']}"
    assert attributes["partitionkey"] == created.key == str(task["task_id"])
    assert attributes["userid"] == pack.user
    assert attributes["time"].endswith("Z")
    assert abs(datetime.fromisoformat(attributes["time"]) - now) < timedelta(hours=1)


def test_a_fact_carries_the_whole_task(pack: Pack) -> None:
    task = pack.create(tags=["ä"], due_at="2026-11-24T09:00:00+01:00")
    assert pack.events("task.created")[0].data == task
    done = pack.complete(task)
    changed = {name: {"old": task[name], "new": done[name]} for name in ("completed", "completed_at")}
    assert pack.events("task.completed")[0].data == {**done, "changed": changed}
    pack.delete(task)
    assert pack.events("task.deleted")[0].data == done


def test_facts_go_to_their_topics(pack: Pack) -> None:
    plain, recurring = pack.create(), pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.complete(plain), pack.complete(recurring)
    facts = ["task-events", "task-updates"]
    assert [event.topics for event in pack.events("task.created")] == [facts, facts]
    assert [event.topics for event in pack.events("task.completed")] == [facts, [*facts, "schedule-next-recurrence"]]


def test_topics_may_have_other_names_here(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOPICS", '{"task-events": "prod.facts", "task-updates": "prod.facts"}')
    pack.create()
    [created] = pack.events()
    assert created.topics == ["prod.facts"]


def test_facts_of_one_task_are_in_the_order_of_its_versions(pack: Pack) -> None:
    task = pack.create()
    for number in range(5):
        task = pack.update(task, title=f"title {number}")
    assert [event.data["version"] for event in pack.events(of=task)] == [1, 2, 3, 4, 5, 6]
    ids = [event.attributes["id"] for event in pack.events(of=task)]
    assert len(set(ids)) == 6


def test_what_changes_nothing_says_nothing(pack: Pack) -> None:
    task = pack.complete(pack.create())
    before = len(pack.events())
    pack.complete(task), pack.update(task)
    pack.reopen(pack.create())
    assert len(pack.events()) == before + 1


# What ties a request to what follows from it --------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["X_Correlation_Id", "X_Request_Id"])
def test_a_calls_correlation_and_trace_are_kept_through_every_hop(pack: Pack, header: str) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    tied = {header: "c-42", "traceparent": TRACE}
    pack.call("complete-task", "POST", f"/tasks/{task['task_id']}/complete", **tied)
    pack.deliver()
    later = [event for event in pack.events() if event.attributes["correlationid"] == "c-42"]
    assert [event.type for event in later] == ["task.completed", "task.recurring.next", "task.created"]
    assert {event.attributes["traceparent"] for event in later} == {TRACE}


def test_a_call_without_a_correlation_begins_one(pack: Pack) -> None:
    pack.create(), pack.create()
    one, two = (event.attributes["correlationid"] for event in pack.events())
    assert UUID(one) != UUID(two)


@pytest.mark.parametrize("given", ["", "x" * 129, "ä", "a\tb"])
def test_a_correlation_that_cannot_be_passed_on_is_replaced(pack: Pack, given: str) -> None:
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, X_Correlation_Id=given)
    [created] = pack.events()
    assert UUID(created.attributes["correlationid"])


@pytest.mark.parametrize("trace", ["", "abc", TRACE.upper(), TRACE + "0", "00-" + "g" * 32 + "-" + "0" * 16 + "-01"])
def test_a_trace_that_is_none_is_not_passed_on(pack: Pack, trace: str) -> None:
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, traceparent=trace)
    pack.event("create-task", "task.create", {"title": "x"}, traceparent=trace)
    assert ["traceparent" in event.attributes for event in pack.events()] == [False, False]


def test_an_event_without_a_correlation_is_the_beginning_itself(pack: Pack) -> None:
    pack.event("create-task", "task.create", {"title": "x"}, event_id="it-began-here")
    [created] = pack.events()
    assert created.attributes["correlationid"] == "it-began-here"
