"""Tools as they are described: every operation of people is one, with its own words, and with care where it is due."""

from typing import Any

import jsonschema_rs
import pytest

from call_tools import call_tools
from taskmaster.domain.changes import ChangeStream
from tests.programs.specifications.served import served

Tools = dict[str, dict[str, Any]]

# An assistant that was talked into it would hand out what opens every open task without a token, or put back what
# failed.
FOR_PEOPLE_ALONE = {"show-feed", "make-calendar", "revoke-calendar"} | {
    "show-pack-at-work", "show-dead-letters", "replay-dead-letter",
}  # fmt: skip


@pytest.fixture(scope="module")
def tools() -> Tools:
    return {name: tool.described for name, tool in call_tools.tools.items()}  # type: ignore[attr-defined]


def test_every_operation_of_people_is_a_tool(tools: Tools) -> None:
    asked = {each.operation.name for each in served() if each.routes and ChangeStream not in each.answers}
    asked -= FOR_PEOPLE_ALONE
    assert set(tools) == {name.replace("-", "_") for name in asked}
    assert list(tools) == sorted(tools)


def test_a_tool_has_the_words_of_its_operation_and_of_its_fields(tools: Tools) -> None:
    assert tools["create_task"]["description"].startswith("A task begins")
    assert tools["get_task"]["description"] == "One task."
    for name, tool in tools.items():
        assert tool["description"], name
        for field, schema in tool["inputSchema"].get("properties", {}).items():
            assert schema.get("description") or "$ref" in schema, (name, field)


def test_schemas_are_valid_and_say_what_they_refer_to(tools: Tools) -> None:
    for tool in tools.values():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            assert schema["type"] == "object"
            jsonschema_rs.Draft202012Validator(schema)
        assert tool["inputSchema"]["additionalProperties"] is False


def test_a_change_takes_an_idempotency_key_and_reading_none(tools: Tools) -> None:
    for name, tool in tools.items():
        only_reads = name.startswith(("get_", "list_", "show_", "preview_"))
        assert tool["annotations"]["readOnlyHint"] == only_reads
        assert ("idempotency_key" in tool["inputSchema"].get("properties", {})) != only_reads


def test_hints_say_what_may_be_lost_and_what_may_be_repeated(tools: Tools) -> None:
    hints = {name: tool["annotations"] for name, tool in tools.items()}
    lost = {name for name, hint in hints.items() if hint["destructiveHint"]}
    assert lost == {"update_task", "delete_task", "reopen_task", "skip_occurrence", "change_preferences"}
    unlike = {name for name, hint in hints.items() if not hint["idempotentHint"]}
    assert unlike == {"create_task", "snooze_task", "skip_occurrence"}
    assert not any(hint["openWorldHint"] for hint in hints.values())
