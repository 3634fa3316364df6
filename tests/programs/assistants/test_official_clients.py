"""The official clients of the Model Context Protocol, both majors, at POST /mcp over a socket."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from knative.local.web import WebServer
from tests.support import tokens
from tests.support.address import address
from tests.support.assistant import READ, WRITE, Assistant
from tests.support.function_pack import Pack

ROOT = Path(__file__).parents[3]
WITHOUT = "no official client of MCP here: `make test-assistants` installs both"
REVISIONS = {"1": "2025-11-25", "2": "2026-07-28"}


@pytest.fixture
def url(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    web = WebServer(address(pack))
    monkeypatch.setenv("MCP_URL", f"http://127.0.0.1:{web.port}/mcp")
    pack.restart()
    yield f"http://127.0.0.1:{web.port}/mcp"
    web.stop()


@pytest.mark.parametrize("major", REVISIONS)
def test_an_assistant_moves_the_morning_of_its_person_alone(pack: Pack, url: str, major: str) -> None:
    python = ROOT / ".local" / f"mcp-{major}" / "bin" / "python"
    if not python.exists():
        pytest.skip(WITHOUT)
    for title, at in [("call Bo", "08:30"), ("pay", "11:00"), ("lunch", "12:30")]:
        pack.create(title=title, due_at=f"2027-03-02T{at}:00Z")
    other: Any = pack.call("create-task", "POST", "/tasks", {"title": "not yours"}, user=f"stranger-{uuid4()}")
    token = tokens.token(pack.user, scope=f"{READ} {WRITE}")

    journey = [str(python), str(Path(__file__).parent / "journey.py"), url, token, "2027-03-02"]
    ended = subprocess.run(
        [*journey, str(other.json["task_id"])], capture_output=True, text=True, check=False, timeout=100
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    met = json.loads(ended.stdout)

    assert met["revision"] == REVISIONS[major]
    assert met["tools"] == list(Assistant(pack).tools())
    assert met["moved"] == [["call Bo", "2027-03-02T14:00:00Z", 2], ["pay", "2027-03-02T14:00:00Z", 2]]
    assert met["another's"] == [True, f"No such task: There is no task {other.json['task_id']} among yours."]
    assert met["wrong"][0]
    assert "such as 2026-11-24T09:00:00+01:00" in met["wrong"][1]
    assert {task["title"] for task in pack.tasks()} == {"call Bo", "pay", "lunch"}
