"""Messages of JSON-RPC 2.0, as the Model Context Protocol has them: one in a body, with an id that is never null."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from taskmaster.errors import TaskmasterError
from taskmaster.handling.answers import JSON, Answer

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

Id = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request, or a notification, which has no id and gets no answer."""

    method: str
    params: Mapping[str, Any]
    id: Id | None

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}


class RpcError(TaskmasterError):
    """A message that is refused. `data` is for programs, the text says what to do."""

    def __init__(self, code: int, text: str, data: Any = None) -> None:
        super().__init__(text)
        self.code, self.data = code, data


def read(body: bytes) -> Message:
    """The message in a body. Raises RpcError."""
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise RpcError(PARSE_ERROR, "The body is not JSON.") from None
    if not isinstance(content, dict) or content.get("jsonrpc") != "2.0" or not isinstance(content.get("method"), str):
        raise RpcError(INVALID_REQUEST, "Send one JSON-RPC 2.0 request or notification, and no batch.")
    params, identifier = content.get("params", {}), content.get("id")
    if not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "params must be an object.")
    if "id" in content and (isinstance(identifier, bool) or not isinstance(identifier, Id)):
        raise RpcError(INVALID_REQUEST, "id must be a string or a whole number.")
    return Message(method=content["method"], params=params, id=identifier)


def result(message: Message, content: Mapping[str, Any]) -> Answer:
    return _answer(200, {"id": message.id, "result": content})


def refusal(error: RpcError, *, to: Message | None, status: int) -> Answer:
    """The answer to a message that is refused; of one that cannot be read the id is not known."""
    said = {"code": error.code, "message": str(error), **({} if error.data is None else {"data": error.data})}
    return _answer(status, {**({"id": to.id} if to and to.id is not None else {}), "error": said})


def _answer(status: int, content: Mapping[str, Any]) -> Answer:
    body = json.dumps({"jsonrpc": "2.0", **content}, ensure_ascii=False, separators=(",", ":"))
    return Answer(status=status, body=body, headers={"Cache-Control": "no-store"}, content_type=JSON)
