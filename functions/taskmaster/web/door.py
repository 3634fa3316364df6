"""The decorators that make a handler a function: a request comes in, an answer goes out, no exception leaves.

A function has two doors, told apart by path, because no header can prove who calls: /events takes CloudEvents from
inside the cluster and believes their userid; every other path is for people, whose bearer token names the user.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from taskmaster import log
from taskmaster.broker.transport import BrokerUnavailable
from taskmaster.database.session import Busy, Unavailable
from taskmaster.events import cloudevent
from taskmaster.events.outgoing import Outgoing
from taskmaster.handling.answers import NO_CONTENT, Answer, HttpRefusal, problem
from taskmaster.handling.idempotency import Mismatch
from taskmaster.handling.invocation import Invoker
from taskmaster.handling.operation import Operation, described
from taskmaster.identity import callers
from taskmaster.identity.jwks import KeysUnavailable
from taskmaster.runtime import LazyRuntime, Runtime
from taskmaster.settings import BROKER, read
from taskmaster.telemetry.spans import NoSpan, Span
from taskmaster.web.http_call import answer_call
from taskmaster.web.request import Request
from taskmaster.web.tracing import request_span

if TYPE_CHECKING:
    from taskmaster.domain.changes import ChangeStream

logger = logging.getLogger(__name__)

EVENTS = "/events"
_LARGEST_DEAD_LETTER = 10_485_760
_NEEDS = ("database_url", "system_database_url", BROKER)

# Body, status, headers: as Flask takes them, and our own server. The body of a stream comes in pieces.
Response = tuple[str | Iterator[bytes], int, dict[str, str]]
Function = Callable[[Any], Response]
Handler = Callable[..., Any]


def operation(
    *types: str, http: Sequence[str] = (), status: int = 200, destructive: bool = False, idempotent: bool = True
) -> Callable[[Handler], Function]:
    """Make a handler `(command, work)` a function: `types` are the events it takes, `http` its routes for people.

    A route's path parameters are fields of the command; `status` is that of a call which succeeds. Whether something
    may be lost by it, and whether doing it twice is doing it once, is told to assistants.
    """
    describe = handles(*types, http=http, status=status, destructive=destructive, idempotent=idempotent)
    return lambda handler: function(handler.__name__, describe(handler))


def handles(
    *types: str,
    http: Sequence[str] = (),
    status: int = 200,
    destructive: bool = False,
    idempotent: bool = True,
    by_address: bool = False,
) -> Callable[[Handler], Operation]:
    """Describe a handler as `operation` does, for a `function` that serves several.

    `by_address`: the {secret} in its path says who calls, for programs that can send no token. It only reads.
    """
    more = {"status": status, "destructive": destructive, "idempotent": idempotent, "by_address": by_address}
    return lambda handler: described(handler, types=types, http=tuple(http), **more)


def function(target: str, *operations: Operation) -> Function:
    """One function that serves these operations. `target` is its name for functions-framework."""
    by_type = {event_type: each for each in operations for event_type in each.types}
    name = target.replace("_", "-")

    def answer(runtime: Runtime, request: Request, body: bytes) -> Answer:
        invoker = Invoker(function=name, settings=runtime.settings, database=runtime.database)
        if request.path != EVENTS:
            return answer_call(
                invoker, operations, request, body, tokens=runtime.user_tokens, pace=runtime.pace_of_users
            )
        _expect_event(runtime, request)
        return invoker.handle_event(by_type, request.headers, body)

    made = served(target, answer, publishes=True)
    made.operations = operations  # type: ignore[attr-defined]  # for the documents, and for assistants' tools
    return made


def tick(handler: Callable[[Runtime], None]) -> Function:
    """Make a handler a function that a PingSource wakes. Ticks are not remembered: each looks at all there is."""
    return woken_by()(handler)


def woken_by(*types: str) -> Callable[[Callable[[Runtime], None]], Function]:
    """The same for a function that these events wake beside a PingSource. Their data is not read."""

    def decorate(handler: Callable[[Runtime], None]) -> Function:
        def answer(runtime: Runtime, request: Request, body: bytes) -> Answer:
            _expect_event(runtime, request)
            if request.headers.get("ce-type") in (cloudevent.PING, *types):
                handler(runtime)
            return NO_CONTENT

        return served(handler.__name__, answer)

    return decorate


def dead_letter_sink(handler: Callable[[Outgoing, Runtime], None]) -> Function:
    """Make a handler a function that gets the events that could not be handled, unchanged."""

    def answer(runtime: Runtime, request: Request, body: bytes) -> Answer:
        _expect_event(runtime, request)
        handler(cloudevent.Received(request.headers, body).as_dead_letter(), runtime)
        return NO_CONTENT

    # An event that was too large for its function must not be too large for the dead letters.
    return served(handler.__name__, answer, needs=(BROKER,), limit=_LARGEST_DEAD_LETTER)


def served(
    target: str,
    answer: Callable[[Runtime, Request, bytes], Answer],
    *,
    needs: tuple[str, ...] = _NEEDS,
    publishes: bool = False,
    limit: int | None = None,
) -> Function:
    """A function as functions-framework calls it: with a request of Flask, for a response as Flask takes it."""
    is_served = os.environ.get("FUNCTION_TARGET") == target  # else it is only imported; wrong settings end the process
    lazy = LazyRuntime(read(os.environ, needs=needs) if is_served else None, acts_for_users=publishes)
    from_zero = iter([True])
    name = target.replace("_", "-")

    def serve(flask_request: Any) -> Response:
        began, is_first = time.time_ns(), next(from_zero, False)
        with log.invoked(name, from_zero=is_first) as line, ExitStack() as tracing:
            span: Span | NoSpan = NoSpan()
            error: Exception | None = None
            streamed: Response | None = None
            try:
                runtime = lazy.get()
                largest = limit or runtime.settings.max_body_bytes
                request = Request.read(flask_request.environ, limit=largest)
                line.note(**_trigger(request))
                if request.waited is not None:  # a call that was postponed is one invocation, from its arrival on
                    line.waited(request.waited)
                    began -= int(request.waited * 1e9)
                is_event = request.path == EVENTS
                system = runtime.settings.transport
                span = request_span(request, name, is_event=is_event, system=system, began=began, is_first=is_first)
                tracing.enter_context(span)
                if request.body is None:
                    raise HttpRefusal(problem(413, "Too large", f"A request has at most {largest} bytes."))
                given = answer(runtime, request, request.body)
                if publishes:
                    runtime.publish_after_request(may_have_written=request.method not in ("GET", "HEAD"))
                if given.stream and request.method != "HEAD":
                    streamed = _streamed(given.stream, _response(given), runtime, flask_request.environ)
            except Exception as raised:
                error = raised
                given = answer_to(error)
            outcome = outcome_of(given, error)
            line.note(**{"http.response.status_code": given.status})
            line.finish(outcome)
            span.set({**line.fields, **log.context.get(), "taskmaster.outcome": outcome})
            if given.status >= 500:
                span.fail(type(error).__name__ if error else outcome)
        return streamed or _response(given)

    serve.__name__ = target
    serve.runtime = lazy  # type: ignore[attr-defined]  # for the server, which forks the publisher and closes it
    serve.largest_body = limit  # type: ignore[attr-defined]  # for the server, which reads no more than that
    return serve


def _trigger(request: Request) -> dict[str, Any]:
    """What triggered a function: nothing of the path, which a person chose."""
    if request.path != EVENTS:
        return {"faas.trigger": "http", "http.request.method": request.method}
    return {"faas.trigger": "timer" if request.headers.get("ce-type") == cloudevent.PING else "pubsub"}


def outcome_of(answer: Answer, error: Exception | None) -> str:
    """One word for what came of an invocation."""
    match error:
        case Busy():
            return "busy"
        case Unavailable() | BrokerUnavailable() | KeysUnavailable():
            return "unavailable"
        case None | HttpRefusal() | Mismatch():
            if answer.status >= 400:
                return "refused"
            return "parked" if answer.reason else "done"
    return "failed"


def _streamed(stream: "ChangeStream", response: Response, runtime: Runtime, environ: Mapping[str, Any]) -> Response:
    """An answer whose body is written over time, on our own server without a thread of it. Raises HttpRefusal."""
    from taskmaster.streaming.sinks import QueueSink
    from taskmaster.streaming.streams import TooManyStreams

    keep_open = environ.get("bounded_waitress.stream")
    try:
        sink = runtime.change_streams.open(stream.user_id, stream.position, keep_open or QueueSink)
    except TooManyStreams:
        detail = "You have as many streams as one user may have. End one, or try again later."
        raise HttpRefusal(problem(429, "Too many streams", detail, headers={"Retry-After": "5"})) from None
    return sink.body() if isinstance(sink, QueueSink) else iter(()), *response[1:]


def answer_to(error: Exception) -> Answer:
    """The answer where an invocation raised."""
    match error:
        case HttpRefusal():
            return error.answer
        case Mismatch():
            return problem(422, "Another command came under this id", str(error))
        case Busy():
            return problem(409, "Being handled", "This is being handled right now. Try again in a moment.")
        case Unavailable() | BrokerUnavailable() | KeysUnavailable():
            logger.warning("unavailable: %s", error)
            return problem(503, "Try again later", "The back end is away or busy.", headers={"Retry-After": "2"})
        case _:
            logger.error("an invocation failed", exc_info=error)
            return problem(500, "Failed", "Something went wrong here. The log has it.")


def _expect_event(runtime: Runtime, request: Request) -> None:
    """Raises HttpRefusal unless it is an event at /events from inside the cluster; and KeysUnavailable."""
    if request.path != EVENTS or not _is_believed(runtime, request):
        # Not 401, which no source retries: an event is not lost while the token of its source is not yet valid.
        raise HttpRefusal(problem(404, "Not found", "There is nothing at this path."))
    if request.method != "POST":
        raise HttpRefusal(problem(405, "Method not allowed", "Events are POSTed.", headers={"Allow": "POST"}))
    if not cloudevent.is_event(request.headers):
        is_batch = cloudevent.media_type(request.headers) == cloudevent.BATCH
        wanted = "Batches are not taken: send" if is_batch else "Send"
        raise HttpRefusal(
            problem(400, "Malformed event", f"{wanted} one CloudEvent 1.0, in binary or structured mode.")
        )


def _is_believed(runtime: Runtime, request: Request) -> bool:
    settings = runtime.settings
    return callers.sends_events(
        request.host,
        request.headers.get("authorization"),
        also_trusted=settings.event_hosts,
        tokens=runtime.event_tokens,
        subjects=settings.event_oidc_subjects,
        required=settings.event_oidc_required,
        postpone=request.postpone,
    )


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.status != 304:  # which describes no content that it does not carry (RFC 9110, 15.4.5)
        headers["Content-Type"] = answer.content_type
    if answer.reason:
        headers["kne-reason"] = answer.reason
    return answer.body, answer.status, headers
