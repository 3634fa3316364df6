"""An assistant as the functions see it: messages of the Model Context Protocol, POSTed to call-tools."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.support import tokens
from tests.support.function_pack import Json, Pack

READ, WRITE = "tasks:read", "tasks:write"
STATELESS, WITH_HANDSHAKE = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_ids = count(1)


@dataclass
class Assistant:
    """One that speaks a revision for a user, with a token of these scopes."""

    pack: Pack
    revision: str = STATELESS
    scope: str = f"{READ} {WRITE}"
    user: str = ""

    def send(self, method: str, params: Json | None = None, /, **headers: str) -> Any:
        """One request, whose headers a test may set otherwise; an empty header is left out."""
        params = dict(params or {})
        sent = {"MCP_Protocol_Version": self.revision, "Accept": "application/json, text/event-stream"}
        if self.revision == STATELESS:
            params.setdefault("_meta", META)
            sent |= {"Mcp_Method": method, **({"Mcp_Name": params["name"]} if "name" in params else {})}
        return self.post(
            {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": params}, **{**sent, **headers}
        )

    def post(self, body: Any, **headers: str) -> Any:
        """A body as it is."""
        sent = {"Authorization": tokens.bearer(self.user or self.pack.user, scope=self.scope), **headers}
        kept = {name: value for name, value in sent.items() if value}
        return self.pack.call("call-tools", "POST", "/mcp", body, **{"Authorization": "", **kept})

    def ask(self, method: str, params: Json | None = None) -> Json:
        """The result of a request."""
        answer = self.send(method, params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json["result"])

    def tools(self) -> dict[str, Json]:
        return {tool["name"]: tool for tool in self.ask("tools/list")["tools"]}

    def call(self, tool: str, /, **arguments: Any) -> Json:
        """What a tool gives."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert not result["isError"], result
        return dict(result["structuredContent"])

    def refused(self, tool: str, /, **arguments: Any) -> str:
        """Why a tool refuses."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert result["isError"], result
        [content] = result["content"]
        return str(content["text"])
