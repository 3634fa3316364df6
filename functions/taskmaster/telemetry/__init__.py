"""Traces and metrics: trace context always, spans where OTEL_EXPORTER_OTLP_ENDPOINT is set. Start at `spans.start`."""
