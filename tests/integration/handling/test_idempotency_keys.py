"""An Idempotency-Key speaks of one command: the operation, what was understood of it, and its preconditions."""

from typing import Any

import pytest

from tests.support.function_pack import Json, Pack


def recurring(pack: Pack) -> Json:
    return pack.create(due_on="2027-01-31", recurrence_pattern="monthly")


def expect_another(pack: Pack, function: str, method: str, path: str, body: Any = None, **headers: str) -> None:
    answer = pack.call(function, method, path, body, Idempotency_Key="k", **headers)
    assert answer.status_code == 422, answer.text
    assert answer.json is not None
    assert "another command" in answer.json["detail"]


def test_another_query_is_another_command(pack: Pack) -> None:
    task = recurring(pack)
    path = f"/tasks/{task['task_id']}"
    assert pack.call("delete-task", "DELETE", f"{path}?scope=this", Idempotency_Key="k").status_code == 204
    events = pack.events()
    expect_another(pack, "delete-task", "DELETE", f"{path}?scope=following")
    expect_another(pack, "delete-task", "DELETE", path)
    expect_another(pack, "delete-task", "DELETE", f"{path}?scope=this&expected_version=1")
    assert pack.call("delete-task", "DELETE", f"{path}?scope=this", Idempotency_Key="k").status_code == 204
    assert pack.events() == events


def test_a_default_that_is_spelled_out_is_the_same_command(pack: Pack) -> None:
    path = f"/tasks/{recurring(pack)['task_id']}"
    assert pack.call("delete-task", "DELETE", path, Idempotency_Key="k").status_code == 204
    again = pack.call("delete-task", "DELETE", f"{path}?scope=following", Idempotency_Key="k")
    assert again.status_code == 204


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"If_Match": '"1"'}, {}),
        ({}, {"If_Match": '"1"'}),
        ({"If_Match": '"1"'}, {"If_Match": '"1", "2"'}),
        ({"If_Match": '"1"'}, {"If_Match": 'W/"1", "1"'}),
        ({"If_None_Match": '"7"'}, {}),
        ({"If_None_Match": '"7"'}, {"If_None_Match": '"8"'}),
        ({"If_Match": '"1"'}, {"If_Match": '"1"', "If_None_Match": '"7"'}),
    ],
)
def test_another_condition_is_another_command(pack: Pack, first: dict[str, str], other: dict[str, str]) -> None:
    path = f"/tasks/{pack.create()['task_id']}/complete"
    assert pack.call("complete-task", "POST", path, Idempotency_Key="k", **first).status_code == 200
    expect_another(pack, "complete-task", "POST", path, **other)
    assert pack.call("complete-task", "POST", path, Idempotency_Key="k", **first).status_code == 200


@pytest.mark.parametrize("same", ['"1","2"', '"2", "1"', ' "1" , , "2"', '"2", "1", "1"'])
def test_how_a_condition_is_written_does_not_count(pack: Pack, same: str) -> None:
    path = f"/tasks/{pack.create()['task_id']}/complete"
    first = pack.call("complete-task", "POST", path, Idempotency_Key="k", If_Match='"1", "2"')
    again = pack.call("complete-task", "POST", path, Idempotency_Key="k", If_Match=same)
    assert (first.status_code, again.data) == (200, first.data)


@pytest.mark.parametrize(
    "same",
    [
        b'{"due_at": "2027-01-31T09:00:00+01:00", "title": "x"}',
        b'{"title":"x","due_at":"2027-01-31T08:00:00Z"}',
        b'\n{ "title" : "\\u0078", "due_at": "2027-01-31T08:00:00.000Z" }',
        b'{"title": "x", "due_at": "2027-01-31T08:00:00Z", "priority": "medium", "tags": []}',
    ],
)
def test_how_a_body_is_written_does_not_count(pack: Pack, same: bytes) -> None:
    body = b'{"title": "x", "due_at": "2027-01-31T09:00:00+01:00"}'
    first = pack.call("create-task", "POST", "/tasks", body, Idempotency_Key="k")
    again = pack.call("create-task", "POST", "/tasks", same, Idempotency_Key="k")
    assert (first.status_code, again.status_code, again.data) == (201, 201, first.data)
    assert len(pack.tasks()) == 1


def test_of_a_merge_patch_null_is_not_absent(pack: Pack) -> None:
    path = f"/tasks/{pack.create(description='d')['task_id']}"
    first = pack.call("update-task", "PATCH", path, {"title": "y"}, Idempotency_Key="k")
    assert first.status_code == 200
    expect_another(pack, "update-task", "PATCH", path, {"title": "y", "description": None})
    again = pack.call("update-task", "PATCH", path, b'{"title":"y"}', Idempotency_Key="k")
    assert again.data == first.data


def test_the_same_command_by_either_path_is_one(pack: Pack) -> None:
    """At the one address, and at the function's own."""
    task_id = pack.create()["task_id"]
    first = pack.call("complete-task", "POST", f"/tasks/{task_id}/complete", Idempotency_Key="k")
    assert pack.call("complete-task", "POST", f"/{task_id}", Idempotency_Key="k").data == first.data


def test_two_operations_of_one_function_are_two_commands(pack: Pack) -> None:
    path = f"/tasks/{pack.create(due_on='2027-01-31')['task_id']}"
    assert pack.call("snooze-reminder", "POST", f"{path}/dismiss", Idempotency_Key="k").status_code == 200
    expect_another(pack, "snooze-reminder", "POST", f"{path}/snooze", {"duration": "PT10M"})


def test_an_event_of_a_persons_is_told_apart_by_its_command(pack: Pack) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "same", "ce_source": "/me", "ce_type": "task.create"}
    first = pack.call("create-task", "POST", "/", {"title": "x", "priority": "low"}, **headers)
    again = pack.call("create-task", "POST", "/", b'{"priority":"low","title":"x"}', **headers)
    assert (first.status_code, again.data) == (201, first.data)
    assert pack.call("create-task", "POST", "/", {"title": "y"}, **headers).status_code == 422
    assert len(pack.tasks()) == 1
