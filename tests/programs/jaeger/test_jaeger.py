"""The story of a recurring task in Jaeger: exported by OTLP, and read back from it as one connected trace."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from knative.local.processes import base_environment, free_port, spawn, stop
from taskmaster.telemetry import spans
from tests.support.function_pack import Pack
from tests.support.function_process import eventually
from tests.support.recurring_story import CLIENT, PARENTS, TRACE, live_through

JAEGER = shutil.which("jaeger")
pytestmark = pytest.mark.skipif(JAEGER is None, reason="Jaeger is missing (make jaeger)")


@pytest.fixture
def jaeger() -> Iterator[tuple[str, str]]:
    """Jaeger with spans in memory: where it takes OTLP, and where it is asked."""
    ports = {name: free_port() for name in ("otlp", "query", "others")}
    listening = {
        "collector.otlp.http.host-port": ports["otlp"],
        "query.http-server.host-port": ports["query"],
        **dict.fromkeys(
            (
                *("collector.otlp.grpc.host-port", "collector.grpc-server.host-port"),
                *("collector.http-server.host-port", "query.grpc-server.host-port", "admin.http.host-port"),
            ),
            0,
        ),
    }
    options = [f"--{name}=127.0.0.1:{port}" for name, port in listening.items()]
    process = spawn([str(JAEGER), *options], env=base_environment(), output=subprocess.DEVNULL)
    otlp, query = (f"http://127.0.0.1:{ports[name]}" for name in ("otlp", "query"))
    try:
        eventually(lambda: _asked(f"{query}/api/services") is not None, "Jaeger's start", within=60)
        yield otlp, query
    finally:
        stop(process, grace=10)


def _asked(url: str) -> Any:
    try:
        answer = requests.get(url, timeout=10)
    except requests.ConnectionError:
        return None
    return answer.json() if answer.status_code == 200 else None


def _parent(span: Mapping[str, Any]) -> str:
    [reference] = [each for each in span["references"] if each["refType"] == "CHILD_OF"]
    return str(reference["spanID"])


def test_the_story_of_a_recurring_task_is_one_trace_in_jaeger(
    pack: Pack, jaeger: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    otlp, query = jaeger
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp)
    spans.configure(otlp, service="taskmaster")
    try:
        live_through(pack, monkeypatch)
    finally:
        spans.close(10)

    def shown() -> list[dict[str, Any]]:
        found = _asked(f"{query}/api/traces/{TRACE}")
        [trace] = found["data"] if found else [{"spans": []}]
        names = {span["operationName"] for span in trace["spans"]}
        return list(trace["spans"]) if names >= PARENTS.keys() else []

    story = eventually(shown, "the whole story in Jaeger")
    by_name = {span["operationName"]: span for span in story}
    assert {name: _parent(by_name[name]) for name in PARENTS} == {
        name: by_name[parent]["spanID"] if parent else CLIENT for name, parent in PARENTS.items()
    }
    assert {_parent(span) for span in story} <= {span["spanID"] for span in story} | {CLIENT}
