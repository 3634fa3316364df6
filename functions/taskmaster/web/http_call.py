"""A person's call: who calls, for which operation, and the command in its path, query, headers and body."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from taskmaster.database.inbox_rows import InboxKey
from taskmaster.domain.task import QUERY
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed
from taskmaster.events.header_values import obstacle
from taskmaster.events.ids import new_id
from taskmaster.events.outgoing import Origin
from taskmaster.handling import answers
from taskmaster.handling.answers import Answer, HttpRefusal, problem
from taskmaster.handling.idempotency import digest_of, inbox_key
from taskmaster.handling.invocation import Invoker
from taskmaster.handling.operation import Operation
from taskmaster.handling.preconditions import Preconditions, Unparsable
from taskmaster.identity import callers
from taskmaster.identity.callers import Caller
from taskmaster.identity.oidc import Verifier
from taskmaster.identity.pace import Pace, TooManyCalls
from taskmaster.log import bind_context
from taskmaster.telemetry import spans
from taskmaster.web.request import Request

_MERGE_PATCH = "application/merge-patch+json"
_READING = ("GET", "HEAD")
_BY_QUERY = (*_READING, "DELETE")
_LONGEST_WAIT = 2.0  # seconds that a call waits for its turn, on a server that can postpone it
_NOTHING_HERE = problem(404, "Not found", "There is nothing at this path.")
_IDEMPOTENCY_KEY = re.compile(r"(?! )[ -~]{1,255}(?<! )")


def answer_call(
    invoker: Invoker,
    operations: Sequence[Operation],
    request: Request,
    body: bytes,
    *,
    tokens: Verifier | None,
    pace: Pace,
) -> Answer:
    """Handle a call on behalf of the user that its bearer token names. `tokens` verifies it, `pace` says when.

    Raises HttpRefusal, KeysUnavailable, and what the invoker raises.
    """
    caller = _by_address(invoker, operations, request) or signed_in(request, tokens)
    if caller.is_limited:
        expect_scope(caller, callers.READ if request.method in _READING else callers.WRITE)
    with in_turn(request, caller.user_id, pace):
        return _answer(invoker, operations, caller.user_id, request, body)


def _answer(invoker: Invoker, operations: Sequence[Operation], user_id: str, request: Request, body: bytes) -> Answer:
    """Find the operation and its command, and have it done."""
    headers = request.headers
    origin = origin_of(invoker.function, user_id, headers)
    bind_context(correlation_id=origin.correlation_id)
    if request.method == "POST" and cloudevent.is_event(headers):
        return _answer_event(invoker, operations, origin, request, body)
    if "ce-specversion" in headers:
        raise HttpRefusal(
            problem(400, "Malformed event", "An event is POSTed: leave the ce- headers out, or use POST.")
        )
    chosen, parameters = _route(operations, request.method, request.path)
    preconditions = _preconditions(headers)
    sent = _fields(request, chosen, body)
    if chosen.command.takes_last_event_id and headers.get("last-event-id"):
        sent["cursor"] = headers["last-event-id"]  # a client that connects again repeats the query of its first call
    if twice := sent.keys() & parameters.keys():
        raise HttpRefusal(problem(422, "Not a valid command", f"The path says {' and '.join(twice)}: leave it out."))
    try:
        command = chosen.command.model_validate(
            {**sent, **parameters}, context=QUERY if request.method in _BY_QUERY else None
        )
    except ValidationError as error:
        return answers.invalid(error, chosen.command)
    if request.method in _READING:
        answer = invoker.handle_call(chosen, command, origin, key=None, digest=b"")
        return answers.conditional(answer, preconditions)
    key = idempotency_key(invoker.function, user_id, headers.get("idempotency-key")) if chosen.types else None
    digest = digest_of(chosen.name, command, preconditions.canonical()) if key else b""
    return invoker.handle_call(chosen, command, origin, key=key, digest=digest, preconditions=preconditions)


def _answer_event(
    invoker: Invoker, operations: Sequence[Operation], origin: Origin, request: Request, body: bytes
) -> Answer:
    """A CloudEvent from a person: its ce-userid is ignored, and its id makes it safe to repeat.

    The event names its task itself, so its path must not: it is the function's root, or a collection.
    """
    headers = request.headers
    paths = {"/", *(route.path for each in operations for route in each.http if route.takes_events)}
    if request.path not in paths:
        _route(operations, request.method, request.path)
        detail = f"An event names its task itself: POST it to {' or '.join(sorted(paths))}."
        raise HttpRefusal(problem(400, "Malformed event", detail))
    if arguments := _arguments(request):
        detail = "there is no such query parameter; an event says all itself"
        raise HttpRefusal(answers.not_in_query(next(iter(arguments)), detail))
    if "idempotency-key" in headers:
        detail = "An event is told from its repeat by its id: leave Idempotency-Key out."
        raise HttpRefusal(problem(400, "Malformed event", detail))
    preconditions = _preconditions(headers)
    by_type = {event_type: each for each in operations for event_type in each.types}
    try:
        event = cloudevent.decode(headers, body)
        key = inbox_key(invoker.function, origin.user_id, event["source"], event["id"])
    except Malformed as error:
        return problem(400, "Malformed event", str(error))
    chosen = by_type.get(event["type"])
    if chosen is None:
        takes = ", ".join(by_type) or "no events"
        return problem(422, "Not for this function", f"{invoker.function} takes {takes}.")
    try:
        command = chosen.understand(event.get_data())
    except Malformed as error:
        return problem(400, "Malformed event", str(error))
    except ValidationError as error:
        return answers.invalid(error, chosen.command)
    origin = origin._replace(trace=origin.trace or cloudevent.trace_of(event.get_attributes()))
    digest = digest_of(event["type"], command, preconditions.canonical())
    return invoker.handle_call(chosen, command, origin, key=key, digest=digest, preconditions=preconditions)


def _by_address(invoker: Invoker, operations: Sequence[Operation], request: Request) -> Caller | None:
    """Whom the secret in the path speaks for, who may read and no more; None for a path that takes a token.

    Raises HttpRefusal (404), which is the same for a secret that was revoked and for one that never was.
    """
    if request.method not in _READING:
        return None
    matches = (route.match(request.path) for each in operations if each.by_address for route in each.http)
    parameters = next(filter(None, matches), None)
    if parameters is None:
        return None
    from taskmaster.identity.secret_address import digest_of as digest_of_secret

    digest = digest_of_secret(parameters["secret"])
    user_id = invoker.database.user_of_calendar(digest) if digest else None
    if user_id is None:
        raise HttpRefusal(_NOTHING_HERE)
    return Caller(user_id, frozenset({callers.READ}))


def signed_in(request: Request, tokens: Verifier | None, *, more: str = "") -> Caller:
    """Whom the bearer token speaks for. Raises HttpRefusal (401), whose challenge has `more` parameters."""
    try:
        return callers.caller(request.headers.get("authorization"), tokens=tokens, postpone=request.postpone)
    except callers.NotSignedIn as error:
        challenge = {"WWW-Authenticate": error.challenge + more}
        raise HttpRefusal(problem(401, "Not signed in", str(error), headers=challenge)) from None


@contextmanager
def in_turn(request: Request, user_id: str, pace: Pace) -> Iterator[None]:
    """Have a call done when it is its turn, and count how long it takes. Raises HttpRefusal (429) as `_await_turn`."""
    _await_turn(request, user_id, pace)
    began = time.monotonic()
    try:
        yield
    finally:
        pace.charge(user_id, time.monotonic() - began)


def _await_turn(request: Request, user_id: str, pace: Pace) -> None:
    """Return if it is the call's turn, else have it postponed. Raises HttpRefusal (429, RFC 6585) for too many."""
    if request.waited is not None:  # it has its turn; or it waited for an issuer's keys, which is as good
        return
    try:
        seconds = pace.take_turn(user_id, longest=_LONGEST_WAIT if request.postpone else 0.0)
    except TooManyCalls as error:
        detail = "You call faster than one user may. Wait as long as Retry-After says, then call again."
        retry = {"Retry-After": str(ceil(error.seconds))}
        raise HttpRefusal(problem(429, "Too many requests", detail, headers=retry)) from None
    if seconds and request.postpone:
        request.postpone(seconds)


