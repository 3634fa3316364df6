"""PATCH is a JSON Merge Patch (RFC 7396), by HTTP and by event alike: an absent field stays, null clears."""

import pytest

from tests.support.function_pack import Json, Pack

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
    assert updated.data == {**patched, "changed": {"priority": {"old": task["priority"], "new": "high"}}}


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
    assert answer.json is not None
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


@pytest.mark.parametrize("body", [b"[]", b"null", b'"high"', b"7", b'[{"op": "remove", "path": "/due_at"}]'])
def test_a_patch_that_is_no_object_changes_nothing(pack: Pack, body: bytes) -> None:
    task = pack.create(**FULL)
    for media_type in ("application/json", "application/merge-patch+json"):
        answer = pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", body, Content_Type=media_type)
        assert answer.status_code == 422
    assert pack.event("update-task", "task.update", body).status_code == 422
    assert pack.get(task) == task


def test_a_field_sent_as_it_is_makes_no_new_version(pack: Pack) -> None:
    task = pack.create(**FULL)
    assert pack.update(task, **FULL) == task
    assert pack.update(task, due_at="2090-03-31T16:00:00Z") == task
    assert pack.events("task.updated") == []


def test_a_patch_of_a_task_that_is_not_there_is_404_even_if_empty(pack: Pack) -> None:
    assert pack.call("update-task", "PATCH", "/tasks/999999999", {}).status_code == 404


@pytest.mark.parametrize("by", ["http", "event"])
def test_a_pattern_is_added_changed_and_removed(pack: Pack, by: str) -> None:
    task = pack.create(due_on="2090-11-24")
    recurring = patch(pack, by, task, {"recurrence_pattern": "daily"})
    assert differing(task, recurring) == {"recurrence_pattern", "series_id", "occurrence", *MOVING}
    changed = patch(pack, by, task, {"recurrence_pattern": "weekly"})
    assert differing(recurring, changed) == {"recurrence_pattern", *MOVING}
    removed = patch(pack, by, task, {"recurrence_pattern": None})
    assert differing(changed, removed) == {"recurrence_pattern", *MOVING}
    pack.complete(task)
    pack.deliver()
    assert len(pack.tasks()) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"due_on": None}, "needs due_at or due_on"),
        ({"recurrence_pattern": "FREQ=HOURLY"}, "FREQ=DAILY"),
        ({"recurrence_pattern": ""}, "at least 1 character"),
        ({"scope": "all"}, "'this' or 'following'"),
        ({"recurrence_from": "never"}, "'due' or 'completion'"),
    ],
)
def test_a_recurring_task_keeps_what_it_recurs_by(pack: Pack, changes: Json, said: str) -> None:
    task = pack.create(due_on="2090-11-24", recurrence_pattern="daily")
    answer = pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes)
    assert answer.status_code == 422
    assert answer.json is not None
    assert said in answer.json["detail"]
    assert pack.get(task) == task


def test_an_occurrence_that_was_done_with_no_longer_changes_the_series(pack: Pack) -> None:
    first = pack.create(due_on="2090-11-24", recurrence_pattern="daily", title="as it was")
    pack.complete(first)
    pack.deliver()
    pack.update(first, title="rewritten")
    refused = pack.call("update-task", "PATCH", f"/tasks/{first['task_id']}", {"recurrence_pattern": "weekly"})
    assert refused.status_code == 409

    [second] = pack.tasks(status="open")
    pack.complete(second)
    pack.deliver()
    [third] = pack.tasks(status="open")
    assert [third[name] for name in ("title", "due_on", "recurrence_pattern")] == ["as it was", "2090-11-26", "daily"]


def test_a_day_may_become_a_moment_for_all_that_follow(pack: Pack) -> None:
    task = pack.create(due_on="2090-11-24", recurrence_pattern="daily", time_zone="Europe/Zurich")
    pack.update(task, due_on=None, due_at="2090-11-24T09:00:00+01:00", scope="following")
    pack.complete(task)
    pack.deliver()
    [second] = pack.tasks(status="open")
    assert (second["due_at"], second["due_on"]) == ("2090-11-25T08:00:00Z", None)
