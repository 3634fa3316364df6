"""A span as OTLP has it, read back by OpenTelemetry's own classes."""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from taskmaster.telemetry.protobuf import request
from taskmaster.telemetry.spans import EndedSpan
from taskmaster.telemetry.trace_context import TraceContext

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = TraceContext(f"00-{TRACE}-b7ad6b7169203331-01", "vendor=1")
CONTEXT = TraceContext(f"00-{TRACE}-00f067aa0ba902b7-01", "vendor=1")
ELSEWHERE = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def _sent(*spans: EndedSpan) -> otlp.ResourceSpans:
    body = request(spans, resource={"service.name": "create-task"}, scope=("taskmaster", "1.2"))
    sent: otlp.ResourceSpans
    [sent] = ExportTraceServiceRequest.FromString(body).resource_spans
    return sent


def _span(**fields: Any) -> EndedSpan:
    plain = EndedSpan("POST /tasks", "server", CONTEXT, None, [], {}, "", began=5, ended=9, is_recorded=True)
    return plain._replace(**fields)


def test_a_request_names_its_resource_and_its_scope() -> None:
    sent = _sent(_span(), _span())
    [service] = sent.resource.attributes
    assert (service.key, service.value.string_value) == ("service.name", "create-task")
    [of_scope] = sent.scope_spans
    assert (of_scope.scope.name, of_scope.scope.version, len(of_scope.spans)) == ("taskmaster", "1.2", 2)


def test_a_span_has_its_ids_times_parent_and_links() -> None:
    [first, inner] = _sent(_span(), _span(kind="client", parent=PARENT, links=[ELSEWHERE])).scope_spans[0].spans
    assert (first.trace_id.hex(), first.span_id.hex(), first.parent_span_id) == (TRACE, CONTEXT.span_id, b"")
    assert (first.start_time_unix_nano, first.end_time_unix_nano, first.trace_state) == (5, 9, "vendor=1")
    assert (first.kind, inner.kind) == (otlp.Span.SPAN_KIND_SERVER, otlp.Span.SPAN_KIND_CLIENT)
    assert inner.parent_span_id.hex() == PARENT.span_id
    assert [(each.trace_id.hex(), each.span_id.hex()) for each in inner.links] == [
        (ELSEWHERE.trace_id, ELSEWHERE.span_id)
    ]


def test_values_that_python_takes_for_equal_keep_their_types() -> None:
    spans = [_span(attributes={"n": value}) for value in (1, True, 1.0, "1", 0, False, 0.0)]
    values = [each.attributes[0].value for each in _sent(*spans).scope_spans[0].spans]
    kinds = [str(value.WhichOneof("value")).removesuffix("_value") for value in values]
    assert kinds == ["int", "bool", "double", "string", "int", "bool", "double"]
    assert [value.bool_value for value in (values[1], values[5])] == [True, False]


def test_a_failed_span_says_its_kind_of_error() -> None:
    [failed, well] = _sent(_span(error="Busy"), _span()).scope_spans[0].spans
    assert [(each.key, each.value.string_value) for each in failed.attributes] == [("error.type", "Busy")]
    assert (failed.status.code, well.status.code) == (otlp.Status.STATUS_CODE_ERROR, otlp.Status.STATUS_CODE_UNSET)