def expect_scope(caller: Caller, scope: str, *, more: str = "") -> None:
    """Raises HttpRefusal (403) where the token lacks this scope; its challenge has `more` parameters."""
    if not caller.may(scope):
        error = callers.NotAllowed(scope)
        challenge = {"WWW-Authenticate": error.challenge + more}
        raise HttpRefusal(problem(403, "Not allowed", str(error), headers=challenge))


def _route(operations: Sequence[Operation], method: str, path: str) -> tuple[Operation, Mapping[str, int]]:
    asked = "GET" if method == "HEAD" else method
    allowed = set()
    for each in operations:
        for route in each.http:
            if (parameters := route.match(path)) is None:
                continue
            if route.method == asked:
                spans.rename(f"{asked} {route.path}")
                spans.note({"http.route": route.path})
                return each, {} if each.by_address else _ids(parameters)
            allowed |= {"GET", "HEAD"} if route.method == "GET" else {route.method}
    if allowed:
        allow = ", ".join(sorted(allowed))
        raise HttpRefusal(problem(405, "Method not allowed", f"Use {allow} here.", headers={"Allow": allow}))
    raise HttpRefusal(_NOTHING_HERE)


def _ids(parameters: Mapping[str, str]) -> dict[str, int]:
    """Path parameters, all of which are ids. HttpRefusal (404) for what is no number."""
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in parameters.values()):
        raise HttpRefusal(_NOTHING_HERE)
    return {name: int(text) for name, text in parameters.items()}


