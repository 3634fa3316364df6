"""Tools: what people can do an assistant can do for them, once a key, and it is told what to do where it cannot."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest

from taskmaster.database.session import Busy, Unavailable
from tests.support.assistant import META, Assistant
from tests.support.function_pack import Json, Pack


def test_everything_of_tomorrow_morning_is_moved_to_the_afternoon(pack: Pack) -> None:
    """As an assistant does it: whose zone, which tasks, then each of them, once."""
    pack.prefer(time_zone="Europe/Zurich")
    assistant = Assistant(pack)
    for title, due in [("call Bo", "2027-03-02T08:30:00+01:00"), ("pay", "2027-03-02T11:59:00+01:00")]:
        pack.create(title=title, due_at=due)
    pack.create(title="lunch", due_at="2027-03-02T12:30:00+01:00")
    pack.create(title="another day", due_at="2027-03-03T09:00:00+01:00")

    assert assistant.call("show_preferences")["time_zone"] == "Europe/Zurich"
    morning: list[Json] = []
    cursor = None
    while True:
        page = assistant.call(
            "list_tasks",
            status="open",
            due_from="2027-03-02T00:00:00+01:00",
            due_to="2027-03-02T11:59:59+01:00",
            limit=1,
            cursor=cursor,
        )
        morning += page["tasks"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    moves = [
        {
            "task_id": task["task_id"],
            "due_at": "2027-03-02T14:00:00+01:00",
            "expected_version": task["version"],
            "idempotency_key": str(uuid4()),
        }
        for task in morning
    ]
    for move in [*moves, *moves]:  # the second time as after answers that were lost
        assert assistant.call("update_task", **move)["version"] == 2

    assert {task["title"]: task["due_at"] for task in pack.tasks()} == {
        "call Bo": "2027-03-02T13:00:00Z",
        "pay": "2027-03-02T13:00:00Z",
        "lunch": "2027-03-02T11:30:00Z",
        "another day": "2027-03-03T08:00:00Z",
    }
    [entry, *_] = assistant.call("list_history", task_id=morning[0]["task_id"])["entries"]
    assert (entry["action"], entry["door"]) == ("task.updated", "assistant")


def test_every_tool_gives_what_its_schema_says(pack: Pack) -> None:
    assistant = Assistant(pack)
    tools = assistant.tools()
    due = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    recurring = pack.create(title="water", due_at=due, recurrence_pattern="daily")["task_id"]
    ending = pack.create(title="last", due_at=due, recurrence_pattern="FREQ=DAILY;COUNT=1")["task_id"]
    plain, gone = (pack.create(title=title)["task_id"] for title in ("plain", "gone"))
    calls: list[tuple[str, Json]] = [
        ("create_task", {"title": "x", "tags": ["home"]}),
        ("get_task", {"task_id": plain}),
        ("list_tasks", {"tag": ["home"], "priority": ["medium"]}),
        ("list_changes", {}),
        ("list_history", {"task_id": plain}),
        ("list_reminders", {"task_id": [recurring]}),
        ("list_occurrences", {"task_id": recurring, "count": 3}),
        ("preview_occurrences", {"recurrence_pattern": "weekly", "due_at": due}),
        ("update_task", {"task_id": plain, "description": "y"}),
        ("snooze_task", {"task_id": plain, "duration": "PT10M"}),
        ("dismiss_task", {"task_id": plain}),
        ("complete_task", {"task_id": plain}),
        ("reopen_task", {"task_id": plain}),
        ("skip_occurrence", {"task_id": recurring}),
        ("skip_occurrence", {"task_id": ending}),
        ("delete_task", {"task_id": gone}),
        ("show_preferences", {}),
        ("change_preferences", {"time_zone": "UTC"}),
    ]
    assert {name for name, _ in calls} == set(tools)
    for name, arguments in calls:
        taken = jsonschema_rs.Draft202012Validator(tools[name]["inputSchema"])
        assert taken.is_valid(arguments), name
        assert not taken.is_valid({**arguments, "unknown": 1}), name
        given = assistant.call(name, **arguments)
        assert jsonschema_rs.Draft202012Validator(tools[name]["outputSchema"]).is_valid(given), (name, given)
        assert (given == {}) == (name == "delete_task" or arguments.get("task_id") == ending), name


def test_a_result_is_there_as_text_too(pack: Pack) -> None:
    result = Assistant(pack).ask("tools/call", {"name": "create_task", "arguments": {"title": "Grüße"}})
    [content] = result["content"]
    assert content["type"] == "text"
    assert json.loads(content["text"]) == result["structuredContent"]


def test_one_key_has_one_effect_and_another_call_under_it_none(pack: Pack) -> None:
    assistant = Assistant(pack)
    first, again = (assistant.call("create_task", title="rent", idempotency_key="rent-01") for _ in range(2))
    assert first == again
    assert "another command" in assistant.refused("create_task", title="other", idempotency_key="rent-01")
    header = assistant.send("tools/call", {"name": "create_task", "arguments": {"title": "rent"}}, Idempotency_Key="k")
    repeated = assistant.send(
        "tools/call", {"name": "create_task", "arguments": {"title": "rent"}}, Idempotency_Key="k"
    )
    assert header.json["result"]["structuredContent"] == repeated.json["result"]["structuredContent"]
    assert len(pack.tasks()) == 2
    for wrong in ("", " ", "é", "k" * 256, 7):
        assert "key" in assistant.refused("create_task", title="x", idempotency_key=wrong)
    assert len(pack.tasks()) == 2


def test_a_task_of_another_user_is_not_there(pack: Pack) -> None:
    task_id = pack.create()["task_id"]
    stranger = Assistant(pack, user=f"stranger-{uuid4()}")
    for tool in ("get_task", "list_history", "complete_task", "reopen_task", "delete_task", "dismiss_task"):
        assert "No such task" in stranger.refused(tool, task_id=task_id)
    assert "No such task" in stranger.refused("update_task", task_id=task_id, title="mine")
    assert stranger.call("list_tasks")["tasks"] == []
    assert [task["version"] for task in pack.tasks()] == [1]


def test_a_refusal_says_what_to_do(pack: Pack) -> None:
    assistant = Assistant(pack)
    task_id = pack.create()["task_id"]
    assert "title: is required" in assistant.refused("create_task")
    assert "such as 2026-11-24T09:00:00+01:00" in assistant.refused("create_task", title="x", due_at="tomorrow")
    assert "there is no such field" in assistant.refused("create_task", title="x", due="2027-01-01")
    assert "Read it again" in assistant.refused("update_task", task_id=task_id, title="y", expected_version=7)
    assert "Reopen it first" in assistant.refused(
        "snooze_task", task_id=pack.complete({"task_id": task_id})["task_id"], duration="PT1M"
    )
    answer = assistant.send("tools/call", {"name": "create_task", "arguments": []})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize(
    ("raised", "said"), [(Unavailable("away"), "Try again later"), (Busy("held"), "Being handled")]
)
def test_what_is_away_for_a_moment_is_to_be_called_again(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    def fail(*_: Any) -> None:
        raise raised

    assistant = Assistant(pack)
    pack.client("call-tools")
    monkeypatch.setattr(type(pack.runtime.database), "as_user", fail)
    refused = assistant.refused("create_task", title="x")
    assert said in refused
    assert "same idempotency_key" in refused


def test_the_trace_of_an_assistant_goes_on_in_the_events(pack: Pack) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    call = {"name": "create_task", "arguments": {"title": "x"}, "_meta": {**META, "traceparent": trace}}
    Assistant(pack).ask("tools/call", call)
    [created] = pack.events("task.created")
    assert created.attributes["traceparent"] == trace
    assert created.attributes["source"] == "/taskmaster/call-tools"
