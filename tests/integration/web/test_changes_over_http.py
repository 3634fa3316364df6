"""GET /tasks/changes as a client calls it."""

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.support.function_pack import Json, Pack
from tests.support.task_copy import TaskCopy


def changes(pack: Pack, user: str | None = None, **query: Any) -> TestResponse:
    return pack.call("query-tasks", "GET", f"/tasks/changes?{urlencode(query)}", user=user)


def copied(pack: Pack, limit: int = 100) -> TaskCopy:
    def ask(cursor: str | None) -> Json:
        answer = changes(pack, limit=limit, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        return dict(answer.json or {})

    return TaskCopy(ask)


def test_a_copy_follows_everything_that_is_done_to_tasks(pack: Pack) -> None:
    copy = copied(pack, limit=2)
    plain = pack.create(tags=["home"], due_at="2090-01-01T09:00:00Z")
    recurring = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    assert copy.catch_up() == {task["task_id"]: task for task in pack.tasks()}
    pack.update(plain, title="other")
    pack.complete(recurring)
    pack.deliver()
    assert len(copy.catch_up()) == 3
    assert copy.tasks == {task["task_id"]: task for task in pack.tasks()}
    pack.reopen(recurring)
    pack.delete(plain)
    assert copy.catch_up() == {task["task_id"]: task for task in pack.tasks()}
    assert list(copy.tasks) == [recurring["task_id"]], "the untouched successor is withdrawn"


def test_what_is_refused_or_repeated_is_no_change(pack: Pack) -> None:
    task, copy = pack.create(), copied(pack)
    copy.catch_up()
    assert pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", {"title": ""}).status_code == 422
    assert pack.call("complete-task", "POST", f"/tasks/{task['task_id']}/complete", If_Match='"9"').status_code == 412
    copy.catch_up()
    assert list(copy.told.values()) == [1]


def test_the_cursor_of_one_user_tells_another_nothing(pack: Pack) -> None:
    stranger = f"stranger-{uuid4()}"
    cursor = (changes(pack, limit=1).json or {})["cursor"]
    task = pack.create(title="a secret plan")
    pack.delete(pack.create())
    told = changes(pack, user=stranger, cursor=cursor).json or {}
    assert (told["tasks"], told["deleted"], told["more"]) == ([], [], False)
    assert [each["task_id"] for each in (changes(pack, cursor=cursor).json or {})["tasks"]] == [task["task_id"]]


def test_a_foreign_cursor_says_to_start_anew(pack: Pack) -> None:
    cursor = (changes(pack).json or {})["cursor"]
    pack.sql("UPDATE change_feed SET epoch = gen_random_uuid()")
    answer = changes(pack, cursor=cursor)
    assert (answer.status_code, answer.content_type) == (410, "application/problem+json")
    assert (answer.json or {})["title"] == "Start anew"
    assert "leave it out" in (answer.json or {})["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": "x"},
        {"cursor": ""},
        {"cursor": "x"},
        {"sort": "title"},
        {"cursor": "x" * 9000},
    ],
)
def test_a_query_that_is_wrong_is_refused(pack: Pack, query: Json) -> None:
    answer = changes(pack, **query)
    assert answer.status_code == 422, answer.text


def test_a_page_that_has_not_changed_is_not_sent_again(pack: Pack) -> None:
    pack.create()
    first = changes(pack, limit=1)
    again = pack.call("query-tasks", "GET", "/tasks/changes?limit=1", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")


def test_a_look_that_finds_nothing_is_answered_with_304(pack: Pack) -> None:
    pack.create()
    cursor = (changes(pack).json or {})["cursor"]
    tag = changes(pack, cursor=cursor).headers["ETag"]
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, user=f"stranger-{uuid4()}")
    path = f"/tasks/changes?cursor={cursor}"
    assert pack.call("query-tasks", "GET", path, If_None_Match=tag).status_code == 304
    pack.create()
    assert pack.call("query-tasks", "GET", path, If_None_Match=tag).status_code == 200


def test_changes_are_read_and_not_written(pack: Pack) -> None:
    assert pack.call("query-tasks", "POST", "/tasks/changes").status_code == 405
