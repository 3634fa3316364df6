"""Spans as OTLP's protocol buffers have them, made at once: by way of the SDK's own spans it takes five times as long.

What exports shares a machine's cores with what answers, so this time is a part of other requests' answers.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from taskmaster.telemetry.spans import EndedSpan, Kind, Value
from taskmaster.telemetry.trace_context import TraceContext

_KINDS: dict[Kind, "otlp.Span.SpanKind.ValueType"] = {
    "internal": otlp.Span.SPAN_KIND_INTERNAL,
    "server": otlp.Span.SPAN_KIND_SERVER,
    "client": otlp.Span.SPAN_KIND_CLIENT,
    "producer": otlp.Span.SPAN_KIND_PRODUCER,
    "consumer": otlp.Span.SPAN_KIND_CONSUMER,
}
_LOCAL = otlp.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _LOCAL | otlp.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_FAILED = otlp.Status(code=otlp.Status.STATUS_CODE_ERROR)
_MOST_ATTRIBUTES = 4_096  # of different values that are kept; most come again with each request


def request(spans: Iterable[EndedSpan], *, resource: Mapping[str, Any], scope: tuple[str, str]) -> bytes:
    """The body of one request to a collector (OTLP 1.0, ExportTraceServiceRequest). `scope` is a name and a version."""
    of_scope = otlp.ScopeSpans(
        scope=InstrumentationScope(name=scope[0], version=scope[1]), spans=[_span(each) for each in spans]
    )
    of_resource = otlp.ResourceSpans(resource=Resource(attributes=_attributes(resource)), scope_spans=[of_scope])
    body: bytes = ExportTraceServiceRequest(resource_spans=[of_resource]).SerializeToString()
    return body


def _span(span: EndedSpan) -> otlp.Span:
    encoded = otlp.Span(
        trace_id=_trace_id(span.context),
        span_id=_span_id(span.context),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.began,
        end_time_unix_nano=span.ended,
        attributes=_attributes(span.attributes),
        flags=_REMOTE if span.parent else _LOCAL,
    )
    if span.context.tracestate:
        encoded.trace_state = span.context.tracestate
    if span.parent:
        encoded.parent_span_id = _span_id(span.parent)
    if span.links:
        encoded.links.extend(_link(each) for each in span.links)
    if span.error:
        encoded.attributes.append(_attribute("error.type", span.error))
        encoded.status.CopyFrom(_FAILED)
    return encoded


def _link(context: TraceContext) -> otlp.Span.Link:
    return otlp.Span.Link(
        trace_id=_trace_id(context), span_id=_span_id(context), trace_state=context.tracestate, flags=_REMOTE
    )


def _attributes(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [_attribute(name, value) for name, value in attributes.items()]


@lru_cache(_MOST_ATTRIBUTES, typed=True)  # for Python 1, 1.0 and True are equal
def _attribute(name: str, value: Value) -> KeyValue:
    match value:
        case bool():
            return KeyValue(key=name, value=AnyValue(bool_value=value))
        case int():
            return KeyValue(key=name, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=name, value=AnyValue(double_value=value))
        case _:
            return KeyValue(key=name, value=AnyValue(string_value=value))


def _trace_id(context: TraceContext) -> bytes:
    return bytes.fromhex(context.trace_id)


def _span_id(context: TraceContext) -> bytes:
    return bytes.fromhex(context.span_id)
