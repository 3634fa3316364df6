"""Spans and metrics on their way to a collector. Only this module imports the SDK.

Metrics are counted from the spans of invocations and of publishing: by the names of the semantic conventions for FaaS
and for messaging.
"""

import math
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from taskmaster.telemetry.collector import Collector
from taskmaster.telemetry.protobuf import request
from taskmaster.telemetry.spans import EndedSpan, Value

_NAME = "taskmaster"


class Otlp:
    """Exports spans, and metrics that are counted from them."""

    def __init__(self, *, service: str, instance: str) -> None:
        """Where to, and with which headers, the environment says."""
        self._version = _version()
        self._resource = Resource.create(
            {
                "service.namespace": _NAME,
                "service.name": service,
                "service.instance.id": instance,
                "service.version": self._version,
            }
        )
        self._collector = Collector()
        # Pushed at the end of work, never by a clock: a process without work has nothing to say.
        self._reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=math.inf)
        self._meters = MeterProvider([self._reader], self._resource, shutdown_on_exit=False)
        meter = self._meters.get_meter(_NAME, self._version)
        self._invocations = meter.create_counter("faas.invocations", "{invocation}", "invocations that succeeded")
        self._errors = meter.create_counter("faas.errors", "{error}", "invocations that failed")
        self._cold_starts = meter.create_counter("faas.coldstarts", "{coldstart}", "starts from zero")
        self._durations = meter.create_histogram("faas.invoke_duration", "s", "how long an invocation took")
        self._starts = meter.create_histogram("faas.init_duration", "s", "how long a start from zero took")
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "records that were published")

    def send(self, spans: Sequence[EndedSpan]) -> bool:
        """Export spans. Whether they were taken."""
        self._count(spans)
        recorded = [span for span in spans if span.is_recorded]
        resource, scope = self._resource.attributes, (_NAME, self._version)
        return not recorded or self._collector.take(request(recorded, resource=resource, scope=scope))

    def push_metrics(self) -> None:
        self._reader.force_flush(5_000)

    def close(self) -> None:
        self._collector.close()
        self._reader.shutdown()

    def _count(self, spans: Sequence[EndedSpan]) -> None:
        """Counters are added to once for spans that count alike: to add costs as much as to encode a span."""
        counts = Counter[tuple[metrics.Counter, tuple[tuple[str, Value], ...]]]()
        for span in spans:
            said = span.attributes
            if "faas.trigger" in said:
                about = {"faas.name": said["faas.name"], "faas.trigger": said["faas.trigger"]}
                of_these = tuple(about.items())
                counts[self._errors if span.error else self._invocations, of_these] += 1
                counts[self._cold_starts, of_these] += bool(said.get("faas.coldstart"))
                self._durations.record((span.ended - span.began) / 1e9, about)
                if start := said.get("faas.init_duration"):
                    self._starts.record(float(start), about)
            elif said.get("messaging.operation.type") == "send":
                about = {name: said[name] for name in ("messaging.system", "messaging.destination.name")}
                if span.error:
                    about["error.type"] = span.error
                counts[self._sent, tuple(about.items())] += 1
        for (counter, of_these), count in counts.items():
            counter.add(count, dict(of_these))


def _version() -> str:
    try:
        return version("taskmaster-functions")
    except PackageNotFoundError:
        return "0"  # the image has the files, and no metadata of the package
