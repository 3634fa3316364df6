"""The other end of OTLP over HTTP: takes what is exported to it, decodes the protobuf, and keeps the spans."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Exported
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.function_process import eventually
from tests.support.http_sink import http_sink


@dataclass(frozen=True)
class ReceivedSpan:
    """One span as it arrived. Ids are in hexadecimal; `parent` is '' where there is none."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    links: list[tuple[str, str]]  # trace and span
    attributes: dict[str, Any]
    is_error: bool
    seconds: float
    began: int


@dataclass
class OtlpReceiver:
    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by name, the attributes of each point
    status: int = 200

    def named(self, name: str) -> list[ReceivedSpan]:
        return [span for span in list(self.spans) if span.name == name]

    def of_trace(self, trace: str) -> list[ReceivedSpan]:
        return [span for span in list(self.spans) if span.trace == trace]

    def wait_for(self, *names: str) -> list[ReceivedSpan]:
        """A span of each of these names, once all have arrived."""
        eventually(lambda: all(map(self.named, names)), f"spans {names}; there are {[s.name for s in self.spans]}")
        return [self.named(name)[-1] for name in names]

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            sent = ExportTraceServiceRequest.FromString(body)
            for resource in sent.resource_spans:
                service = _attributes(resource.resource.attributes)["service.name"]
                self.spans += [_received(service, span) for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for of_process in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (metric for scope in of_process.scope_metrics for metric in scope.metrics):
                    points = [*metric.sum.data_points, *metric.histogram.data_points]
                    self.metrics.setdefault(metric.name, []).extend(_attributes(each.attributes) for each in points)


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Listens on the loopback while its context is entered."""
    received = OtlpReceiver("")

    def take(path: str, headers: Message[str, str], body: bytes) -> int:
        if received.status == 200:
            received.take(path, gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)
        return received.status

    with http_sink(take) as received.url:
        yield received


def _received(service: str, span: Exported) -> ReceivedSpan:
    hexadecimal: Callable[[bytes], str] = bytes.hex
    return ReceivedSpan(
        service=service,
        name=span.name,
        kind=Exported.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=hexadecimal(span.trace_id),
        id=hexadecimal(span.span_id),
        parent=hexadecimal(span.parent_span_id),
        state=span.trace_state,
        links=[(hexadecimal(link.trace_id), hexadecimal(link.span_id)) for link in span.links],
        attributes=_attributes(span.attributes),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        began=span.start_time_unix_nano,
    )


def _attributes(listed: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in listed}
