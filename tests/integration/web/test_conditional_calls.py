"""Conditional requests as RFC 9110 has them (section 13): If-Match, If-None-Match, and what is not looked at."""

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from tests.support.function_pack import Json, Pack

COMMANDS = [
    ("update-task", "PATCH", "", {"title": "y"}),
    ("complete-task", "POST", "/complete", None),
    ("delete-task", "DELETE", "", None),
    ("snooze-reminder", "POST", "/snooze", {"duration": "PT10M"}),
    ("snooze-reminder", "POST", "/dismiss", None),
]
commands = pytest.mark.parametrize(("function", "method", "suffix", "body"), COMMANDS)


def path(task: Json, suffix: str = "") -> str:
    return f"/tasks/{task['task_id']}{suffix}"


# Changing -------------------------------------------------------------------------------------------------------------


@commands
def test_if_none_match_rules_a_version_out(
    pack: Pack, function: str, method: str, suffix: str, body: Json | None
) -> None:
    """13.1.2: for what changes something, a match is 412; tags are compared weakly."""
    task = pack.create()
    for given in ("*", '"1"', 'W/"1"', '"7", W/"1"'):
        answer = pack.call(function, method, path(task, suffix), body, If_None_Match=given)
        assert answer.status_code == 412, given
        assert "If-None-Match" in answer.text
    assert pack.get(task) == task
    assert pack.call(function, method, path(task, suffix), body, If_None_Match='"2", W/"7"').status_code < 300


@commands
def test_both_conditions_must_hold(pack: Pack, function: str, method: str, suffix: str, body: Json | None) -> None:
    task = pack.create()
    for if_match, if_none_match in (('"1"', '"1"'), ('"2"', '"2"'), ("*", "*")):
        answer = pack.call(function, method, path(task, suffix), body, If_Match=if_match, If_None_Match=if_none_match)
        assert answer.status_code == 412
    answer = pack.call(function, method, path(task, suffix), body, If_Match='"1"', If_None_Match='"2"')
    assert answer.status_code < 300


@commands
@pytest.mark.parametrize("given", ["*", '"1"', 'W/"1"'])
def test_of_a_task_that_is_not_there_it_is_said_so(
    pack: Pack, function: str, method: str, suffix: str, body: Json | None, given: str
) -> None:
    """13.2.1: a condition is not looked at where the call could not be done without it."""
    gone = {"task_id": 999_999_999}
    assert pack.call(function, method, path(gone, suffix), body, If_Match=given).status_code == 404
    assert pack.call(function, method, path(gone, suffix), body, If_None_Match=given).status_code == 404


def test_conditions_hold_beside_expected_version(pack: Pack) -> None:
    task = pack.create()
    for version, if_match in ((1, '"2"'), (2, '"1"'), (2, '"2"'), (1, 'W/"1"')):
        body = {"title": "y", "expected_version": version}
        assert pack.call("update-task", "PATCH", path(task), body, If_Match=if_match).status_code == 412
    body = {"title": "y", "expected_version": 1}
    assert pack.call("update-task", "PATCH", path(task), body, If_Match='"1", "2"').status_code == 200


def test_a_condition_that_is_false_leaves_nothing_behind(pack: Pack) -> None:
    task = pack.create(due_on="2027-01-31", recurrence_pattern="monthly")
    before = pack.events()
    assert pack.call("complete-task", "POST", path(task, "/complete"), If_Match='"2"').status_code == 412
    assert pack.call("delete-task", "DELETE", path(task) + "?scope=this", If_Match='W/"1"').status_code == 412
    assert pack.call("schedule-next-recurrence", "POST", path(task, "/skip"), If_Match='"2"').status_code == 412
    assert pack.get(task) == task
    assert pack.events() == before


@pytest.mark.parametrize("header", ["If_Match", "If_None_Match"])
@pytest.mark.parametrize("given", ['"1"', "*", 'W/"x"'])
def test_what_has_no_etag_takes_no_condition(pack: Pack, header: str, given: str) -> None:
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x"}, **{header: given})
    assert answer.status_code == 400
    assert "leave the If- headers out" in answer.text
    assert pack.tasks() == []
    assert pack.events() == []


def test_what_has_no_etag_uses_up_no_idempotency_key(pack: Pack) -> None:
    for _ in range(2):
        answer = pack.call("create-task", "POST", "/tasks", {"title": "x"}, If_Match="*", Idempotency_Key="k")
        assert answer.status_code == 400
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="k").status_code == 201


def test_preferences_change_on_the_condition_of_how_they_are_shown(pack: Pack) -> None:
    etag = pack.call("set-preferences", "GET", "/preferences").headers["ETag"]
    put = {"time_zone": "Europe/Zurich"}
    assert pack.call("set-preferences", "PUT", "/preferences", put, If_Match=f"W/{etag}").status_code == 412
    assert pack.call("set-preferences", "PUT", "/preferences", put, If_None_Match="*").status_code == 412
    answer = pack.call("set-preferences", "PUT", "/preferences", put, If_Match=etag)
    assert answer.status_code == 200
    again = pack.call("set-preferences", "PUT", "/preferences", {}, If_Match=etag)
    assert (again.status_code, again.content_type) == (412, "application/problem+json")
    shown = pack.call("set-preferences", "GET", "/preferences")
    assert shown.json == answer.json
    assert shown.headers["ETag"] != etag
    assert pack.call("set-preferences", "PUT", "/preferences", {}, If_Match="*").status_code == 200


