"""What a person's call may carry, and where: a body, a query, encodings; what nobody reads is refused, not dropped."""

import gzip

import pytest

from tests.support import tokens
from tests.support.function_pack import Pack


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("query-tasks", "GET", "/tasks"),
        ("query-tasks", "HEAD", "/tasks"),
        ("query-tasks", "GET", "/tasks/{task_id}"),
        ("query-tasks", "GET", "/occurrences?recurrence_pattern=daily&due_on=2027-01-31"),
        ("set-preferences", "GET", "/preferences"),
        ("delete-task", "DELETE", "/tasks/{task_id}"),
        ("delete-task", "DELETE", "/{task_id}?scope=this"),
    ],
)
@pytest.mark.parametrize("body", [b'{"scope": "this"}', b"{}", b" ", b"x", b'{"expected_version": 7}'])
def test_a_body_where_none_is_read_is_refused(pack: Pack, function: str, method: str, path: str, body: bytes) -> None:
    task = pack.create()
    answer = pack.call(function, method, path.format(**task), body)
    assert answer.status_code == 400
    assert method == "HEAD" or "takes no body" in answer.text
    assert pack.get(task) == task


@pytest.mark.parametrize(
    ("function", "method", "path", "body"),
    [
        ("create-task", "POST", "/tasks", {"title": "x"}),
        ("update-task", "PATCH", "/tasks/{task_id}", {"title": "y"}),
        ("complete-task", "POST", "/tasks/{task_id}/complete", None),
        ("reopen-task", "POST", "/tasks/{task_id}/reopen", None),
        ("schedule-next-recurrence", "POST", "/tasks/{task_id}/skip", None),
        ("snooze-reminder", "POST", "/tasks/{task_id}/snooze", {"duration": "PT10M"}),
        ("snooze-reminder", "POST", "/tasks/{task_id}/dismiss", None),
        ("set-preferences", "PUT", "/preferences", {"time_zone": "Europe/Zurich"}),
    ],
)
@pytest.mark.parametrize("query", ["expected_version=7", "title=z", "x", "x=", "=", "scope=this&x=1"])
def test_a_query_where_none_is_read_is_refused(
    pack: Pack, function: str, method: str, path: str, body: dict[str, str] | None, query: str
) -> None:
    task = pack.create()
    before = pack.events()
    answer = pack.call(function, method, f"{path.format(**task)}?{query}", body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert "no such query parameter" in answer.json["detail"]
    assert answer.json["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"
    assert pack.events() == before


@pytest.mark.parametrize("query", ["", "&", "&&"])
def test_a_query_without_a_parameter_is_none(pack: Pack, query: str) -> None:
    assert pack.call("create-task", "POST", f"/tasks?{query}", {"title": "x"}).status_code == 201


@pytest.mark.parametrize(
    ("function", "method", "query"),
    [
        ("query-tasks", "GET", "colour=red"),
        ("query-tasks", "GET", "Status=open"),
        ("query-tasks", "GET", "status[]=open"),
        ("delete-task", "DELETE", "x=1"),
        ("delete-task", "DELETE", "scope=this&Scope=this"),
    ],
)
def test_a_parameter_that_nobody_knows_is_refused(pack: Pack, function: str, method: str, query: str) -> None:
    task = pack.create()
    path = "/tasks" if method == "GET" else f"/tasks/{task['task_id']}"
    answer = pack.call(function, method, f"{path}?{query}")
    assert answer.status_code == 422
    assert "no such field" in answer.text
    assert pack.get(task) == task


@pytest.mark.parametrize(
    ("function", "method", "path", "query", "name"),
    [
        ("query-tasks", "GET", "/tasks", "limit=1&limit=1", "limit"),
        ("query-tasks", "GET", "/tasks", "status=open&status=completed", "status"),
        ("query-tasks", "GET", "/tasks", "text=a&text=b", "text"),
        ("query-tasks", "GET", "/occurrences", "recurrence_pattern=daily&due_on=2027-01-31&count=1&count=2", "count"),
        ("delete-task", "DELETE", "/tasks/{task_id}", "scope=this&scope=following", "scope"),
        ("delete-task", "DELETE", "/tasks/{task_id}", "expected_version=1&expected_version=1", "expected_version"),
    ],
)
def test_what_is_meant_once_is_given_once(
    pack: Pack, function: str, method: str, path: str, query: str, name: str
) -> None:
    task = pack.create()
    answer = pack.call(function, method, f"{path.format(**task)}?{query}")
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["detail"] == f"{name}: is there 2 times: give it once"
    assert pack.get(task) == task


def test_what_may_be_given_several_times_may(pack: Pack) -> None:
    pack.create(tags=["a", "b"], priority="low")
    assert len(pack.tasks(tag=["a", "b"], priority=["low", "high"])) == 1


@pytest.mark.parametrize("query", ["text=%FF", "text=%FE", "text=%C3", "text=%ED%A0%80", "%FF=1", "text=a&%80"])
def test_a_query_that_is_no_utf8_is_malformed(pack: Pack, query: str) -> None:
    """%FF and %FE are not the same text."""
    for function, method, path in (
        ("query-tasks", "GET", "/tasks"),
        ("create-task", "POST", "/tasks"),
        ("delete-task", "DELETE", "/tasks/1"),
    ):
        body = {"title": "x"} if method == "POST" else None
        assert pack.call(function, method, f"{path}?{query}", body).status_code == 400


def test_a_query_in_utf8_is_read_escaped_or_not(pack: Pack) -> None:
    pack.create(title="Zürich")
    for text in ("%C3%BCrich", "ürich"):
        answer = pack.call("query-tasks", "GET", f"/tasks?text={text}")
        assert answer.json is not None
        assert len(answer.json["tasks"]) == 1


def test_a_body_must_say_what_it_is(pack: Pack) -> None:
    for content_type in ("", " ", ";", "application/json, application/json", "application/jsonx"):
        answer = pack.call("create-task", "POST", "/tasks", b'{"title": "x"}', Content_Type=content_type)
        assert answer.status_code == 415, content_type
    answer = pack.client("create-task").post(
        "/tasks", data=b'{"title": "x"}', headers={"Authorization": tokens.bearer(pack.user)}
    )
    assert answer.status_code == 415
    assert pack.tasks() == []


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip", "x"])
def test_a_body_is_sent_as_it_is(pack: Pack, coding: str) -> None:
    """RFC 9110, 8.4: a coding that is not taken is 415, with those that are."""
    body = gzip.compress(b'{"title": "x"}')
    answer = pack.call("create-task", "POST", "/tasks", body, Content_Encoding=coding)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}, Content_Encoding="identity").status_code == 201


@pytest.mark.parametrize(
    "path",
    ["/tasks/1%2Fcomplete", "/tasks%2F1/complete", "/tasks/1/complete%2f", "/tasks/1/complete/", "//tasks/1/complete"],
)
def test_an_escaped_slash_separates_nothing(pack: Pack, path: str) -> None:
    task = pack.create()
    assert pack.call("complete-task", "POST", path.replace("1", str(task["task_id"]), 1)).status_code == 404
    assert pack.get(task) == task


def test_other_escapes_are_what_they_stand_for(pack: Pack) -> None:
    task = pack.create()
    escaped = "".join(f"%{ord(digit):02x}" for digit in str(task["task_id"]))
    assert pack.call("complete-task", "POST", f"/t%61sks/{escaped}/complete").status_code == 200
