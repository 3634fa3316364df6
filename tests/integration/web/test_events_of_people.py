"""A CloudEvent at a person's door: by POST, to a path that names nothing, on the conditions that come with it."""

import json
from uuid import uuid4

import pytest

from tests.support.function_pack import Json, Pack

STRUCTURED = "application/cloudevents+json"


def binary(event_type: str, **more: str) -> dict[str, str]:
    return {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_source": "/me", "ce_type": event_type, **more}


def structured(event_type: str, data: Json | None) -> bytes:
    event = {"specversion": "1.0", "id": str(uuid4()), "source": "/me", "type": event_type}
    return json.dumps(event if data is None else {**event, "data": data}).encode()


def unchanged(pack: Pack, *tasks: Json) -> bool:
    return [pack.get(task) for task in tasks] == list(tasks)


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("create-task", "GET", "/tasks"),
        ("create-task", "GET", "/"),
        ("create-task", "HEAD", "/"),
        ("create-task", "PUT", "/"),
        ("create-task", "DELETE", "/"),
        ("create-task", "OPTIONS", "/"),
        ("query-tasks", "GET", "/tasks"),
    ],
)
def test_no_other_method_takes_an_event(pack: Pack, function: str, method: str, path: str) -> None:
    headers = binary("task.create")
    answer = pack.call(function, method, path, {"title": "x"}, **headers)
    assert answer.status_code == 400
    assert method == "HEAD" or "POST" in answer.text
    assert pack.call(function, method, path, **headers).status_code == 400
    assert pack.tasks() == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "PUT"])
def test_no_other_method_takes_a_structured_event(pack: Pack, method: str) -> None:
    body = structured("task.create", {"title": "x"})
    for function, path in (("create-task", "/"), ("create-task", "/tasks"), ("update-task", "/tasks/1")):
        answer = pack.call(function, method, path, body, Content_Type=STRUCTURED)
        assert answer.status_code in (400, 405, 415)
    assert pack.tasks() == []


@pytest.mark.parametrize(
    ("function", "event_type", "method", "suffix"),
    [
        ("delete-task", "task.delete", "DELETE", ""),
        ("update-task", "task.update", "PATCH", ""),
        ("complete-task", "task.complete", "POST", "/complete"),
        ("reopen-task", "task.reopen", "POST", "/reopen"),
        ("schedule-next-recurrence", "task.skip", "POST", "/skip"),
        ("snooze-reminder", "reminder.dismiss", "POST", "/dismiss"),
    ],
)
def test_an_event_does_not_act_on_another_task_than_its_path(
    pack: Pack, function: str, event_type: str, method: str, suffix: str
) -> None:
    """Nor on the one that the path names: it says itself which one it is about."""
    one, two = pack.create(), pack.create()
    about_one = {"task_id": one["task_id"], **({"title": "y"} if event_type == "task.update" else {})}
    for task_id in (two["task_id"], one["task_id"], 999_999_999):
        for path in (f"/tasks/{task_id}{suffix}", f"/{task_id}"):
            answer = pack.call(function, method, path, about_one, **binary(event_type))
            assert answer.status_code in (400, 404), answer.text
            if method == "POST":
                sent = structured(event_type, about_one)
                answer = pack.call(function, "POST", path, sent, Content_Type=STRUCTURED)
                assert answer.status_code in (400, 404), answer.text
    assert unchanged(pack, one, two)
    answer = pack.call(function, "POST", "/", about_one, **binary(event_type))
    assert answer.status_code != 400, answer.text


@pytest.mark.parametrize("path", ["/", "/tasks"])
def test_an_event_is_posted_to_the_root_or_the_collection(pack: Pack, path: str) -> None:
    assert pack.call("create-task", "POST", path, {"title": "x"}, **binary("task.create")).status_code == 201
    sent = structured("task.create", {"title": "y"})
    assert pack.call("create-task", "POST", path, sent, Content_Type=STRUCTURED).status_code == 201
    assert {task["title"] for task in pack.tasks()} == {"x", "y"}


@pytest.mark.parametrize(
    ("function", "path", "status"),
    [("create-task", "/nothing", 404), ("create-task", "/tasks/", 404), ("set-preferences", "/preferences", 405)],
)
def test_an_event_at_another_path_is_not_taken(pack: Pack, function: str, path: str, status: int) -> None:
    event_type = "task.create" if function == "create-task" else "preferences.set"
    assert pack.call(function, "POST", path, {"title": "x"}, **binary(event_type)).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_Match": '"42"'}, 412),
        ({"If_Match": 'W/"1"'}, 412),
        ({"If_Match": '"1"'}, 200),
        ({"If_Match": '"42", "1"'}, 200),
        ({"If_Match": "42"}, 400),
        ({"If_None_Match": "*"}, 412),
        ({"If_None_Match": '"42"'}, 200),
    ],
)
def test_the_conditions_of_an_event_hold(pack: Pack, headers: dict[str, str], status: int) -> None:
    task = pack.create()
    command = {"task_id": task["task_id"]}
    answer = pack.call("complete-task", "POST", "/", command, **binary("task.complete"), **headers)
    assert answer.status_code == status
    assert pack.get(task)["completed"] == (status == 200)


def test_an_event_on_a_condition_that_nothing_can_hold_is_refused(pack: Pack) -> None:
    answer = pack.call("create-task", "POST", "/", {"title": "x"}, **binary("task.create"), If_Match='"1"')
    assert answer.status_code == 400
    assert pack.tasks() == []


def test_an_event_has_one_key_and_that_is_its_id(pack: Pack) -> None:
    answer = pack.call("create-task", "POST", "/", {"title": "x"}, **binary("task.create"), Idempotency_Key="k")
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.text
    assert pack.tasks() == []


def test_an_event_has_no_query(pack: Pack) -> None:
    answer = pack.call("create-task", "POST", "/?title=y", {"title": "x"}, **binary("task.create"))
    assert answer.status_code == 422
    assert pack.tasks() == []


@pytest.mark.parametrize("body", [b"", b"null"])
def test_an_event_without_data_is_no_command(pack: Pack, body: bytes) -> None:
    """It would be the one that resets everything."""
    kept = pack.prefer(time_zone="Europe/Zurich")
    answer = pack.call("set-preferences", "POST", "/", body, **binary("preferences.set"))
    assert answer.status_code in (400, 422)
    answer = pack.call("set-preferences", "POST", "/", structured("preferences.set", None), Content_Type=STRUCTURED)
    assert answer.status_code in (400, 422)
    assert pack.call("set-preferences", "GET", "/preferences").json == kept
