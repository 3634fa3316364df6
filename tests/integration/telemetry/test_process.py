"""A process as a pod runs it: its start is a span, what it did is exported within a second, and at its end at once."""

from collections.abc import Mapping
from uuid import uuid4

from tests.support.function_process import FunctionProcess, eventually
from tests.support.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


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
