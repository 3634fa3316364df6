"""What a collector is sent, and how the variables of OpenTelemetry's SDK say where to."""

import gzip
from email.message import Message

import pytest

from taskmaster.telemetry.collector import Collector
from tests.support.http_sink import http_sink

Call = tuple[str, "Message[str, str]", bytes]


def _sent(monkeypatch: pytest.MonkeyPatch, statuses: list[int], **variables: str) -> tuple[bool, list[Call]]:
    """Whether a collector with these answers took a request, and what arrived at it."""
    calls: list[Call] = []

    def answer(path: str, headers: "Message[str, str]", body: bytes) -> int:
        calls.append((path, headers, body))
        return statuses[min(len(calls), len(statuses)) - 1]

    with http_sink(answer) as url:
        for name, value in {"ENDPOINT": url, **variables}.items():
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value.replace("URL", url))
        return Collector().take(b"spans"), calls


def test_a_body_goes_to_the_path_of_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, [(path, headers, body)] = _sent(monkeypatch, [200])
    assert (taken, path, body) == (True, "/v1/traces", b"spans")
    assert headers["Content-Type"] == "application/x-protobuf"


def test_the_address_of_traces_alone_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    _, [(path, *_rest)] = _sent(monkeypatch, [200], ENDPOINT="http://127.0.0.1:1", TRACES_ENDPOINT="URL/here")
    assert path == "/here"


def test_headers_and_compression_are_as_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    _, [(_path, headers, body)] = _sent(monkeypatch, [200], HEADERS="api-key=a%20b,other=c", COMPRESSION="gzip")
    assert (headers["api-key"], headers["other"], headers["Content-Encoding"]) == ("a b", "c", "gzip")
    assert gzip.decompress(body) == b"spans"


def test_a_busy_collector_is_asked_again_and_a_refusal_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, calls = _sent(monkeypatch, [503, 200])
    assert (taken, len(calls)) == (True, 2)
    taken, calls = _sent(monkeypatch, [400, 200])
    assert (taken, len(calls)) == (False, 1)


def test_a_collector_that_is_not_there_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert not Collector().take(b"spans")
