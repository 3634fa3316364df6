"""OAuth 2.1 at the door for assistants: who the issuer is, for whom a token is, and what it may do."""

from typing import Any

import pytest

from tests.support import tokens
from tests.support.assistant import READ, WRITE, Assistant
from tests.support.function_pack import Pack

URL = "https://tasks.example.com/mcp"
METADATA = "/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
def public(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Pack:
    monkeypatch.setenv("MCP_URL", URL)
    pack.restart()
    return pack


def challenge(answer: Any) -> str:
    return str(answer.headers["WWW-Authenticate"])


def test_the_metadata_name_the_issuer_and_need_no_token(public: Pack) -> None:
    answer = public.call("call-tools", "GET", METADATA, Authorization="")
    assert answer.status_code == 200
    assert answer.json == {
        "resource": URL,
        "authorization_servers": [tokens.ISSUER],
        "scopes_supported": [READ, WRITE],
        "bearer_methods_supported": ["header"],
        "resource_name": "taskmaster functions",
    }
    assert public.call("call-tools", "POST", METADATA, {}, Authorization="").status_code == 405


def test_without_a_setting_the_address_is_that_of_the_request(pack: Pack) -> None:
    for scheme in ("http", "https"):
        answer: Any = pack.call("call-tools", "GET", METADATA, X_Forwarded_Proto=scheme)
        assert answer.json["resource"] == f"{scheme}://localhost/mcp"


def test_whoever_is_not_signed_in_is_told_where_to(public: Pack) -> None:
    answer = Assistant(public).send("tools/list", Authorization="")
    assert answer.status_code == 401
    found = challenge(answer)
    assert found.startswith("Bearer ")
    assert f'resource_metadata="https://tasks.example.com{METADATA}"' in found
    assert f'scope="{READ} {WRITE}"' in found
    assert "error=" not in found
    answer = Assistant(public).send("tools/list", Authorization="Bearer made-up")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in challenge(answer)


@pytest.mark.parametrize(("audience", "status"), [(URL, 200), ("taskmaster", 200), ("https://other.example/mcp", 401)])
def test_a_token_is_for_this_door_or_for_the_pack(public: Pack, audience: str, status: int) -> None:
    bearer = tokens.bearer(public.user, scope=READ, audience=audience)
    assert Assistant(public).send("tools/list", Authorization=bearer).status_code == status


def test_a_token_for_this_door_opens_no_other(public: Pack) -> None:
    bearer = tokens.bearer(public.user, scope=f"{READ} {WRITE}", audience=URL)
    assert public.call("query-tasks", "GET", "/tasks", Authorization=bearer).status_code == 401


def test_a_token_that_may_only_read_changes_nothing(public: Pack) -> None:
    public.create(title="kept")
    reader = Assistant(public, scope=READ)
    assert len(reader.call("list_tasks")["tasks"]) == 1
    assert "delete_task" in reader.tools()
    answer = reader.send("tools/call", {"name": "create_task", "arguments": {"title": "x"}})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in challenge(answer)
    assert f'scope="{WRITE}"' in challenge(answer)
    assert METADATA in challenge(answer)
    assert [task["title"] for task in public.tasks()] == ["kept"]


def test_a_token_that_may_write_may_read(pack: Pack) -> None:
    assert Assistant(pack, scope=WRITE).call("list_tasks")["tasks"] == []


@pytest.mark.parametrize("scope", ["", "openid profile", "tasks:reader", "TASKS:READ"])
def test_a_token_without_a_scope_of_ours_calls_no_tool(pack: Pack, scope: str) -> None:
    assistant = Assistant(pack, scope=scope)
    answer = assistant.send("tools/call", {"name": "list_tasks", "arguments": {}})
    assert answer.status_code == 403
    assert f'scope="{READ}"' in challenge(answer)


def test_a_scope_holds_at_the_other_doors_too(pack: Pack) -> None:
    reader = tokens.bearer(pack.user, scope=f"openid {READ}")
    task_id = pack.create()["task_id"]
    assert pack.call("query-tasks", "GET", f"/tasks/{task_id}", Authorization=reader).status_code == 200
    for function, method, path, body in [
        ("create-task", "POST", "/tasks", {"title": "x"}),
        ("update-task", "PATCH", f"/tasks/{task_id}", {"title": "x"}),
        ("delete-task", "DELETE", f"/tasks/{task_id}", None),
    ]:
        answer = pack.call(function, method, path, body, Authorization=reader)
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in challenge(answer)
    event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/tests", "ce-type": "task.create"}
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x"}, Authorization=reader, **event)
    assert answer.status_code == 403
    # A person's own token names no scope of ours, and is not limited by one.
    own = tokens.bearer(pack.user, scope="openid profile")
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}, Authorization=own).status_code == 201