# Reading --------------------------------------------------------------------------------------------------------------

Shown = Callable[[Pack], tuple[str, str]]


def one(pack: Pack) -> tuple[str, str]:
    return "query-tasks", path(pack.create())


def page(pack: Pack) -> tuple[str, str]:
    return "query-tasks", "/tasks?sort=title&limit=1"


def occurrences(pack: Pack) -> tuple[str, str]:
    return "query-tasks", path(pack.create(due_on="2027-01-31", recurrence_pattern="monthly"), "/occurrences")


def preview(pack: Pack) -> tuple[str, str]:
    return "query-tasks", "/occurrences?recurrence_pattern=daily&due_on=2027-01-31"


def preferences(pack: Pack) -> tuple[str, str]:
    return "set-preferences", "/preferences"


shown = pytest.mark.parametrize("what", [one, page, occurrences, preview, preferences])


def expect_unchanged(answer: TestResponse, etag: str) -> None:
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
    assert "Content-Type" not in answer.headers


@shown
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_has_not_changed_is_not_sent_again(pack: Pack, what: Shown, method: str) -> None:
    function, where = what(pack)
    first = pack.call(function, method, where)
    etag = first.headers["ETag"]
    assert first.status_code == 200
    assert etag.startswith('"')
    for given in (etag, f"W/{etag}", f'"other", {etag}', f'W/"other",W/{etag}', "*"):
        expect_unchanged(pack.call(function, method, where, If_None_Match=given), etag)
    for given in ('"other"', f'"{etag[1:-1]}x"', 'W/"other", "another"', '""'):
        answer = pack.call(function, method, where, If_None_Match=given)
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (200, first.data, etag)


@shown
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_may_be_for_one_version_alone(pack: Pack, what: Shown, method: str) -> None:
    """13.2.2: If-Match comes first."""
    function, where = what(pack)
    etag = pack.call(function, method, where).headers["ETag"]
    for given in (etag, f'"other", {etag}', "*"):
        assert pack.call(function, method, where, If_Match=given).status_code == 200
        expect_unchanged(pack.call(function, method, where, If_Match=given, If_None_Match=etag), etag)
    for given in ('"other"', f"W/{etag}"):
        answer = pack.call(function, method, where, If_Match=given, If_None_Match=etag)
        assert answer.status_code == 412


@shown
@pytest.mark.parametrize("header", ["If_Match", "If_None_Match"])
def test_what_is_no_list_of_etags_is_malformed(pack: Pack, what: Shown, header: str) -> None:
    function, where = what(pack)
    for given in ("1", '"', "", 'w/"1"', '*, "1"', '"1" "2"'):
        answer = pack.call(function, "GET", where, **{header: given})
        assert answer.status_code == 400, given
        assert header.replace("_", "-") in answer.text


def test_an_etag_changes_with_what_is_shown(pack: Pack) -> None:
    pack.create(title="a")
    etag = pack.call("query-tasks", "GET", "/tasks").headers["ETag"]
    assert pack.call("query-tasks", "GET", "/tasks").headers["ETag"] == etag
    task = pack.create(title="b")
    changed = pack.call("query-tasks", "GET", "/tasks", If_None_Match=etag)
    assert changed.status_code == 200
    pack.update(task, title="c")
    assert pack.call("query-tasks", "GET", "/tasks", If_None_Match=changed.headers["ETag"]).status_code == 200


@pytest.mark.parametrize("header", ["If_Match", "If_None_Match"])
def test_of_what_is_not_there_no_condition_is_asked(pack: Pack, header: str) -> None:
    for given in ("*", '"1"'):
        assert pack.call("query-tasks", "GET", "/tasks/999999999", **{header: given}).status_code == 404
        assert pack.call("query-tasks", "GET", "/tasks?limit=0", **{header: given}).status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"If_Modified_Since": "Fri, 31 Dec 2999 23:59:59 GMT"},
        {"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"If_Modified_Since": "yesterday"},
        {"Range": "bytes=0-1"},
        {"Range": "bytes=0-1", "If_Range": '"1"'},
        {"Accept": "text/html"},
        {"Accept": "application/xml;q=1, */*;q=0"},
        {"Accept_Encoding": "identity;q=0"},
        {"Accept_Charset": "latin-1"},
        {"Accept_Language": "de"},
    ],
)
def test_what_is_not_looked_at_changes_nothing(pack: Pack, headers: dict[str, str]) -> None:
    """Dates, since there is no Last-Modified (13.1.3, 13.1.4); ranges (14.2); and what is accepted (12.4.1)."""
    task = pack.create()
    answer = pack.call("query-tasks", "GET", path(task), **headers)
    assert (answer.status_code, answer.json) == (200, task)
    assert pack.call("update-task", "PATCH", path(task), {"title": "y"}, **headers).status_code == 200
