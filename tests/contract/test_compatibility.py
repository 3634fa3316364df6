"""A change of an event that breaks a program written for 1.0 fails here, and so does a check that would not see it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.programs.specifications import events, released
from tests.programs.specifications.compatibility import breaks

Schema = dict[str, Any]
FACT = events.schemas()[events.FOLDER / "task.recurring.next.1.0.json"]
COMMAND = events.schemas()[events.FOLDER / "preferences.set.1.0.json"]
UPDATE = events.schemas()[events.FOLDER / "task.update.1.0.json"]
OUTCOME = events.schemas()[events.FOLDER / "reminder.sent.1.0.json"]


def test_nothing_breaks_a_program_that_was_written_for_1_0() -> None:
    assert released.breaks() == []


def test_what_was_added_is_frozen_too() -> None:
    assert released.unreleased() == [], "python -m tests.programs.specifications freeze"


# The check itself: every kind of break, planted -----------------------------------------------------------------------


def changed(schema: Schema, *path: str, **keywords: Any) -> Schema:
    """The schema with other keywords at a place; None takes one away, and no keyword the whole field."""
    copied = copy.deepcopy(schema)
    place: Any = copied
    for name in path if keywords else path[:-1]:
        place = place[int(name) if isinstance(place, list) else name]
    if not keywords:
        del place[int(path[-1]) if isinstance(place, list) else path[-1]]
    for name, value in keywords.items():
        place[name] = value
        if value is None:
            del place[name]
    return copied


def without_required(schema: Schema, field: str) -> Schema:
    return changed(schema, required=[name for name in schema["required"] if name != field])


READERS: list[tuple[str, Schema, Schema]] = [
    ("/tags: is required, and may be missing", FACT, without_required(FACT, "tags")),
    ("/tags: is expected, and not there any more", FACT, changed(FACT, "properties", "tags")),
    ("/task_id: may be string", FACT, changed(FACT, "properties", "task_id", type="string")),
    ("/skipped: may be number", FACT, changed(FACT, "properties", "skipped", type="number")),
    ("/title: may be null", FACT,
        changed(FACT, "properties", "title", type=None, anyOf=[{"type": "string"}, {"type": "null"}])),
    ("/priority: may be 'blocked'", FACT,
        changed(FACT, "properties", "priority", enum=["low", "medium", "high", "urgent", "blocked"])),
    ("/priority: may be anything", FACT, changed(FACT, "properties", "priority", enum=None)),
    ("/created_at: format is 'open'", FACT, changed(FACT, "properties", "created_at", format=None)),
    ("/due_on: format is 'date-time'", FACT,
        changed(FACT, "properties", "due_on", "anyOf", "0", format="date-time")),
    ("/tags/items: may be integer", FACT, changed(FACT, "properties", "tags", items={"type": "integer"})),
    ("/tags/items: may be anything", FACT, changed(FACT, "properties", "tags", items=None)),
    ("/channels/*/*: may be integer", OUTCOME,
        changed(OUTCOME, "properties", "channels", "additionalProperties", additionalProperties={"type": "integer"})),
    ("/title: contentEncoding changed", FACT, changed(FACT, "properties", "title", contentEncoding="base64")),
]  # fmt: skip

WRITERS: list[tuple[str, Schema, Schema]] = [
    ("/channels: is required, and may be missing", COMMAND, changed(COMMAND, required=["channels"])),
    ("/scope: is required, and may be missing", UPDATE, changed(UPDATE, required=["task_id", "scope"])),
    ("/day_hour: is sent, and refused", COMMAND, changed(COMMAND, "properties", "day_hour")),
    ("/channels: maxItems is 5, where 3 is expected", COMMAND,
        changed(COMMAND, "properties", "channels", "anyOf", "0", maxItems=3)),
    ("/title: minLength is 1, where 2 is expected", UPDATE, changed(UPDATE, "properties", "title", minLength=2)),
    ("/day_hour: pattern is", COMMAND, changed(COMMAND, "properties", "day_hour", "anyOf", "0", pattern="^09:00$")),
    ("/day_hour: left out, it means '08:00' and not '09:00'", COMMAND,
        changed(COMMAND, "properties", "day_hour", default="08:00")),
    ("/priority: may be 'urgent'", UPDATE,
        changed(UPDATE, "properties", "priority", "anyOf", "0", enum=["low", "medium", "high"])),
    ("/description: may be null", UPDATE, changed(UPDATE, "properties", "description", anyOf=[{"type": "string"}])),
    ("/description: maxLength is 10000, where 9999 is expected", UPDATE,
        changed(UPDATE, "properties", "description", "anyOf", "0", maxLength=9999)),
    ("/quiet_hours/end: pattern is", COMMAND,
        changed(COMMAND, "definitions", "QuietHours", "properties", "end", pattern="^07:00$")),
    ("/quiet_hours/zone: is required, and may be missing", COMMAND,
        changed(COMMAND, "definitions", "QuietHours", required=["start", "end", "zone"])),
    ("/channels/items", COMMAND,
        changed(COMMAND, "properties", "channels", "anyOf", "0", "items", oneOf=[{"$ref": "#/definitions/Webhook"}])),
    ("/task_id: maximum is", UPDATE, changed(UPDATE, "properties", "task_id", maximum=2**31)),
]  # fmt: skip


@pytest.mark.parametrize(("said", "before", "after"), READERS, ids=[said for said, *_ in READERS])
def test_what_breaks_a_reader_is_seen(said: str, before: Schema, after: Schema) -> None:
    assert_said(said, breaks(sent=after, expected=before))


@pytest.mark.parametrize(("said", "before", "after"), WRITERS, ids=[said for said, *_ in WRITERS])
def test_what_breaks_a_writer_is_seen(said: str, before: Schema, after: Schema) -> None:
    assert_said(said, breaks(sent=before, expected=after))


def assert_said(said: str, found: list[str]) -> None:
    assert found
    assert all(each.startswith(said) for each in found)


HARMLESS: list[tuple[str, Callable[[], list[str]]]] = [
    ("a further field of a fact",
        lambda: breaks(sent=changed(FACT, "properties", colour={"type": "string"}), expected=FACT)),
    ("a fact that says less of what it could",
        lambda: breaks(sent=changed(FACT, "properties", "priority", enum=["low", "high"]), expected=FACT)),
    ("a fact that is never null any more",
        lambda: breaks(sent=changed(FACT, "properties", "due_on", "anyOf", "1"), expected=FACT)),
    ("other words about a field",
        lambda: breaks(sent=changed(FACT, "properties", "title", description="other"), expected=FACT)),
    ("a further optional field of a command",
        lambda: breaks(sent=COMMAND, expected=changed(COMMAND, "properties", colour={"type": "string"}))),
    ("a wider bound of a command",
        lambda: breaks(sent=COMMAND, expected=changed(COMMAND, "properties", "channels", maxItems=50))),
    ("a further word that a command may say",
        lambda: breaks(sent=UPDATE, expected=changed(
            UPDATE, "properties", "priority", "anyOf", "0", enum=["low", "medium", "high", "urgent", "blocked"]))),
    ("a command's field that need not be there any more",
        lambda: breaks(sent=UPDATE, expected=changed(UPDATE, required=[]))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "found"), HARMLESS, ids=[what for what, _ in HARMLESS])
def test_what_breaks_nobody_is_let_be(what: str, found: Callable[[], list[str]]) -> None:
    assert found() == [], what


def test_every_schema_is_compatible_with_itself() -> None:
    for schema in events.schemas().values():
        assert breaks(schema, schema) == []


def test_an_event_or_a_topic_that_goes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {path: schema for path, schema in events.schemas().items() if not path.name.startswith("task.skip.")}
    monkeypatch.setattr(events, "schemas", lambda: left)
    assert released.breaks() == ["task.skip.1.0.json is gone"]
    monkeypatch.undo()
    from tests.programs.specifications import asyncapi

    moved = {**asyncapi.messages(), "task-updates": ["task.created"]}
    monkeypatch.setattr(asyncapi, "messages", lambda: moved)
    assert "preferences.updated is not on topic task-updates any more" in released.breaks()


def test_what_breaks_is_never_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    path = events.FOLDER / "task.created.1.0.json"
    broken = {**events.schemas(), path: changed(events.schemas()[path], "properties", "tags")}
    monkeypatch.setattr(events, "schemas", lambda: broken)
    with pytest.raises(SystemExit, match="/tags: is expected"):
        released.freeze()
