"""PATCH is a JSON Merge Patch (RFC 7396), by HTTP and by event alike: an absent field stays, null clears."""

import pytest

from tests.pack import Json, Pack

FULL: Json = {
    "title": "file the tax return",
    "description": "with all the receipts",
    "priority": "low",
    "tags": ["money", "paper"],
    "due_at": "2090-03-31T18:00:00+02:00",
    "time_zone": "Europe/Zurich",
}
MOVING = {"version", "updated_at"}


def patch(pack: Pack, by: str, task: Json, changes: Json) -> Json:
    """Send a patch one way or the other; the task as it is then."""
    if by == "http":
        assert pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes).status_code == 200
    else:
        data = {"task_id": task["task_id"], **changes}
        assert pack.event("update-task", "task.update", data).status_code == 204
    return pack.get(task)


def differing(one: Json, other: Json) -> set[str]:
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize("by", ["http", "event"])
def test_an_empty_patch_changes_nothing(pack: Pack, by: str) -> None:
    task = pack.create(**FULL)
    assert patch(pack, by, task, {}) == task
    assert pack.events("task.updated") == []


@pytest.mark.parametrize("by", ["http", "event"])
def test_only_the_field_that_was_sent_differs(pack: Pack, by: str) -> None:
    task = pack.create(**FULL)
    patched = patch(pack, by, task, {"priority": "high"})
    assert differing(task, patched) == {"priority", *MOVING}
    [updated] = pack.events("task.updated")
    assert updated.data == patched


@pytest.mark.parametrize("by", ["http", "event"])
@pytest.mark.parametrize(
    ("field", "cleared"),
    [("due_at", None), ("description", None), ("tags", []), ("priority", "medium"), ("time_zone", "UTC")],
)
def test_null_clears(pack: Pack, by: str, field: str, cleared: object) -> None:
    task = pack.create(**FULL)
    patched = patch(pack, by, task, {field: None})
    assert differing(task, patched) == {field, *MOVING}
    assert patched[field] == cleared


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"completed": True}, "/completed"),
        ({"title": None}, "/title"),
        ({"title": ""}, "/title"),
        ({"priority": "whenever"}, "/priority"),
        ({"due_at": "tomorrow"}, "/due_at"),
        ({"due_at": "2090-03-31T18:00:00"}, "/due_at"),
        ({"tags": "money"}, "/tags"),
    ],
)
def test_what_is_no_patch_is_422_and_says_where(pack: Pack, changes: Json, pointer: str) -> None:
    task = pack.create(**FULL)
    answer = pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"][0]["pointer"].startswith(pointer)
    assert pack.get(task) == task


def test_by_event_an_unknown_field_goes_to_the_dead_letters(pack: Pack) -> None:
    task = pack.create(**FULL)
    answer = pack.event("update-task", "task.update", {"task_id": task["task_id"], "colour": "red"})
    assert answer.status_code == 422
    assert "colour" in answer.headers["kne-reason"]


def test_both_media_types_are_a_patch_and_no_other_is(pack: Pack) -> None:
    task = pack.create(**FULL)
    path = f"/tasks/{task['task_id']}"
    for media_type, status in (
        ("application/merge-patch+json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json-patch+json", 415),
        ("text/plain", 415),
    ):
        answer = pack.call("update-task", "PATCH", path, b'{"priority": "high"}', Content_Type=media_type)
        assert answer.status_code == status, media_type


def test_due_at_and_due_on_exclude_each_other(pack: Pack) -> None:
    task = pack.create(**FULL)
    path = f"/tasks/{task['task_id']}"
    assert pack.call("update-task", "PATCH", path, {"due_on": "2090-04-01"}).status_code == 422
    assert pack.update(task, due_on="2090-04-01", due_at=None)["due_on"] == "2090-04-01"


def test_a_version_that_is_not_the_expected_one_changes_nothing(pack: Pack) -> None:
    task = pack.create(**FULL)
    path = f"/tasks/{task['task_id']}"
    assert pack.call("update-task", "PATCH", path, {"title": "first"}, If_Match='"1"').status_code == 200
    refused = pack.call("update-task", "PATCH", path, {"title": "second"}, If_Match='"1"')
    assert refused.status_code == 412
    assert pack.get(task)["title"] == "first"

    data = {"task_id": task["task_id"], "title": "third", "expected_version": 1}
    assert pack.event("update-task", "task.update", data).status_code == 204
    [rejected] = pack.events("task.command.rejected")
    assert (rejected.data["status"], rejected.topics) == (412, ["task-updates"])
