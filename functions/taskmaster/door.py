"""The door: an HTTP request comes in, a command goes to its operation, an answer goes out.

Two doors, because nobody can tell them apart by a header: /events takes CloudEvents from inside the cluster and believes
their userid; every other path is a person's, whose bearer token says who they are.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Request, Response
from pydantic import ValidationError
from pydantic_core import from_json

from taskmaster import answers, events, identity, log, runtime, settings
from taskmaster.answers import Answer, problem
from taskmaster.events import Malformed, Origin
from taskmaster.ids import new_id
from taskmaster.invocation import Invoker, Mismatch, digest
from taskmaster.operation import Operation, described
from taskmaster.store import Busy, InboxKey, Unavailable

logger = logging.getLogger(__name__)

EVENTS = "/events"
_MERGE_PATCH = "application/merge-patch+json"
_NEEDS = ("database_url", "system_database_url", "kafka_bootstrap_servers")

Function = Callable[[Request], Response]


class _Turned(Exception):
    """The request goes no further; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def operation(*types: str, http: Iterable[str] = (), status: int = 200) -> Callable[[Callable[..., Any]], Function]:
    """Make a handler a function for functions-framework: `types` are the events it takes, `http` its routes for people.

    A route's path parameters are fields of the command; `status` is that of a call which succeeds.
    """

    def decorate(handler: Callable[..., Any]) -> Function:
        return function(handler.__name__, described(handler, types=types, http=tuple(http), status=status))

    return decorate


def function(name: str, *operations: Operation) -> Function:
    """One function of the pack that serves several operations. `name` is its target for functions-framework."""
    refuse_wrong_settings(name)
    door = _Door(name.replace("_", "-"), operations)

    def serve(request: Request) -> Response:
        return door(request)

    serve.__name__ = name
    serve.operations = operations  # type: ignore[attr-defined]
    return serve


def refuse_wrong_settings(target: str, needs: tuple[str, ...] = _NEEDS) -> None:
    """Where this very target is being served, a wrong setting ends the process before it listens."""
    if os.environ.get("FUNCTION_TARGET") == target:
        settings.read(os.environ, needs=needs)


