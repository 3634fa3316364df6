"""`tool_server` makes a function that answers the Model Context Protocol at POST /mcp.

It is a resource server of OAuth 2.1: a token of the issuer is needed for everything but the metadata (RFC 9728), which
say who the issuer is. Each request is answered with one JSON object; there is no session, no stream and no batch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from taskmaster.assistants import calling, revisions, rpc
from taskmaster.assistants.revisions import STATELESS
from taskmaster.assistants.rpc import Message, RpcError
from taskmaster.assistants.tools import Tool, tools_of
from taskmaster.events import cloudevent
from taskmaster.handling.answers import JSON, Answer, HttpRefusal, problem
from taskmaster.handling.invocation import Invoker
from taskmaster.identity.callers import READ, WRITE, Caller
from taskmaster.log import note
from taskmaster.runtime import Runtime
from taskmaster.settings import Settings
from taskmaster.web.door import Function, served
from taskmaster.web.http_call import expect_scope, in_turn, signed_in
from taskmaster.web.request import Request

PATH = "/mcp"
METADATA = "/.well-known/oauth-protected-resource/mcp"

_SERVER = {"name": "taskmaster", "title": "taskmaster functions", "version": "0.1.0"}
_CAPABILITIES: dict[str, Any] = {"tools": {}}
_INSTRUCTIONS = (
    "The tasks of the person who signed in, and nobody else's. Moments are RFC 3339 with an offset, days are "
    "YYYY-MM-DD; show_preferences has the person's time zone, in which to understand 'tomorrow'. Find tasks by "
    "list_tasks with due_from and due_to, page by page. Give every change an idempotency_key of its own, and the same "
    "one when you repeat it. Give expected_version where it matters that nobody else has changed the task since."
)
# The tools are the same for everybody, and change with a release alone.
_CACHED = {"ttlMs": 3_600_000, "cacheScope": "public"}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where assistants reach this function: its resource identifier (RFC 8707), and where its metadata are."""

    resource: str

    @classmethod
    def of(cls, settings: Settings, request: Request) -> "_Place":
        scheme = "http" if request.headers.get("x-forwarded-proto") == "http" else "https"
        return cls(settings.mcp_url or f"{scheme}://{request.host}{PATH}")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def challenge(self) -> str:
        """What a challenge says beside the error (RFC 9728, 5.1)."""
        return f', resource_metadata="{self.origin}{METADATA}"'


def tool_server(target: str, *functions: Function, http: Sequence[str]) -> Function:
    """A function with the operations of these as tools, at these routes. `target` is its name for functions-framework.

    It answers at PATH and METADATA, whatever else the routes say.
    """
    tools = tools_of(each for function in functions for each in getattr(function, "operations"))  # noqa: B009
    name = target.replace("_", "-")

    def answer(runtime: Runtime, request: Request, body: bytes) -> Answer:
        place = _Place.of(runtime.settings, request)
        if request.path == METADATA:
            return _metadata(place, runtime.settings, request)
        _check(request, place)
        scope = f', scope="{READ} {WRITE}"'
        caller = signed_in(request, runtime.assistant_tokens, more=place.challenge + scope)
        invoker = Invoker(function=name, settings=runtime.settings, database=runtime.database)
        door = _Door(tools, invoker, caller, request.headers, place)
        with in_turn(request, caller.user_id, runtime.pace_of_users):
            given = door.answer(body)
        runtime.publish_after_request(may_have_written=door.may_have_written)
        return given

    made = served(target, answer)
    made.tools = tools  # type: ignore[attr-defined]  # for the tests that compare them with the operations
    made.http = tuple(http)  # type: ignore[attr-defined]  # what the chart's routes are compared with
    return made


def _check(request: Request, place: _Place) -> None:
    """Raises HttpRefusal for a request that is no message to this door."""
    if request.path != PATH:
        raise HttpRefusal(problem(404, "Not found", "There is nothing at this path."))
    if request.method != "POST":
        detail = "Messages are POSTed. There is no stream to GET, and no session to DELETE."
        raise HttpRefusal(problem(405, "Method not allowed", detail, headers={"Allow": "POST"}))
    if request.headers.get("origin", place.origin) != place.origin:
        detail = "A page of another origin may not call this; an assistant sends no Origin."
        raise HttpRefusal(problem(403, "Another origin", detail))
    if cloudevent.media_type(request.headers) != cloudevent.JSON:
        raise HttpRefusal(problem(415, "Unsupported media type", f"Send {cloudevent.JSON}."))


