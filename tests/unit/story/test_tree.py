"""Which part of a story stands under which."""

from datetime import UTC, datetime, timedelta
from typing import Any

from taskmaster.database.inbox_rows import InboxKey
from taskmaster.story.event import Event, Place, of_attributes
from taskmaster.story.logs import Tried
from taskmaster.story.node import Node
from taskmaster.story.rows import Handling, Reminder
from taskmaster.story.tree import tree

T0 = datetime(2026, 11, 24, 9, tzinfo=UTC)


def event(identifier: str, *, seconds: int = 0, by: str = "", **attributes: str) -> Event:
    source = f"/taskmaster/{by}" if by else "/elsewhere"
    made = of_attributes({"id": identifier, "source": source, "userid": "ada", "type": "t", **attributes}, b"{}")
    at = T0 + timedelta(seconds=seconds)
    made.places.append(Place(topic="t", partition=0, offset=seconds, at=at))
    return made


def handling(function: str, of: Event, **more: Any) -> tuple[str, Handling]:
    key = InboxKey(function, "ada", of.source, of.id)
    usual = {"attempts": 1, "status": 204, "reason": "", "received_at": T0}
    return function, Handling(key=key, **{**usual, **more})


def tried(function: str, event_id: str = "", correlation: str = "") -> Tried:
    return Tried(
        function=function,
        event_id=event_id,
        correlation=correlation,
        at=T0,
        outcome="done",
        duration_ms=1,
        round_trips=1,
        from_zero=False,
        attempt=1,
    )


def built(events: list[Event], handled: dict[Any, Any] | None = None, **more: Any) -> list[Node]:
    by_event: dict[Any, Any] = {each.key: [] for each in events} | (handled or {})
    return tree(events, by_event, more.get("reminders", []), more.get("logs", []), is_inbox_known=True)


def kinds(nodes: list[Node]) -> list[Any]:
    return [(each.kind, kinds(each.children)) if each.children else each.kind for each in nodes]


def test_what_follows_stands_under_the_handling_that_made_it() -> None:
    command = event("c")
    made = event("e", by="create-task", seconds=1, causationid="c")
    [root] = built([command, made], {command.key: [handling("create-task", command)]})
    assert kinds([root]) == [("event", [("handling", ["event"])])]


def test_what_a_call_made_stands_under_the_call() -> None:
    made = [event(each, by="create-task", correlationid="c") for each in ("e1", "e2")]
    [root] = built(made, logs=[tried("create-task", correlation="c"), tried("create-task", correlation="d")])
    assert kinds([root]) == [("call", ["invocation", "event", "event"])]


def test_the_same_id_of_two_sources_is_two_events() -> None:
    here, there = event("1", source="/a"), event("1", source="/b")
    nodes = built([here, there], {here.key: [handling("create-task", here, attempts=3)]})
    assert kinds(nodes) == [("event", ["handling"]), "event"]
    assert [each.about["source"] for each in nodes] == ["/a", "/b"]


def test_what_a_reminder_set_off_stands_under_the_reminder() -> None:
    reminder = Reminder(
        id="r", task_id=17, user_id="ada", moment=T0, due_at=T0, fired_at=T0, closed_at=None, outcomes=()
    )
    due = event("d", by="dispatch-due-reminders", correlationid="r")
    assert kinds(built([due], reminders=[reminder])) == [("reminder", ["event"])]


def test_each_try_stands_under_its_handling() -> None:
    command = event("c")
    logs = [tried("create-task", "c"), tried("create-task", "c"), tried("create-task", "other")]
    nodes = built([command], {command.key: [handling("create-task", command, attempts=2)]}, logs=logs)
    assert kinds(nodes) == [("event", [("handling", ["invocation", "invocation"])])]


def test_what_is_not_known_of_a_handling_is_said() -> None:
    command = event("c")
    function = "create-task"
    for row, said in (
        (None, "not handled yet"),
        (handling(function, command, status=None, attempts=2)[1], "not done after 2 attempts"),
        (handling(function, command, status=422, reason="title")[1], "given up after 1 attempt, answered 422: title"),
    ):
        [root] = built([command], {command.key: [(function, row)]})
        assert said in root.children[0].what


def test_parts_are_in_the_order_of_time() -> None:
    nodes = built([event("2", seconds=2), event("1", seconds=1)])
    assert [each.about["id"] for each in nodes] == ["1", "2"]
