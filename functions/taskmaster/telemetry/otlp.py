"""Spans and metrics as the SDK of OpenTelemetry has them. The only module that imports it.

Metrics are counted from the spans of invocations and of publishing: by the names of the semantic conventions for FaaS
and for messaging.
"""

import math
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from taskmaster.telemetry.spans import Kind, Span
from taskmaster.telemetry.trace_context import TraceContext

_NAME = "taskmaster"
_KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class Otlp:
    """Exports spans, and metrics that are counted from them."""

    def __init__(self, *, service: str, instance: str) -> None:
        """Where to, and with which headers, the environment says."""
        self._resource = Resource.create(
            {
                "service.namespace": _NAME,
                "service.name": service,
                "service.instance.id": instance,
                "service.version": _version(),
            }
        )
        self._scope = InstrumentationScope(_NAME, _version())
        self._spans = OTLPSpanExporter()
        # Pushed at the end of work, never by a clock: a process without work has nothing to say.
        self._reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=math.inf)
        self._meters = MeterProvider([self._reader], self._resource, shutdown_on_exit=False)
        meter = self._meters.get_meter(_NAME, _version())
        self._invocations = meter.create_counter("faas.invocations", "{invocation}", "invocations that succeeded")
        self._errors = meter.create_counter("faas.errors", "{error}", "invocations that failed")
        self._cold_starts = meter.create_counter("faas.coldstarts", "{coldstart}", "starts from zero")
        self._durations = meter.create_histogram("faas.invoke_duration", "s", "how long an invocation took")
        self._starts = meter.create_histogram("faas.init_duration", "s", "how long a start from zero took")
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "records that were published")

    def send(self, spans: Sequence[Span]) -> bool:
        """Export spans. Whether they were taken."""
        for span in spans:
            self._count(span)
        recorded = [self._readable(span) for span in spans if span.is_recorded]
        return not recorded or self._spans.export(recorded) is SpanExportResult.SUCCESS

    def push_metrics(self) -> None:
        self._reader.force_flush(5_000)

    def close(self) -> None:
        self._spans.shutdown()  # type: ignore[no-untyped-call]
        self._reader.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            span.name,
            context=_context(span.context, is_remote=False),
            parent=_context(span.parent, is_remote=True) if span.parent else None,
            resource=self._resource,
            attributes={**span.attributes, "error.type": span.error} if span.error else span.attributes,
            links=[Link(_context(each, is_remote=True)) for each in span.links],
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=span.began,
            end_time=max(span.ended, span.began),  # the machine's clock may be set back
            instrumentation_scope=self._scope,
        )

    def _count(self, span: Span) -> None:
        said = span.attributes
        seconds = max(span.ended - span.began, 0) / 1e9
        if "faas.trigger" in said:
            about = {"faas.name": said["faas.name"], "faas.trigger": said["faas.trigger"]}
            (self._errors if span.error else self._invocations).add(1, about)
            self._durations.record(seconds, about)
            if said.get("faas.coldstart"):
                self._cold_starts.add(1, about)
            if start := said.get("faas.init_duration"):
                self._starts.record(float(start), about)
        elif said.get("messaging.operation.type") == "send":
            about = {name: said[name] for name in ("messaging.system", "messaging.destination.name")}
            self._sent.add(1, {**about, "error.type": span.error} if span.error else about)


def _context(context: TraceContext, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote,
        TraceFlags(TraceFlags.SAMPLED if context.is_sampled else TraceFlags.DEFAULT),
        TraceState.from_header([context.tracestate] if context.tracestate else []),
    )


def _version() -> str:
    try:
        return version("taskmaster-functions")
    except PackageNotFoundError:
        return "0"  # the image has the files, and no metadata of the package