def _metadata(place: _Place, settings: Settings, request: Request) -> Answer:
    """OAuth 2.0 Protected Resource Metadata (RFC 9728, 3.2)."""
    if request.method not in ("GET", "HEAD"):
        allowed = {"Allow": "GET, HEAD"}
        raise HttpRefusal(problem(405, "Method not allowed", "The metadata are read by GET.", headers=allowed))
    if not settings.oidc_issuer:
        raise HttpRefusal(problem(404, "Not found", "Nobody can sign in yet: the operator has to set OIDC_ISSUER."))
    content = {
        "resource": place.resource,
        "authorization_servers": [settings.oidc_issuer],
        "scopes_supported": [READ, WRITE],
        "bearer_methods_supported": ["header"],
        "resource_name": _SERVER["title"],
    }
    return Answer(status=200, body=json.dumps(content), headers={"Cache-Control": "no-cache"}, content_type=JSON)


@dataclass(kw_only=False)
class _Door:
    """One request of somebody who is signed in."""

    tools: Mapping[str, Tool]
    invoker: Invoker
    caller: Caller
    headers: Mapping[str, str]
    place: _Place
    may_have_written: bool = False

    def answer(self, body: bytes) -> Answer:
        message: Message | None = None
        is_stateless = True
        try:
            message = rpc.read(body)
            revision = revisions.revision_of(message, self.headers)
            is_stateless = revision == STATELESS
            if message.id is None:
                return Answer(status=202)  # nothing that a client only tells has an effect here
            content = self._stateless(message) if is_stateless else self._with_handshake(message)
        except RpcError as error:
            missing = is_stateless and error.code == rpc.METHOD_NOT_FOUND
            answered = message is not None and not is_stateless  # then the error is an answer like any other
            return rpc.refusal(error, to=message, status=200 if answered else 404 if missing else 400)
        return rpc.result(message, content)

    def _stateless(self, message: Message) -> dict[str, Any]:
        match message.method:
            case "server/discover":
                said = {"supportedVersions": revisions.SUPPORTED, "capabilities": _CAPABILITIES}
                content = {**said, "instructions": _INSTRUCTIONS, **_CACHED}
            case "tools/list":
                content = {**self._listed(message), **_CACHED}
            case "tools/call":
                content = self._call(message)
            case _:
                raise _no_method()
        note(**{"mcp.method.name": message.method})
        return {"resultType": "complete", **content, "_meta": {revisions.SERVER: _SERVER}}

    def _with_handshake(self, message: Message) -> dict[str, Any]:
        content: dict[str, Any]
        match message.method:
            case "initialize":
                said = {"protocolVersion": revisions.negotiated(message), "capabilities": _CAPABILITIES}
                content = {**said, "serverInfo": _SERVER, "instructions": _INSTRUCTIONS}
            case "ping":
                content = {}
            case "tools/list":
                content = self._listed(message)
            case "tools/call":
                content = self._call(message)
            case _:
                raise _no_method()
        note(**{"mcp.method.name": message.method})
        return content

    def _listed(self, message: Message) -> dict[str, Any]:
        if message.params.get("cursor") is not None:
            raise RpcError(rpc.INVALID_PARAMS, "There is one page of tools: leave the cursor out.")
        return {"tools": [tool.described for tool in self.tools.values()]}

    def _call(self, message: Message) -> dict[str, Any]:
        tool = calling.named(message, self.tools)
        expect_scope(self.caller, tool.scope, more=self.place.challenge)
        self.may_have_written = not tool.only_reads
        return calling.call(self.invoker, tool, message, self.caller.user_id, self.headers)


def _no_method() -> RpcError:
    return RpcError(rpc.METHOD_NOT_FOUND, "There is no such method here: tools/list and tools/call are.")