class _Door:
    def __init__(self, name: str, operations: tuple[Operation, ...]) -> None:
        self._name = name
        self._operations = operations
        self._by_type = {event_type: each for each in operations for event_type in each.types}

    def __call__(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        token = log.context.set({"function": self._name})
        try:
            answer = self._answer(request, headers)
        except _Turned as turned:
            answer = turned.answer
        except Mismatch as error:
            answer = problem(422, "Another command came under this id", str(error))
        except Busy:
            answer = problem(409, "Being handled", "This is being handled right now. Try again in a moment.")
        except Unavailable as error:
            logger.warning("the database is unavailable: %s", error)
            answer = problem(503, "Try again later", "The database is away or busy.", headers={"Retry-After": "2"})
        except Exception:
            logger.exception("an invocation failed")
            answer = problem(500, "Failed", "Something went wrong here; the log has it.")
        finally:
            log.context.reset(token)
        return _response(answer)

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        here = runtime.current()
        body = _body(request, here.settings.max_body_bytes)
        invoker = Invoker(function=self._name, settings=here.settings, database=here.database)
        if request.path == EVENTS:
            answer = self._event(invoker, request, headers, body)
        else:
            answer = self._call(invoker, request, headers, body)
        here.publisher.wake()
        return answer

    def _event(self, invoker: Invoker, request: Request, headers: Mapping[str, str], body: bytes) -> Answer:
        if not identity.is_internal(request.host, further=invoker.settings.event_hosts):
            raise _Turned(problem(404, "Not found", "There is nothing at this path."))
        if request.method != "POST":
            raise _Turned(problem(405, "Method not allowed", "Events are POSTed.", headers={"Allow": "POST"}))
        if not events.is_event(headers):
            raise _Turned(problem(400, "Malformed event", "Send a CloudEvent 1.0, in binary or structured mode."))
        return invoker.by_event(self._by_type, headers, body)

    def _call(self, invoker: Invoker, request: Request, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            user_id = identity.caller(
                headers.get("authorization"),
                secret=invoker.settings.dev_token_secret.get_secret_value(),
            )
        except identity.NotSignedIn as error:
            raise _Turned(
                problem(401, "Not signed in", str(error), headers={"WWW-Authenticate": "Bearer"})
            ) from None
        if events.is_event(headers):
            return self._signed_event(invoker, user_id, headers, body)
        chosen, parameters = self._route(request)
        fields = _fields(request, headers, body)
        try:
            command = chosen.command.model_validate({**fields, **parameters, **_expected_version(headers)})
        except ValidationError as error:
            return answers.invalid(error)
        key = _idempotency_key(self._name, user_id, headers)
        seal = digest(request.method, request.path, headers.get("if-match", ""), body) if key else b""
        return invoker.by_call(chosen, command, _origin(self._name, user_id, headers), key=key, seal=seal)

    def _signed_event(self, invoker: Invoker, user_id: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """A CloudEvent from a person: the token says whose it is, and its ce-userid is not looked at."""
        try:
            event = events.decode(headers, body)
            chosen = self._by_type.get(event["type"])
            if chosen is None:
                return problem(422, "Not for this function", f"{self._name} takes {', '.join(self._by_type)}.")
            data = event.get_data()
            command = chosen.command.model_validate({} if data is None else data)
        except Malformed as error:
            return problem(400, "Malformed event", str(error))
        except ValidationError as error:
            return answers.invalid(error)
        key = InboxKey(self._name, user_id, event["source"], event["id"])
        return invoker.by_call(chosen, command, _origin(self._name, user_id, headers), key=key, seal=digest(body))

    def _route(self, request: Request) -> tuple[Operation, Mapping[str, Any]]:
        allowed = set()
        for each in self._operations:
            for route in each.http:
                if (parameters := route.match(request.path)) is None:
                    continue
                if route.method == request.method:
                    return each, _numbers(parameters)
                allowed.add(route.method)
        if allowed:
            allow = ", ".join(sorted(allowed))
            raise _Turned(problem(405, "Method not allowed", f"Use {allow}.", headers={"Allow": allow}))
        raise _Turned(problem(404, "Not found", "There is nothing at this path."))


def _body(request: Request, limit: int) -> bytes:
    too_large = problem(413, "Too large", f"A request body has at most {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise _Turned(too_large)
    body = request.stream.read(limit + 1)
    if len(body) > limit:
        raise _Turned(too_large)
    return bytes(body)


def _fields(request: Request, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The command's fields as a person sent them: a query string, or a JSON object (for PATCH a merge patch, RFC 7396)."""
    if request.method in ("GET", "HEAD"):
        return {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
    if not body.strip():
        return {}
    media_type = events.media_type(headers)
    accepted = (events.JSON, _MERGE_PATCH) if request.method == "PATCH" else (events.JSON,)
    if media_type not in accepted:
        raise _Turned(problem(415, "Unsupported media type", f"Send {' or '.join(accepted)}."))
    try:
        fields = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise _Turned(problem(400, "Not JSON", str(error))) from None
    if not isinstance(fields, dict):
        raise _Turned(problem(422, "Not a valid command", "The body must be a JSON object."))
    return fields


def _numbers(parameters: Mapping[str, str]) -> dict[str, int]:
    """Path parameters are ids. What is no number is no id of ours."""
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in parameters.values()):
        raise _Turned(problem(404, "Not found", "There is nothing at this path."))
    return {name: int(text) for name, text in parameters.items()}


def _expected_version(headers: Mapping[str, str]) -> dict[str, int]:
    """If-Match (RFC 9110, 13.1.1): one ETag of ours, or * for whatever is there."""
    given = headers.get("if-match", "*").strip()
    if given == "*":
        return {}
    number = given.strip('"')
    if not (number.isascii() and number.isdigit()):
        raise _Turned(problem(400, "Not a version", 'If-Match takes the ETag of a task, such as "3".'))
    return {"expected_version": int(number)}


def _idempotency_key(name: str, user_id: str, headers: Mapping[str, str]) -> InboxKey | None:
    given = headers.get("idempotency-key")
    if given is None:
        return None
    if not 0 < len(given) <= 255:
        raise _Turned(problem(400, "Not an idempotency key", "Idempotency-Key has 1 to 255 characters."))
    return InboxKey(name, user_id, "idempotency-key", given)


def _origin(name: str, user_id: str, headers: Mapping[str, str]) -> Origin:
    correlation = headers.get("x-correlation-id") or headers.get("x-request-id") or ""
    trace = headers.get("traceparent", "")
    return Origin(
        function=name,
        user_id=user_id,
        correlation_id=correlation if 0 < len(correlation) <= 128 and correlation.isascii() else new_id(),
        traceparent=trace if events.is_traceparent(trace) else None,
    )


def _response(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status, content_type=answer.content_type)
    response.headers.extend(answer.headers)
    if answer.reason:
        response.headers["kne-reason"] = answer.reason.encode("ascii", "replace").decode()
    if answer.status == 204:
        del response.headers["Content-Type"]
    return response