def _fields(request: Request, chosen: Operation, body: bytes) -> dict[str, Any]:
    """The fields in the query, or in a JSON object, which for PATCH is a merge patch (RFC 7396); never both."""
    arguments = _arguments(request)
    if request.method in _BY_QUERY:
        if body:
            detail = f"{request.method} takes no body: say it in the path and the query."
            raise HttpRefusal(problem(400, "A body where none is read", detail))
        for name, given in arguments.items():
            if isinstance(given, list) and not chosen.takes_several(name):
                raise HttpRefusal(answers.not_in_query(name, f"is there {len(given)} times: give it once"))
        return arguments
    if arguments:
        detail = f"there is no such query parameter; {request.method} takes its fields in the body"
        raise HttpRefusal(answers.not_in_query(next(iter(arguments)), detail))
    return _members(request, body)


def _arguments(request: Request) -> dict[str, Any]:
    try:
        return request.arguments()
    except ValueError:
        raise HttpRefusal(problem(400, "Not UTF-8", "The query must be UTF-8, percent-encoded.")) from None


def _members(request: Request, body: bytes) -> dict[str, Any]:
    """The members of the JSON object in the body; none where there is no body."""
    if not body.strip():
        return {}
    accepted = (cloudevent.JSON, _MERGE_PATCH) if request.method == "PATCH" else (cloudevent.JSON,)
    if cloudevent.media_type(request.headers) not in accepted:
        raise HttpRefusal(problem(415, "Unsupported media type", f"Send {' or '.join(accepted)}."))
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        detail = "Send the body as it is, without Content-Encoding."
        raise HttpRefusal(problem(415, "Unsupported encoding", detail, headers={"Accept-Encoding": "identity"}))
    try:
        fields = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise HttpRefusal(problem(400, "Not JSON", str(error))) from None
    if not isinstance(fields, dict):
        raise HttpRefusal(problem(422, "Not a valid command", "The body must be a JSON object."))
    return fields


def _preconditions(headers: Mapping[str, str]) -> Preconditions:
    try:
        return Preconditions.of(headers)
    except Unparsable as error:
        raise HttpRefusal(problem(400, "Not an ETag", str(error))) from None


def idempotency_key(function: str, user_id: str, given: str | None) -> InboxKey | None:
    """The inbox key of a call with this Idempotency-Key. Raises HttpRefusal (400)."""
    if given is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        wanted = "Idempotency-Key has 1 to 255 printable ASCII characters, and no blank at its ends."
        raise HttpRefusal(problem(400, "Not an idempotency key", wanted))
    return InboxKey(function, user_id, "idempotency-key", given)


def origin_of(function: str, user_id: str, headers: Mapping[str, str]) -> Origin:
    """What events inherit from this call: its correlation id, or a new one, and its trace (W3C Trace Context)."""
    correlation = headers.get("x-correlation-id") or headers.get("x-request-id") or ""
    usable = 0 < len(correlation) <= 128 and correlation.isascii() and not obstacle(correlation)
    return Origin(
        function=function,
        user_id=user_id,
        correlation_id=correlation if usable else new_id(),
        trace=spans.continued(cloudevent.trace_of(headers)),
    )
