"""The span of one invocation, by the semantic conventions for FaaS, HTTP and messaging."""

from collections.abc import Mapping

from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed, Received
from taskmaster.telemetry import spans
from taskmaster.telemetry.spans import NoSpan, Span
from taskmaster.telemetry.trace_context import TraceContext
from taskmaster.web.request import Request

_OF_EVENTS = {
    "ce-type": "cloudevents.event_type",
    "ce-source": "cloudevents.event_source",
    "ce-knativekafkapartition": "messaging.destination.partition.id",
    "ce-knativekafkaoffset": "messaging.kafka.offset",
}
_LONGEST = 256


def request_span(
    request: Request, function: str, *, is_event: bool, system: str, began: int, is_first: bool
) -> Span | NoSpan:
    """A span that began at `began`, in the trace of the request. It has the name of the function until more is known.

    `system` is the messaging system that brings events.
    With the first request of a process, its start is recorded too.
    """
    headers = request.headers
    if not spans.is_on():
        return NoSpan()
    if not is_event:
        span = spans.start(function, "server", parent=cloudevent.trace_of(headers), began=began)
    else:
        trace = _trace_of_event(headers, request.body or b"")
        is_timer = headers.get("ce-type") == cloudevent.PING
        span = spans.start(function, "server" if is_timer else "consumer", parent=trace, began=began)
        if not is_timer:
            span.set({"messaging.system": system, "messaging.operation.name": "process"})
            span.set({"messaging.operation.type": "process"})
        span.set({named: headers[name][:_LONGEST] for name, named in _OF_EVENTS.items() if name in headers})
    if is_first:
        spans.record_start(span)
    return span


def _trace_of_event(headers: Mapping[str, str], body: bytes) -> TraceContext | None:
    """The trace of an event that is not decoded yet; None for what is no event."""
    received = Received(headers, body)
    try:
        is_wrapped = received.attributes.get("type") == cloudevent.WRAPPED
        return cloudevent.trace_of(received.event.get_attributes() if is_wrapped else received.attributes)
    except Malformed:
        return None
