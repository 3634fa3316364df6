"""An assistant on the official SDK (PyPI mcp, 1.x or 2.x): discover, list, and move tomorrow's morning to 14:00.

    python journey.py URL TOKEN DAY ID-OF-ANOTHER

It runs in the SDK's environment, knows nothing of the project, and prints one JSON object of what it met.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

MAJOR = version("mcp").partition(".")[0]


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[tuple[Any, str]]:
    """A client, and the revision that it settled on."""
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {token}"}
    if MAJOR == "1":
        import httpx
        from mcp import ClientSession

        async with (
            httpx.AsyncClient(headers=headers) as http,
            streamable_http_client(url, http_client=http) as (read, write, session_id),
            ClientSession(read, write) as session,
        ):
            settled = await session.initialize()
            assert session_id() is None, "nobody asked for a session"
            yield session, settled.protocolVersion
    else:
        import httpx2
        from mcp import Client

        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client, client.protocol_version


async def call(client: Any, name: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
    """Whether a tool refused, and what it gave: the SDK has held that against the tool's schema."""
    result = await client.call_tool(name, arguments)
    if MAJOR == "1":
        return result.isError, result.structuredContent or result.content[0].text
    return result.is_error, result.structured_content or result.content[0].text


async def main(url: str, token: str, day: str, other: str) -> dict[str, Any]:
    async with connected(url, token) as (client, revision):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        _, page = await call(client, "list_tasks", {"due_from": f"{day}T00:00:00Z", "due_to": f"{day}T11:59:59Z"})
        moved = []
        for task in page["tasks"]:
            change = {
                "task_id": task["task_id"],
                "due_at": f"{day}T14:00:00Z",
                "idempotency_key": f"move-{day}-{task['task_id']}",
            }
            for _ in range(2):  # the second time as after an answer that was lost
                refused, changed = await call(client, "update_task", change)
                assert not refused, changed
            moved.append([changed["title"], changed["due_at"], changed["version"]])
        strange, said = await call(client, "complete_task", {"task_id": int(other)})
        wrong, why = await call(client, "create_task", {"title": "x", "due_at": "tomorrow"})
    return {
        "revision": revision, "tools": tools, "moved": sorted(moved),
        "another's": [strange, said], "wrong": [wrong, why],
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
