"""One call of a tool: its arguments become a command, which is handled as a person's HTTP call is.

What a rule refuses, and what is only away for a moment, is a result with `isError` and a sentence that says what to do:
an assistant reads results, and can mend its call. Whoever may not call the tool at all gets an HTTP status.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from taskmaster.assistants.rpc import INVALID_PARAMS, Message, RpcError
from taskmaster.assistants.tools import KEY, Tool
from taskmaster.events.outgoing import Origin
from taskmaster.handling import answers
from taskmaster.handling.answers import Answer, HttpRefusal
from taskmaster.handling.idempotency import digest_of
from taskmaster.handling.invocation import Invoker
from taskmaster.log import bind_context, note
from taskmaster.web.door import answer_to, outcome_of
from taskmaster.web.http_call import idempotency_key, origin_of

_AGAIN = " Call it again in a few seconds, with the same arguments and the same idempotency_key."


def named(message: Message, tools: Mapping[str, Tool]) -> Tool:
    """The tool that is called. Raises RpcError."""
    tool = tools.get(str(message.params.get("name")))
    if tool is None:
        raise RpcError(INVALID_PARAMS, "There is no tool of this name: tools/list has them.")
    note(**{"gen_ai.tool.name": tool.name})
    return tool


def call(invoker: Invoker, tool: Tool, message: Message, user_id: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The result of the call, as `tools/call` has it. Raises RpcError."""
    arguments = message.params.get("arguments", {})
    if not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "arguments must be an object.")
    origin = _origin(invoker, message, user_id, headers)
    bind_context(correlation_id=origin.correlation_id)
    error: Exception | None = None
    try:
        answer = _handled(invoker, tool, dict(arguments), origin, headers)
    except Exception as raised:
        error, answer = raised, answer_to(raised)
    if answer.status >= 400:
        note(outcome=outcome_of(answer, error))
        return _refused(answer, is_passing=answer.status in (409, 503) and error is not None)
    shown = answer.body or "{}"
    return {"content": [{"type": "text", "text": shown}], "structuredContent": json.loads(shown), "isError": False}


def _handled(
    invoker: Invoker, tool: Tool, arguments: dict[str, Any], origin: Origin, headers: Mapping[str, str]
) -> Answer:
    given = arguments.pop(KEY, None) if not tool.only_reads else None
    if given is not None and not isinstance(given, str):
        return answers.problem(422, "Not a valid command", f"{KEY}: must be a text")
    operation = tool.operation
    try:
        command = operation.command.model_validate(arguments)
    except ValidationError as error:
        return answers.invalid(error, operation.command)
    if tool.only_reads:
        return invoker.handle_call(operation, command, origin, key=None, digest=b"")
    given = headers.get("idempotency-key") if given is None else given
    try:
        key = idempotency_key(invoker.function, origin.user_id, given)
    except HttpRefusal as refusal:
        return refusal.answer
    digest = digest_of(operation.name, command)
    return invoker.handle_call(operation, command, origin, key=key, digest=digest, door="assistant")


def _refused(answer: Answer, *, is_passing: bool) -> dict[str, Any]:
    problem = json.loads(answer.body)
    text = f"{problem['title']}: {problem['detail']}{_AGAIN if is_passing else ''}"
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _origin(invoker: Invoker, message: Message, user_id: str, headers: Mapping[str, str]) -> Origin:
    """What events inherit from the call; the trace that an assistant goes on with is in `_meta`."""
    trace = message.meta.get("traceparent")
    return origin_of(
        invoker.function, user_id, {**headers, "traceparent": trace} if isinstance(trace, str) else headers
    )
