"""Messages of the Model Context Protocol: both revisions, headers that agree, and what is no message."""

from typing import Any

import pytest

from tests.support.assistant import META, STATELESS, WITH_HANDSHAKE, Assistant
from tests.support.function_pack import Pack


def error_of(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json["error"]["code"]


def test_discovery_says_what_is_spoken_and_who_speaks(pack: Pack) -> None:
    result = Assistant(pack).ask("server/discover")
    assert result["resultType"] == "complete"
    assert result["supportedVersions"] == [STATELESS, WITH_HANDSHAKE, "2025-06-18"]
    assert result["capabilities"] == {"tools": {}}
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "taskmaster"
    assert "time zone" in result["instructions"]
    assert (result["ttlMs"] > 0, result["cacheScope"]) == (True, "public")


def test_no_request_needs_another_before_it(pack: Pack) -> None:
    answer = Assistant(pack).send("tools/call", {"name": "list_tasks", "arguments": {}})
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert answer.json["result"]["structuredContent"] == {"tasks": [], "next_cursor": None}


@pytest.mark.parametrize("asked", [WITH_HANDSHAKE, "2025-06-18"])
def test_a_handshake_settles_a_revision_without_a_session(pack: Pack, asked: str) -> None:
    assistant = Assistant(pack, revision=asked)
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    answer = assistant.send("initialize", params, MCP_Protocol_Version="")
    result = answer.json["result"]
    assert (answer.status_code, result["protocolVersion"]) == (200, asked)
    assert result["serverInfo"]["name"] == "taskmaster"
    assert "mcp-session-id" not in answer.headers
    told = assistant.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, MCP_Protocol_Version=asked)
    assert (told.status_code, told.data) == (202, b"")
    assert assistant.ask("ping") == {}
    assert "create_task" in assistant.tools()
    assert assistant.call("create_task", title="x")["title"] == "x"


def test_a_handshake_for_an_unknown_revision_is_offered_the_latest(pack: Pack) -> None:
    params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    answer = Assistant(pack, revision=WITH_HANDSHAKE).send("initialize", params, MCP_Protocol_Version="")
    assert answer.json["result"]["protocolVersion"] == WITH_HANDSHAKE


def test_an_unknown_version_is_told_the_known_ones(pack: Pack) -> None:
    answer = Assistant(pack).send(
        "tools/list",
        {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}},
        MCP_Protocol_Version="1900-01-01",
    )
    assert error_of(answer) == (400, -32022)
    assert answer.json["error"]["data"] == {
        "supported": [STATELESS, WITH_HANDSHAKE, "2025-06-18"],
        "requested": "1900-01-01",
    }


def test_headers_say_what_the_body_says(pack: Pack) -> None:
    assistant = Assistant(pack)
    call = {"name": "list_tasks", "arguments": {}}
    for wrong in (
        {"MCP_Protocol_Version": ""},
        {"MCP_Protocol_Version": WITH_HANDSHAKE},
        {"Mcp_Method": ""},
        {"Mcp_Method": "tools/list"},
        {"Mcp_Name": ""},
        {"Mcp_Name": "delete_task"},
        {"Mcp_Name": "=?base64?bGlzdF90YXNrc?="},
    ):
        assert error_of(assistant.send("tools/call", call, **wrong)) == (400, -32020), wrong
    assert assistant.send("tools/call", call, Mcp_Name="=?base64?bGlzdF90YXNrcw==?=").status_code == 200


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities"])
def test_a_request_without_its_metadata_is_malformed(pack: Pack, missing: str) -> None:
    meta = {name: value for name, value in META.items() if not name.endswith(missing)}
    assert error_of(Assistant(pack).send("tools/list", {"_meta": meta})) == (400, -32602)


def test_an_unknown_method_is_not_found_and_says_its_id(pack: Pack) -> None:
    answer = Assistant(pack).send("resources/list")
    assert error_of(answer) == (404, -32601)
    assert isinstance(answer.json["id"], int)
    # A client with a handshake takes a 404 for the end of a session.
    assert error_of(Assistant(pack, revision=WITH_HANDSHAKE).send("resources/list")) == (200, -32601)


def test_an_unknown_tool_is_an_error_of_the_request(pack: Pack) -> None:
    assert error_of(Assistant(pack).send("tools/call", {"name": "drop_tables", "arguments": {}})) == (400, -32602)
    answer = Assistant(pack, revision=WITH_HANDSHAKE).send("tools/call", {"name": "drop_tables"})
    assert error_of(answer) == (200, -32602)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "\xff"}}', -32700),
    ],
)
def test_what_is_no_message_is_refused(pack: Pack, body: bytes, code: int) -> None:
    answer = Assistant(pack).post(body, MCP_Protocol_Version=STATELESS)
    assert error_of(answer) == (400, code)
    assert "id" not in answer.json


def test_there_is_no_stream_to_get_and_no_session_to_delete(pack: Pack) -> None:
    for method in ("GET", "DELETE", "PUT"):
        answer = pack.call("call-tools", method, "/mcp")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert pack.call("call-tools", "POST", "/", {}).status_code == 404


def test_a_body_has_the_limit_and_the_kind_of_the_other_doors(pack: Pack) -> None:
    assistant = Assistant(pack)
    assert assistant.post(b" " * 300_000).status_code == 413
    assert assistant.post(b"{}", Content_Type="text/plain").status_code == 415


def test_calls_have_the_rate_of_the_other_doors(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "0.5")
    pack.restart()
    answers = [Assistant(pack).send("tools/list") for _ in range(40)]
    assert [answers[0].status_code, answers[-1].status_code] == [200, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_a_page_of_another_origin_may_not_call(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_URL", "https://tasks.example.com/mcp")
    pack.restart()
    assistant = Assistant(pack)
    for wrong in ("https://evil.example", "http://tasks.example.com", "null"):
        assert assistant.send("tools/list", Origin=wrong).status_code == 403
    assert assistant.send("tools/list", Origin="https://tasks.example.com").status_code == 200
