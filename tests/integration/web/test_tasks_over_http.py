"""People and tasks over HTTP: what may be said, what comes back, and that a page is a page."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4
from zoneinfo import available_timezones

import pytest
from pydantic import ValidationError

from create_task import CreateTask
from tests.support.function_pack import Json, Pack

FULL = {
    "title": "renew the passport",
    "description": "Take the old one along.\nAnd a photograph.",
    "priority": "urgent",
    "tags": ["papers", "travel"],
    "due_at": "2026-11-24T09:00:00+01:00",
    "time_zone": "Europe/Zurich",
    "recurrence_pattern": "FREQ=YEARLY;INTERVAL=10",
    "recurrence_from": "completion",
}


def refused(pack: Pack, **fields: Any) -> Json:
    """The problem details of a create that is not a valid command."""
    answer = pack.call("create-task", "POST", "/tasks", fields)
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    problem = dict(answer.json or {})
    assert problem["status"] == 422
    return problem


# Creating -------------------------------------------------------------------------------------------------------------


def test_a_task_keeps_every_field_it_was_given(pack: Pack) -> None:
    now = pack.travel(to=datetime(2026, 11, 20, 8, tzinfo=UTC))
    created = pack.create(**FULL)
    assert {**created, **FULL, "due_at": "2026-11-24T08:00:00Z"} == created
    assert created["completed"] is False
    assert created["completed_at"] is None
    assert created["version"] == 1
    assert created["created_at"] == created["updated_at"]
    assert abs((datetime.fromisoformat(created["created_at"]) - now).total_seconds()) < 3600
    assert pack.get(created) == created


def test_a_title_is_enough_and_the_rest_has_defaults(pack: Pack) -> None:
    created = pack.create(title="x")
    assert {name: created[name] for name in created if name not in ("task_id", "created_at", "updated_at")} == {
        "title": "x", "description": None, "completed": False, "priority": "medium", "tags": [], "due_at": None,
        "due_on": None, "time_zone": "UTC", "recurrence_pattern": None, "recurrence_from": "due",
        "recurrence_paused": False, "series_id": None, "occurrence": None, "version": 1, "completed_at": None,
        "reminders": None, "snoozed_until": None,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/tasks"])
def test_a_create_says_where_the_task_is_and_which_version(pack: Pack, path: str) -> None:
    answer = pack.call("create-task", "POST", path, {"title": "x"})
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.headers["Location"] == f"/tasks/{answer.json['task_id']}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.content_type == "application/json"
    assert pack.call("query-tasks", "GET", answer.headers["Location"]).json == answer.json


@pytest.mark.parametrize("length", [1, 500])
def test_a_title_of_1_to_500_characters_is_taken(pack: Pack, length: int) -> None:
    assert pack.create(title="ä" * length)["title"] == "ä" * length


@pytest.mark.parametrize("field", ["priority", "tags", "recurrence_from", "description", "due_at"])
def test_null_on_create_is_the_default(pack: Pack, field: str) -> None:
    left_out, null = pack.create(title="x"), pack.create(title="x", **{field: None})
    assert null[field] == left_out[field]


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"title": ""}, "title", "at least 1 character"),
        ({"title": "x" * 501}, "title", "at most 500 characters"),
        ({"title": "a\x00b"}, "title", "U+0000"),
        ({"title": None}, "title", "valid string"),
        ({"title": 7}, "title", "valid string"),
        ({"title": "x", "description": "x" * 10_001}, "description", "at most 10000 characters"),
        ({"title": "x", "description": "\x00"}, "description", "U+0000"),
        ({"title": "x", "priority": "dire"}, "priority", "'low', 'medium', 'high' or 'urgent'"),
        ({"title": "x", "tags": "home"}, "tags", "list"),
        ({"title": "x", "tags": [""]}, "tags/0", "at least 1 character"),
        ({"title": "x", "tags": ["x" * 51]}, "tags/0", "at most 50 characters"),
        ({"title": "x", "tags": ["a\x00"]}, "tags/0", "U+0000"),
        ({"title": "x", "tags": [str(n) for n in range(51)]}, "tags", "at most 50 items"),
        ({"title": "x", "due_at": "2026-11-24T09:00:00"}, "due_at", "offset"),
        ({"title": "x", "due_at": "2026-11-24"}, "due_at", "offset"),
        ({"title": "x", "due_at": "tomorrow"}, "due_at", "2026-11-24T09:00:00+01:00"),
        ({"title": "x", "due_at": 1_795_000_000}, "due_at", "2026-11-24T09:00:00+01:00"),
        ({"title": "x", "due_at": "1795000000"}, "due_at", "2026-11-24T09:00:00+01:00"),
        ({"title": "x", "due_at": "2026-13-24T09:00:00Z"}, "due_at", "month"),
        ({"title": "x", "due_at": "1969-12-31T23:59:59Z"}, "due_at", "1970"),
        ({"title": "x", "due_at": "9999-12-31T23:59:59-23:00"}, "due_at", "9000"),
        ({"title": "x", "due_on": "2026-02-30"}, "due_on", "day"),
        ({"title": "x", "due_on": "2026-11-24T00:00:00Z"}, "due_on", "2026-11-24"),
        ({"title": "x", "due_on": "86400"}, "due_on", "2026-11-24"),
        ({"title": "x", "due_on": "9001-01-01"}, "due_on", "9000"),
        ({"title": "x", "time_zone": "Europe/Zürich"}, "time_zone", "Europe/Zurich"),
        ({"title": "x", "time_zone": "../../etc/passwd"}, "time_zone", "IANA"),
        ({"title": "x", "time_zone": ""}, "time_zone", "IANA"),
        ({"title": "x", "time_zone": "UTC\x00"}, "time_zone", "IANA"),
        ({"title": "x", "recurrence_from": "whenever"}, "recurrence_from", "'due' or 'completion'"),
        ({}, "title", "required"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_field_that_is_wrong_is_named_with_what_to_write(pack: Pack, fields: Json, field: str, said: str) -> None:
    problem = refused(pack, **fields)
    [error] = problem["errors"]
    assert error["pointer"] == f"/{field}"
    assert said in error["detail"]
    assert problem["detail"] == f"{field}: {error['detail']}"
    assert pack.tasks() == []
    assert pack.events() == []


def test_an_unknown_field_is_refused_with_those_there_are(pack: Pack) -> None:
    [error] = refused(pack, title="x", titel="y")["errors"]
    assert error["pointer"] == "/titel"
    assert "no such field" in error["detail"]
    for known in ("title", "description", "priority", "tags", "due_at", "due_on", "recurrence_pattern"):
        assert known in error["detail"]


@pytest.mark.parametrize("field", ["task_id", "completed", "created_at", "version", "user_id", "expected_version"])
def test_what_the_pack_assigns_is_not_the_callers_to_say(pack: Pack, field: str) -> None:
    assert refused(pack, title="x", **{field: 1})["errors"][0]["pointer"] == f"/{field}"


def test_a_pointer_is_escaped_as_rfc_6901_asks(pack: Pack) -> None:
    [error] = refused(pack, title="x", **{"a/b~c": 1})["errors"]
    assert error["pointer"] == "/a~1b~0c"


def test_every_fault_is_listed(pack: Pack) -> None:
    problem = refused(pack, title="", priority="dire", tags=7)
    assert {error["pointer"] for error in problem["errors"]} == {"/title", "/priority", "/tags"}


def test_tags_that_are_repeated_count_once_and_keep_their_order(pack: Pack) -> None:
    assert pack.create(tags=["b", "a", "b", "c", "a"])["tags"] == ["b", "a", "c"]


def test_a_task_is_due_once(pack: Pack) -> None:
    problem = refused(pack, title="x", due_at="2026-11-24T09:00:00Z", due_on="2026-11-24")
    assert "not both" in problem["detail"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("daily", "needs due_at or due_on"), ("fortnightly-ish", "is no pattern"), ("FREQ=MINUTELY", "FREQ=DAILY")],
)
def test_a_pattern_that_cannot_be_followed_is_refused(pack: Pack, pattern: str, said: str) -> None:
    due = {} if pattern == "daily" else {"due_on": "2026-11-24"}
    assert said in refused(pack, title="x", recurrence_pattern=pattern, **due)["detail"]
    assert pack.events() == []


# Reading and deleting one ---------------------------------------------------------------------------------------------


def test_a_task_that_was_deleted_is_gone(pack: Pack) -> None:
    task = pack.create()
    pack.delete(task)
    for _ in range(2):
        assert pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}").status_code == 404
        assert pack.call("delete-task", "DELETE", f"/tasks/{task['task_id']}").status_code == 404
    assert [event.type for event in pack.events()] == ["task.created", "task.deleted"]


def test_a_delete_says_nothing_more_than_that(pack: Pack) -> None:
    answer = pack.call("delete-task", "DELETE", f"/{pack.create()['task_id']}")
    assert (answer.status_code, answer.data) == (204, b"")


def test_head_is_get_without_a_body(pack: Pack) -> None:
    path = f"/tasks/{pack.create()['task_id']}"
    got, head = (pack.call("query-tasks", method, path) for method in ("GET", "HEAD"))
    assert head.status_code == 200
    assert head.data == b""
    assert head.headers["ETag"] == got.headers["ETag"] == '"1"'
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert pack.call("query-tasks", "HEAD", "/tasks/999999999").status_code == 404


# Versions -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "method", "body", "suffix"),
    [
        ("update-task", "PATCH", {"title": "y"}, ""),
        ("complete-task", "POST", None, "/complete"),
        ("reopen-task", "POST", None, "/reopen"),
        ("delete-task", "DELETE", None, ""),
    ],
)
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('"1"', 412),
        ('"3"', 412),
        ('"999999999"', 412),
        ('"2"', 200),
        ("*", 200),
        (None, 200),
        ('"1", "2"', 200),
        ('"2","7"', 200),
        (', "1",, "2" ,', 200),
        ('"1", "7"', 412),
        ('W/"2"', 412),
        ('W/"2", "2"', 200),
        ('W/"1", "1"', 412),
        ('"02"', 412),
        ('"two"', 412),
        ('""', 412),
        ('"2,"', 412),
        ('"99999999999"', 412),
    ],
)
def test_if_match_holds_for_one_version(
    pack: Pack, function: str, method: str, body: Json | None, suffix: str, given: str | None, status: int
) -> None:
    task = pack.update(pack.create(), priority="low")
    before = pack.events()
    headers = {} if given is None else {"If_Match": given}
    answer = pack.call(function, method, f"/tasks/{task['task_id']}{suffix}", body, **headers)
    assert answer.status_code == (204 if status == 200 and method == "DELETE" else status)
    if status == 412:
        assert answer.json is not None
        assert "at version 2" in answer.json["detail"]
        assert pack.get(task) == task
        assert pack.events() == before


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            " ",
            ",",
            '"',
            "two",
            "1",
            "-1",
            "1.0",
            "²",
            "'1'",
            '"1" "2"',
            '"1"; "2"',
            '"1',
            '1"',
            '"1",2',
            '*, "1"',
            "**",
        ),
        *('w/"1"', "W/1", 'W/ "1"', "W/", '"a b"', '"a\tb"', '""1""', '"1"*'),
    ],
)
def test_an_if_match_that_is_no_list_of_etags_is_malformed(pack: Pack, given: str) -> None:
    task = pack.create()
    answer = pack.call("complete-task", "POST", f"/tasks/{task['task_id']}/complete", If_Match=given)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "If-Match" in answer.json["detail"]
    assert not pack.get(task)["completed"]


def test_the_body_may_say_the_expected_version_as_an_event_does(pack: Pack) -> None:
    task = pack.create()
    path = f"/tasks/{task['task_id']}"
    assert pack.call("update-task", "PATCH", path, {"title": "y", "expected_version": 2}).status_code == 412
    assert pack.call("update-task", "PATCH", path, {"title": "y", "expected_version": 1}).status_code == 200
    assert pack.call("update-task", "PATCH", path, {"title": "y", "expected_version": 0}).status_code == 422
    assert pack.call("delete-task", "DELETE", f"{path}?expected_version=1").status_code == 412
    assert pack.call("delete-task", "DELETE", f"{path}?expected_version=2").status_code == 204


def test_the_etag_is_what_if_match_takes(pack: Pack) -> None:
    path = f"/tasks/{pack.create()['task_id']}"
    etag = pack.call("query-tasks", "GET", path).headers["ETag"]
    etag = pack.call("update-task", "PATCH", path, {"title": "y"}, If_Match=etag).headers["ETag"]
    assert pack.call("complete-task", "POST", f"{path}/complete", If_Match=etag).status_code == 200


# Saying it twice ------------------------------------------------------------------------------------------------------


def test_a_repeated_create_gets_the_first_answer(pack: Pack) -> None:
    first, second = (
        pack.call("create-task", "POST", "/tasks", {"title": "once"}, Idempotency_Key="k-1") for _ in range(2)
    )
    assert (second.status_code, second.data) == (201, first.data)
    assert dict(second.headers) == dict(first.headers)
    assert len(pack.tasks()) == len(pack.events()) == 1


def test_a_repeat_of_a_refusal_is_the_same_refusal(pack: Pack) -> None:
    task = pack.create()
    path = f"/tasks/{task['task_id']}"
    first = pack.call("update-task", "PATCH", path, {"title": "y"}, Idempotency_Key="k", If_Match='"7"')
    pack.update(task, priority="low")
    second = pack.call("update-task", "PATCH", path, {"title": "y"}, Idempotency_Key="k", If_Match='"7"')
    assert first.status_code == second.status_code == 412
    assert (second.data, second.content_type) == (first.data, "application/problem+json")


def test_a_repeated_delete_gets_the_first_answer(pack: Pack) -> None:
    path = f"/tasks/{pack.create()['task_id']}"
    answers = [pack.call("delete-task", "DELETE", path, Idempotency_Key="k").status_code for _ in range(2)]
    assert answers == [204, 204]


@pytest.mark.parametrize("other", [{"title": "twice"}, {"title": "once", "priority": "low"}])
def test_an_idempotency_key_with_another_command_is_refused(pack: Pack, other: Json) -> None:
    assert pack.call("create-task", "POST", "/tasks", {"title": "once"}, Idempotency_Key="k").status_code == 201
    answer = pack.call("create-task", "POST", "/tasks", other, Idempotency_Key="k")
    assert answer.status_code == 422
    assert answer.json is not None
    assert "another command" in answer.json["detail"]
    assert [task["title"] for task in pack.tasks()] == ["once"]


def test_an_idempotency_key_speaks_of_one_task_and_one_version(pack: Pack) -> None:
    one, two = pack.create(), pack.create()
    complete = "/tasks/{task_id}/complete"
    assert pack.call("complete-task", "POST", complete.format(**one), Idempotency_Key="k").status_code == 200
    assert pack.call("complete-task", "POST", complete.format(**two), Idempotency_Key="k").status_code == 422
    answer = pack.call("complete-task", "POST", complete.format(**one), Idempotency_Key="k", If_Match='"1"')
    assert answer.status_code == 422


def test_an_idempotency_key_is_the_users_own(pack: Pack) -> None:
    mine = pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="same")
    theirs = pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="same", user=f"u-{uuid4()}")
    assert mine.status_code == theirs.status_code == 201
    assert mine.data != theirs.data


def test_without_an_idempotency_key_each_create_is_one(pack: Pack) -> None:
    pack.create(title="x"), pack.create(title="x")
    assert len(pack.tasks()) == 2
    assert pack.sql("SELECT FROM inbox WHERE user_id = %(user)s", user=pack.user) == []


def test_an_invalid_command_does_not_use_up_its_idempotency_key(pack: Pack) -> None:
    assert pack.call("create-task", "POST", "/tasks", {"title": ""}, Idempotency_Key="k").status_code == 422
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="k").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_1_to_255_characters(pack: Pack, key: str) -> None:
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key=key).status_code == 400
    assert pack.tasks() == []


# What is not served ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "method", "path", "allow"),
    [
        ("create-task", "GET", "/tasks", "POST"),
        ("create-task", "PUT", "/", "POST"),
        ("create-task", "OPTIONS", "/tasks", "POST"),
        ("update-task", "POST", "/tasks/1", "PATCH"),
        ("complete-task", "GET", "/tasks/1/complete", "POST"),
        ("delete-task", "GET", "/tasks/1", "DELETE"),
        ("query-tasks", "POST", "/tasks", "GET, HEAD"),
        ("query-tasks", "DELETE", "/tasks/1", "GET, HEAD"),
        ("set-preferences", "POST", "/preferences", "GET, HEAD, PUT"),
        ("query-tasks", "OPTIONS", "/tasks/1", "GET, HEAD"),
        ("query-tasks", "TRACE", "/tasks", "GET, HEAD"),
        ("delete-task", "HEAD", "/tasks/1", "DELETE"),
    ],
)
def test_a_method_that_is_not_served_says_which_are(
    pack: Pack, function: str, method: str, path: str, allow: str
) -> None:
    answer = pack.call(function, method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("create-task", "POST", "/nothing/here"),
        ("create-task", "POST", "/tasks/1"),
        ("update-task", "PATCH", "/tasks/one"),
        ("update-task", "PATCH", "/tasks/-1"),
        ("update-task", "PATCH", "/tasks/1.0"),
        ("update-task", "PATCH", f"/tasks/{quote('²')}"),
        ("update-task", "PATCH", f"/tasks/{quote('٣')}"),
        ("update-task", "PATCH", f"/tasks/{10**20}"),
        ("update-task", "PATCH", "/tasks/1%00"),
        ("update-task", "PATCH", "/tasks/1/"),
        ("update-task", "PATCH", "/tasks//1"),
        ("query-tasks", "GET", "/tasks/999999999"),
        ("complete-task", "POST", "/tasks/999999999/complete"),
        ("delete-task", "DELETE", "/tasks/9223372036854775807"),
    ],
)
def test_there_is_nothing_at_another_path(pack: Pack, function: str, method: str, path: str) -> None:
    body = {"title": "x"} if method in ("POST", "PATCH") and not path.endswith("complete") else None
    answer = pack.call(function, method, path, body)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("identifier", ["0", "9223372036854775808", "9999999999999999999"])
def test_a_number_that_is_no_task_id_is_answered_and_never_an_error(pack: Pack, identifier: str) -> None:
    assert pack.call("query-tasks", "GET", f"/tasks/{identifier}").status_code in (404, 422)


def test_a_body_above_the_limit_is_too_large(pack: Pack) -> None:
    answer = pack.call("create-task", "POST", "/tasks", b" " * 262_145)
    assert answer.status_code == 413
    assert answer.json is not None
    assert "262144" in answer.json["detail"]
    just = json.dumps({"title": "x"}).encode().ljust(262_144)
    assert pack.call("create-task", "POST", "/tasks", just).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
)
def test_a_body_that_does_not_say_json_is_not_guessed_at(pack: Pack, content_type: str) -> None:
    answer = pack.call("create-task", "POST", "/tasks", b'{"title": "x"}', Content_Type=content_type)
    assert answer.status_code == 415
    assert answer.json is not None
    assert "application/json" in answer.json["detail"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", " application/json "])
def test_json_is_json_however_it_is_written(pack: Pack, content_type: str) -> None:
    answer = pack.call("create-task", "POST", "/tasks", b'{"title": "x"}', Content_Type=content_type)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body", [b"{", b'{"title": "x"', b"title=x", b"{'title': 'x'}", b"\xff\xfe", b'{"title": NaN}']
)
def test_a_body_that_is_not_json_is_malformed(pack: Pack, body: bytes) -> None:
    assert pack.call("create-task", "POST", "/tasks", body).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7", b"null", b"true", b'[{"title": "x"}]'])
def test_a_body_that_is_no_object_is_no_command(pack: Pack, body: bytes) -> None:
    answer = pack.call("create-task", "POST", "/tasks", body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert "JSON object" in answer.json["detail"]


# Finding --------------------------------------------------------------------------------------------------------------


def titles(pack: Pack, **query: Any) -> set[str]:
    return {task["title"] for task in pack.tasks(**query)}


def test_tasks_are_found_by_status(pack: Pack) -> None:
    pack.travel(to=datetime(2026, 11, 24, 12, tzinfo=UTC))
    pack.create(title="no date")
    pack.create(title="today", due_on="2026-11-24")
    pack.create(title="yesterday", due_on="2026-11-23")
    pack.create(title="this morning", due_at="2026-11-24T09:00:00Z")
    pack.create(title="already over in Tokyo", due_on="2026-11-23", time_zone="Asia/Tokyo")
    pack.create(title="not over in Honolulu", due_on="2026-11-24", time_zone="Pacific/Honolulu")
    pack.complete(pack.create(title="done", due_on="2026-11-23"))

    late = {"yesterday", "this morning", "already over in Tokyo"}
    assert titles(pack, status="overdue") == late
    assert titles(pack, status="open") == late | {"no date", "today", "not over in Honolulu"}
    assert titles(pack, status="completed") == {"done"}
    assert titles(pack, status="all") == titles(pack) == titles(pack, status="open") | {"done"}


def test_a_task_due_on_a_day_is_overdue_when_that_day_ends_for_its_user(pack: Pack) -> None:
    pack.create(due_on="2026-11-24", time_zone="America/New_York")
    pack.travel(to=datetime(2026, 11, 25, 4, 30, tzinfo=UTC))
    assert titles(pack, status="overdue") == set()
    pack.travel(to=datetime(2026, 11, 25, 5, 30, tzinfo=UTC))
    assert titles(pack, status="overdue") == {"water the plants"}


def test_tasks_are_found_by_any_of_some_priorities_and_all_of_some_tags(pack: Pack) -> None:
    for priority in ("low", "medium", "high", "urgent"):
        pack.create(title=priority, priority=priority, tags=["all", priority])
    assert titles(pack, priority="high") == {"high"}
    assert titles(pack, priority=["high", "low"]) == {"high", "low"}
    assert titles(pack, tag="all") == {"low", "medium", "high", "urgent"}
    assert titles(pack, tag=["all", "low"]) == {"low"}
    assert titles(pack, tag=["high", "low"]) == set()
    assert titles(pack, tag="al") == set()


def test_tasks_are_found_by_when_they_are_due(pack: Pack) -> None:
    pack.create(title="never")
    pack.create(title="the 24th", due_on="2026-11-24")
    pack.create(title="the 25th", due_on="2026-11-25")
    pack.create(title="the 24th at 23:30 in New York", due_at="2026-11-25T04:30:00Z", time_zone="America/New_York")
    days = {"due_from": "2026-11-24", "due_to": "2026-11-24"}
    assert titles(pack, **days) == {"the 24th", "the 24th at 23:30 in New York"}
    assert titles(pack, due_from="2026-11-25") == {"the 25th"}
    assert titles(pack, due_to="2026-11-23") == set()
    moments = {"due_from": "2026-11-25T00:00:00Z", "due_to": "2026-11-25T05:30:00+01:00"}
    assert titles(pack, **moments) == {"the 24th", "the 24th at 23:30 in New York"}
    assert titles(pack, due_from="2026-11-25T00:00:01Z") == {"the 25th", "the 24th at 23:30 in New York"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("zürich", {"Zürich anrufen"}),
        ("ZÜRICH", {"Zürich anrufen"}),
        ("ИВАН", {"позвонить Ивану"}),
        ("牛乳", {"牛乳を買う"}),
        ("mañana", {"with description"}),
        ("100%", {"100% of it"}),
        ("%", {"100% of it"}),
        ("_", set()),
        ("o'f", set()),
        ("'; DROP TABLE task; --", set()),
        ("\\", {"back\\slash"}),
        ("", {"Zürich anrufen", "позвонить Ивану", "牛乳を買う", "with description", "100% of it", "back\\slash"}),
    ],
)
def test_tasks_are_found_by_text_in_any_case_and_script(pack: Pack, text: str, found: set[str]) -> None:
    pack.create(title="Zürich anrufen")
    pack.create(title="позвонить Ивану")
    pack.create(title="牛乳を買う")
    pack.create(title="with description", description="Hasta mañana.")
    pack.create(title="100% of it")
    pack.create(title="back\\slash")
    assert titles(pack, text=text) == found


@pytest.mark.parametrize("zone", ["Europe/Zurich", "Factory", "posix/Europe/Zurich", "right/UTC", "localtime", "UCT"])
def test_a_zone_that_is_taken_can_be_searched_by_day(pack: Pack, zone: str) -> None:
    answer = pack.call(
        "create-task", "POST", "/tasks", {"title": "x", "due_at": "2026-11-24T09:00:00Z", "time_zone": zone}
    )
    assert answer.status_code in (201, 422)
    assert len(pack.tasks(due_from="2026-11-23")) == (answer.status_code == 201)


def test_every_zone_that_is_taken_is_one_of_postgresqls(pack: Pack) -> None:
    taken = {name for name in available_timezones() if is_taken(name)}
    assert len(taken) > 400
    assert taken <= {name for (name,) in pack.sql("SELECT name FROM pg_timezone_names")}


def is_taken(zone: str) -> bool:
    try:
        CreateTask.model_validate({"title": "x", "time_zone": zone})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("status=late", "status"),
        ("priority=dire", "priority/0"),
        ("tag=", "tag/0"),
        ("tag=%00", "tag/0"),
        ("text=%00", "text"),
        (f"text={'x' * 201}", "text"),
        ("sort=colour", "sort"),
        ("due_from=soon", "due_from"),
        ("due_to=2026-11-24T09:00:00", "due_to"),
        ("due_from=2026-02-30", "due_from"),
        ("due_from=1700000000", "due_from"),
        ("colour=red", "colour"),
        (f"cursor={'x' * 5000}", "cursor"),
    ],
)
def test_a_query_that_is_wrong_is_never_guessed_at(pack: Pack, query: str, field: str) -> None:
    answer = pack.call("query-tasks", "GET", f"/tasks?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json is not None
    assert {error["pointer"] for error in answer.json["errors"]} == {f"/{field}"}
    assert "function-" not in answer.text


# Pages ----------------------------------------------------------------------------------------------------------------

SORTS = ["created_at", "updated_at", "due", "priority", "title"]


def walk(pack: Pack, **query: Any) -> list[Json]:
    """Every task, page by page, by the cursors alone."""
    found: list[Json] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        answer = pack.call("query-tasks", "GET", f"/tasks?{urlencode({**query, **cursor}, doseq=True)}")
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        found += answer.json["tasks"]
        if answer.json["next_cursor"] is None:
            return found
        assert len(answer.json["tasks"]) == query["limit"]
        cursor = {"cursor": answer.json["next_cursor"]}
    raise AssertionError("the pages do not end")


def rank(task: Json, sort: str) -> tuple[Any, int]:
    match sort:
        case "due":
            day_ends = f"{task['due_on']}T23:59:59.999999Z" if task["due_on"] else "9999-01-01T00:00:00Z"
            return datetime.fromisoformat(task["due_at"] or day_ends), task["task_id"]
        case "priority":
            return ["low", "medium", "high", "urgent"].index(task["priority"]), task["task_id"]
        case "title":
            return task["title"], task["task_id"]
    return datetime.fromisoformat(task[sort]), task["task_id"]


@pytest.mark.parametrize("limit", [1, 3, 7, 20])
@pytest.mark.parametrize("descending", ["", "-"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_every_task_once_in_order(pack: Pack, sort: str, descending: str, limit: int) -> None:
    some_of_each(pack)
    found = walk(pack, sort=descending + sort, limit=limit)
    expected = sorted(found, key=lambda task: rank(task, sort), reverse=bool(descending))
    assert [task["task_id"] for task in found] == [task["task_id"] for task in expected]
    assert len({task["task_id"] for task in found}) == len(found) == 7


def some_of_each(pack: Pack) -> None:
    """Seven tasks with ties in every order."""
    pack.create(title="a", priority="low", due_on="2026-11-24")
    pack.create(title="b", priority="low")
    pack.create(title="a", priority="urgent", due_at="2026-11-24T09:00:00Z")
    pack.create(title="a", priority="urgent", due_at="2026-11-24T09:00:00Z")
    pack.create(title="B", priority="medium", due_on="2026-11-24")
    pack.create(title="ä", priority="high")
    pack.create(title="'\"%s", priority="high", due_at="2026-11-24T09:00:00.000001Z")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    pack.sql("UPDATE task SET created_at = %(now)s WHERE user_id = %(user)s AND title = 'a'", now=now, user=pack.user)


@pytest.mark.parametrize("sort", ["-created_at", "title"])
def test_tasks_that_are_added_meanwhile_repeat_none_and_hide_none(pack: Pack, sort: str) -> None:
    before = {pack.create(title=f"m{number}")["task_id"] for number in range(6)}
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        query = urlencode({"sort": sort, "limit": 2, **cursor})
        page = pack.call("query-tasks", "GET", f"/tasks?{query}").json
        assert page is not None
        seen += [task["task_id"] for task in page["tasks"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        if len(seen) < 7:
            pack.create(title="a, before all"), pack.create(title="z, behind all")
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_a_filter_holds_on_every_page(pack: Pack) -> None:
    some_of_each(pack)
    found = walk(pack, sort="due", limit=1, priority=["low", "urgent"])
    assert sorted(task["title"] for task in found) == ["a", "a", "a", "b"]


def test_a_page_that_is_full_and_last_has_no_cursor(pack: Pack) -> None:
    pack.create(), pack.create()
    answer = pack.call("query-tasks", "GET", "/tasks?limit=2")
    assert answer.json is not None
    assert (len(answer.json["tasks"]), answer.json["next_cursor"]) == (2, None)
    assert pack.call("query-tasks", "GET", "/", user=f"nobody-{uuid4()}").json == {"tasks": [], "next_cursor": None}


def cursor_of(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        ("title", ""),
        ("title", "not base64 ü"),
        ("title", "AAAA"),
        ("title", cursor_of()),
        ("title", cursor_of("title", "a")),
        ("title", cursor_of("-title", "a", 1)),
        ("title", cursor_of("priority", 1, 1)),
        ("title", cursor_of("title", "a", 0)),
        ("title", cursor_of("title", "a", 2**63)),
        ("title", cursor_of("title", "a", float("inf"))),
        ("title", cursor_of("title", "a", None)),
        ("title", cursor_of("title", ["a"], 1)),
        ("title", cursor_of("title", "\ud800", 1)),
        ("title", cursor_of("title", "a\x00", 1)),
        ("title", cursor_of(None, "a", 1)),
        ("title", cursor_of(7, "a", 1)),
        ("title", cursor_of(["title"], "a", 1)),
        ("priority", cursor_of("priority", 99, 1)),
        ("priority", cursor_of("priority", -1, 1)),
        ("priority", cursor_of("priority", "low", 1)),
        ("priority", cursor_of("priority", True, 1)),
        ("created_at", cursor_of("created_at", "yesterday", 1)),
        ("created_at", cursor_of("created_at", "2026-11-24", 1)),
        ("created_at", cursor_of("created_at", "2026-11-24T09:00:00+23:59:59.999999", 1)),
        ("created_at", cursor_of("created_at", "0001-01-01T00:00:00+23:00", 1)),
        ("created_at", cursor_of("created_at", "infinity", 1)),
        ("created_at", cursor_of("created_at", 7, 1)),
        ("due", cursor_of("due", "-infinity", 1)),
        ("due", cursor_of("due", None, 1)),
        ("due", base64.urlsafe_b64encode(b"[" * 3000).decode()),
        ("due", base64.urlsafe_b64encode(b"\xff\xfe").decode()),
    ],
)
def test_a_cursor_that_was_not_returned_is_refused(pack: Pack, sort: str, cursor: str) -> None:
    answer = pack.call("query-tasks", "GET", f"/tasks?{urlencode({'sort': sort, 'cursor': cursor})}")
    assert answer.status_code == 422, answer.text
    assert answer.json is not None
    assert "next_cursor" in answer.json["detail"]


def test_another_users_cursor_shows_nothing_of_theirs(pack: Pack) -> None:
    pack.create(title="mine a"), pack.create(title="mine b")
    page = pack.call("query-tasks", "GET", "/tasks?limit=1&sort=title").json
    assert page is not None
    stranger = f"stranger-{uuid4()}"
    pack.call("create-task", "POST", "/tasks", {"title": "theirs z"}, user=stranger)
    query = urlencode({"sort": "title", "cursor": page["next_cursor"]})
    theirs = pack.call("query-tasks", "GET", f"/tasks?{query}", user=stranger).json
    assert theirs is not None
    assert [task["title"] for task in theirs["tasks"]] == ["theirs z"]


@pytest.mark.parametrize(
    "query", ["", "?status=open", "?tag=shared", "?text=secret", "?due_from=2026-01-01", "?priority=high&sort=due"]
)
def test_no_query_ever_shows_another_users_task(pack: Pack, query: str) -> None:
    pack.create(title="my secret", tags=["shared"], priority="high", due_on="2026-11-24")
    answer = pack.call("query-tasks", "GET", f"/tasks{query}", user=f"stranger-{uuid4()}")
    assert answer.json == {"tasks": [], "next_cursor": None}
