"""A process as a pod runs it: its start is a span, what it did is exported within a second, and at its end at once."""

import json
from collections.abc import Mapping
from functools import partial
from uuid import uuid4

from tests.support.function_process import FunctionProcess, eventually
from tests.support.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def has_lines(process: FunctionProcess, count: int) -> bool:
    return len(process.lines) == count


def test_a_start_from_zero_shows_and_nothing_is_lost_at_the_end(
    connected: Mapping[str, str], otlp: OtlpReceiver
) -> None:
    user = f"user-{uuid4()}"
    with FunctionProcess("create-task", {**connected, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url}) as create:
        assert create.call("POST", "/tasks", {"title": "x"}, user=user, traceparent=PARENT).status_code == 201
        eventually(lambda: {"POST /tasks", "start", "send task-events"} <= {span.name for span in otlp.of_trace(TRACE)})
        call, start, sent = (
            next(span for span in otlp.of_trace(TRACE) if span.name == name)
            for name in ("POST /tasks", "start", "send task-events")
        )
        assert create.call("POST", "/tasks", {"title": "x"}, user=user).status_code == 201
        assert create.terminate() == 0
    assert {call.trace, start.trace, sent.trace} == {TRACE}
    assert start.parent == sent.parent == call.id
    assert call.attributes["faas.coldstart"]
    assert start.began < call.began
    assert 0.05 < start.seconds < 30
    assert abs(call.attributes["faas.init_duration"] - start.seconds) < 0.001
    assert call.service == sent.service == "create-task"
    [_, warm] = otlp.named("POST /tasks")
    assert not warm.attributes["faas.coldstart"]
    eventually(lambda: len(otlp.named("send task-events")) >= 2, "the span of what was published at the end")
    assert {"faas.name": "create-task", "faas.trigger": "http"} in otlp.metrics["faas.coldstarts"]
    assert otlp.metrics["faas.invoke_duration"]
    assert otlp.metrics["faas.init_duration"]


def test_a_call_that_waited_for_its_turn_is_one_span_and_one_line(
    connected: Mapping[str, str], otlp: OtlpReceiver
) -> None:
    user = f"user-{uuid4()}"
    paced = {**connected, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url, "USER_CALLS_PER_SECOND": "0.5"}
    with FunctionProcess("query-tasks", paced) as query:
        calls = 0
        while not any("waited_ms" in line for line in query.lines):  # the turns are two seconds apart
            assert query.call("GET", "/tasks", user=user).status_code == 200
            calls += 1
            eventually(partial(has_lines, query, calls), "a line for each call")
        assert query.terminate() == 0
        lines = list(map(json.loads, query.lines))
    assert {each["outcome"] for each in lines} == {"done"}
    assert lines[-1]["duration_ms"] > lines[-1]["waited_ms"] > 0
    eventually(lambda: len(otlp.named("GET /tasks")) == calls, "a span for each call")
    assert not otlp.named("query-tasks"), "one that waited has no span of its own"
    last = max(otlp.named("GET /tasks"), key=lambda span: span.began)
    assert last.attributes["waited_ms"] == lines[-1]["waited_ms"]
    assert last.seconds * 1000 >= last.attributes["waited_ms"]
    assert not last.is_error
