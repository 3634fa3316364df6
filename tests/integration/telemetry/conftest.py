"""Fixtures: a receiver of OTLP, and telemetry that is on in this process while a test runs."""

from collections.abc import Iterator

import pytest

from taskmaster.telemetry import spans
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture
def exported(otlp: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    """What the functions of this process export."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url)
    spans.configure(otlp.url, service="taskmaster")
    try:
        yield otlp
    finally:
        spans.close(10)
