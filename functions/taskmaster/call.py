"""A person's call: who it is, which operation it asks for, and the command in its path, query, headers and body."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from taskmaster import answers, events, identity, oidc
from taskmaster.answers import Answer, Turned, problem
from taskmaster.events import Malformed, Origin
from taskmaster.ids import new_id
from taskmaster.inbox import digest, inbox_key
from taskmaster.invocation import Invoker
from taskmaster.log import tie
from taskmaster.operation import Operation
from taskmaster.receipts import InboxKey
from taskmaster.request import Request
from taskmaster.settings import Settings
from taskmaster.tasks import QUERY

_MERGE_PATCH = "application/merge-patch+json"
_BY_QUERY = ("GET", "HEAD", "DELETE")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,255}")


def answer_call(invoker: Invoker, operations: Sequence[Operation], request: Request, body: bytes) -> Answer:
    """Handle a call on behalf of whom its bearer token speaks for.

    Raises Turned, KeysUnavailable, and what the invoker raises.
    """
    headers = request.headers
    user_id = _caller(headers, invoker.settings)
    origin = _origin(invoker.function, user_id, headers)
    tie(correlation_id=origin.correlation_id)
    if events.is_event(headers):
        return _answer_event(invoker, operations, origin, headers, body)
    chosen, parameters = _route(operations, request.method, request.path)
    sent, expected = _fields(request, body), _expected_version(chosen, headers)
    if twice := sent.keys() & parameters.keys():
        raise Turned(problem(422, "Not a valid command", f"The path says {' and '.join(twice)}: leave it out."))
    if sent.get("expected_version") is None:
        sent |= expected
    try:
        command = chosen.command.model_validate(
            {**sent, **parameters}, context=QUERY if request.method in _BY_QUERY else None
        )
    except ValidationError as error:
        return answers.invalid(error, chosen.command)
    if any(getattr(command, name) != value for name, value in expected.items()):
        raise Turned(problem(412, "Version conflict", "If-Match and expected_version differ: send one."))
    key = _idempotency_key(invoker.function, user_id, headers) if chosen.types else None
    seal = digest(request.method, request.path, headers.get("if-match", ""), body) if key else b""
    return invoker.by_call(chosen, command, origin, key=key, seal=seal)


def _answer_event(
    invoker: Invoker, operations: Sequence[Operation], origin: Origin, headers: Mapping[str, str], body: bytes
) -> Answer:
    """A CloudEvent from a person: its ce-userid is not looked at, its id makes it safe to repeat."""
    by_type = {event_type: each for each in operations for event_type in each.types}
    try:
        event = events.decode(headers, body)
        key = inbox_key(invoker.function, origin.user_id, event["source"], event["id"])
    except Malformed as error:
        return problem(400, "Malformed event", str(error))
    chosen = by_type.get(event["type"])
    if chosen is None:
        takes = ", ".join(by_type) or "no events"
        return problem(422, "Not for this function", f"{invoker.function} takes {takes}.")
    data = event.get_data()
    try:
        command = chosen.command.model_validate({} if data is None else data)
    except ValidationError as error:
        return answers.invalid(error, chosen.command)
    return invoker.by_call(chosen, command, origin, key=key, seal=digest(body))


def _caller(headers: Mapping[str, str], configured: Settings) -> str:
    try:
        return identity.caller(headers.get("authorization"), issuer=oidc.of_people(configured))
    except identity.NotSignedIn as error:
        challenge = {"WWW-Authenticate": error.challenge}
        raise Turned(problem(401, "Not signed in", str(error), headers=challenge)) from None


def _route(operations: Sequence[Operation], method: str, path: str) -> tuple[Operation, Mapping[str, int]]:
    asked = "GET" if method == "HEAD" else method
    allowed = set()
    for each in operations:
        for route in each.http:
            if (parameters := route.match(path)) is None:
                continue
            if route.method == asked:
                return each, _ids(parameters)
            allowed.add(route.method)
    if allowed:
        allow = ", ".join(sorted(allowed))
        raise Turned(problem(405, "Method not allowed", f"Use {allow} here.", headers={"Allow": allow}))
    raise Turned(problem(404, "Not found", "There is nothing at this path."))


def _ids(parameters: Mapping[str, str]) -> dict[str, int]:
    """Path parameters are ids. What is no number is no id of ours."""
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in parameters.values()):
        raise Turned(problem(404, "Not found", "There is nothing at this path."))
    return {name: int(text) for name, text in parameters.items()}


def _fields(request: Request, body: bytes) -> dict[str, Any]:
    """What was sent: a query string, or a JSON object, which for PATCH is a merge patch (RFC 7396)."""
    if request.method in _BY_QUERY:
        return request.arguments()
    if not body.strip():
        return {}
    accepted = (events.JSON, _MERGE_PATCH) if request.method == "PATCH" else (events.JSON,)
    if events.media_type(request.headers) not in accepted:
        raise Turned(problem(415, "Unsupported media type", f"Send {' or '.join(accepted)}."))
    try:
        fields = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Turned(problem(400, "Not JSON", str(error))) from None
    if not isinstance(fields, dict):
        raise Turned(problem(422, "Not a valid command", "The body must be a JSON object."))
    return fields


def _expected_version(chosen: Operation, headers: Mapping[str, str]) -> dict[str, int]:
    """If-Match (RFC 9110, 13.1.1): the ETag of one version, or * for whatever is there."""
    given = headers.get("if-match", "*").strip()
    if given == "*" or "expected_version" not in chosen.command.model_fields:
        return {}
    number = given[1:-1] if given[:1] == given[-1:] == '"' else given
    if not _VERSION.fullmatch(number):
        raise Turned(problem(400, "Not a version", 'If-Match takes the ETag of a task, such as "3".'))
    return {"expected_version": int(number)}


def _idempotency_key(function: str, user_id: str, headers: Mapping[str, str]) -> InboxKey | None:
    given = headers.get("idempotency-key")
    if given is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        wanted = "Idempotency-Key has 1 to 255 printable ASCII characters."
        raise Turned(problem(400, "Not an idempotency key", wanted))
    return InboxKey(function, user_id, "idempotency-key", given)


def _origin(function: str, user_id: str, headers: Mapping[str, str]) -> Origin:
    """What events inherit from this call: its correlation id, or a new one, and its trace (W3C Trace Context)."""
    correlation = headers.get("x-correlation-id") or headers.get("x-request-id") or ""
    trace = headers.get("traceparent", "")
    usable = 0 < len(correlation) <= 128 and correlation.isascii() and correlation.isprintable()
    return Origin(
        function=function,
        user_id=user_id,
        correlation_id=correlation if usable else new_id(),
        traceparent=trace if events.is_traceparent(trace) else None,
    )
