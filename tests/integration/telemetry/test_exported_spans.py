"""What is exported by OTLP: the whole story of a recurring task, and what else a trace is to show."""

import pytest

from taskmaster.broker.outbox import publish
from taskmaster.telemetry import spans
from tests.support.function_pack import Pack
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.recurring_story import CLIENT, PARENTS, STORY, TRACE, live_through


def children(exported: OtlpReceiver, parent: ReceivedSpan) -> set[str]:
    return {span.name for span in exported.spans if span.parent == parent.id}


def complete(pack: Pack, task_id: int, **headers: str) -> None:
    assert pack.call("complete-task", "POST", f"/tasks/{task_id}/complete", **headers).status_code == 200


def test_the_story_of_a_recurring_task_is_one_trace(
    pack: Pack, exported: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Create, complete, successor, reminder, webhook: each span has its parent in the trace, up to the client's own."""
    request = live_through(pack, monkeypatch)
    spans.close(10)
    story = exported.of_trace(TRACE)
    assert {span.parent for span in story} <= {span.id for span in story} | {CLIENT}
    assert {span.state for span in story} == {"app=1"}
    assert not any(span.is_error for span in story)
    found = {name: exported.named(name)[0] for name in PARENTS}
    assert {name: span.parent for name, span in found.items()} == {
        name: found[parent].id if parent else CLIENT for name, parent in PARENTS.items()
    }
    assert [span.kind for span in found.values()] == ["server", "server", "consumer", "producer", "consumer", "client"]
    post = found["POST"]
    assert request.headers["traceparent"] == f"00-{TRACE}-{post.id}-01"
    assert (post.attributes["http.request.method"], post.attributes["http.response.status_code"]) == ("POST", 200)


def test_a_span_says_how_an_invocation_went(pack: Pack, exported: OtlpReceiver) -> None:
    created = pack.call("create-task", "POST", "/tasks", {"title": "a secret plan"}, X_Correlation_Id="c-1")
    pack.event("create-task", "task.create", {"title": ""}, event_id="e-1", knativekafkaoffset="7")
    spans.close(10)
    assert created.status_code == 201
    [call], [event] = exported.named("POST /tasks"), exported.named("process task.create")
    assert call.parent == ""  # a trace of its own
    assert call.attributes == {
        "faas.name": "create-task", "faas.trigger": "http", "faas.coldstart": False,
        "http.request.method": "POST", "http.route": "/tasks", "http.response.status_code": 201,
        "db.round_trips": call.attributes["db.round_trips"], "messaging.message.conversation_id": "c-1",
        "taskmaster.outcome": "done",
    }  # fmt: skip
    [transaction] = [span for span in exported.named("user transaction") if span.parent == call.id]
    assert transaction.kind == "client"
    assert transaction.attributes == {
        "db.system.name": "postgresql",
        "taskmaster.db.round_trips": call.attributes["db.round_trips"],
    }
    assert event.attributes["faas.trigger"] == "pubsub"
    assert event.attributes["cloudevents.event_id"] == "e-1"
    assert event.attributes["cloudevents.event_type"] == "task.create"
    assert event.attributes["messaging.kafka.offset"] == "7"
    assert (event.attributes["messaging.system"], event.attributes["messaging.operation.type"]) == ("kafka", "process")
    assert event.attributes["taskmaster.outcome"] == "refused"
    assert "system transaction" in children(exported, event)
    everything = repr(exported.spans)
    assert pack.user not in everything
    assert "secret plan" not in everything


def test_a_repeat_is_linked_to_its_first_handling(pack: Pack, exported: OtlpReceiver) -> None:
    for _ in range(2):
        pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key="k")
    for trace in ("a" * 32, "b" * 32):  # an event that is sent again, by somebody who begins another trace
        traceparent = f"00-{trace}-{CLIENT}-01"
        pack.event("create-task", "task.create", {"title": "x"}, event_id="e", traceparent=traceparent)
    spans.close(10)
    first, repeat = exported.named("POST /tasks")
    assert (first.links, repeat.links) == ([], [(first.trace, first.id)])
    first, repeat = exported.named("process task.create")
    assert (first.links, repeat.links) == ([], [(first.trace, first.id)])


def test_an_occurrence_is_linked_to_the_trace_of_its_series(pack: Pack, exported: OtlpReceiver) -> None:
    """Its completion, weeks later, is a trace of its own."""
    task = pack.create(recurrence_pattern="daily", due_on="2089-11-24")
    complete(pack, task["task_id"])
    pack.deliver()
    spans.close(10)
    [created], [successor] = exported.named("POST /tasks"), exported.named("process task.completed")
    assert created.trace != successor.trace
    assert successor.links == [(created.trace, created.id)]


def test_a_wrapped_record_brings_its_trace(pack: Pack, exported: OtlpReceiver) -> None:
    metadata = {"source": "app", "trace_id": STORY["traceparent"]}
    envelope = {"event_type": "task.create", "user_id": pack.user, "data": {"title": "x"}, "metadata": metadata}
    assert pack.envelope("create-task", envelope, offset=1).status_code == 204
    spans.close(10)
    [process] = [span for span in exported.of_trace(TRACE) if span.kind == "consumer"]
    assert process.parent == CLIENT
    [created] = pack.events("task.created")
    assert created.attributes["traceparent"] == f"00-{TRACE}-{process.id}-01"


def test_what_a_caller_does_not_record_is_not_exported(pack: Pack, exported: OtlpReceiver) -> None:
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, traceparent=f"00-{TRACE}-{CLIENT}-00")
    spans.close(10)
    assert exported.spans == []
    [created] = pack.events()
    assert created.attributes["traceparent"].startswith(f"00-{TRACE}-")
    assert created.attributes["traceparent"].endswith("-00")
    assert exported.metrics["faas.invocations"]  # which are counted all the same


def test_a_failed_invocation_is_an_error(pack: Pack, exported: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(pack.runtime.database), "as_user", lambda *_: 1 / 0)
    assert pack.call("create-task", "POST", "/tasks", {"title": "x"}).status_code == 500
    spans.close(10)
    [call] = exported.named("POST /tasks")
    assert call.is_error
    assert call.attributes["error.type"] == "ZeroDivisionError"
    assert exported.metrics["faas.errors"] == [{"faas.name": "create-task", "faas.trigger": "http"}]


def test_a_collector_that_is_away_costs_a_line_and_no_answer(pack: Pack, exported: OtlpReceiver) -> None:
    exported.status = 400
    assert pack.create()
    spans.close(10)
    assert exported.spans == []


def test_spans_name_dapr_where_it_carries_the_events(
    pack: Pack, exported: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TRANSPORT": "dapr", "DAPR_URL": "http://127.0.0.1:1"}.items():  # nobody listens there
        monkeypatch.setenv(name, value)
    pack.restart()
    assert pack.event("create-task", "task.create", {"title": "x"}).status_code == 204
    spans.close(10)
    [event] = exported.named("process task.create")
    assert event.attributes["messaging.system"] == pack.runtime.broker.system == "dapr"


def test_what_a_dead_publisher_left_is_published_in_its_trace(
    connected: dict[str, str], monkeypatch: pytest.MonkeyPatch, exported: OtlpReceiver
) -> None:
    """The process that wrote the event has published nothing; another one does, with the trace in the outbox row."""
    with Pack.served(connected, monkeypatch, user="user-of-a-dead-publisher") as pack:
        pack.call("create-task", "POST", "/tasks", {"title": "x"}, **STORY)
        publish(pack.runtime.database, pack.runtime.broker)
    spans.close(10)
    [create] = [span for span in exported.of_trace(TRACE) if span.kind == "server"]
    sent = {
        span.name: span for span in exported.of_trace(TRACE) if span.parent == create.id and span.kind == "producer"
    }
    assert sent.keys() == {"send task-events", "send task-updates"}
    span = sent["send task-events"]
    assert span.attributes["messaging.destination.name"] == "task-events"
    assert span.attributes["cloudevents.event_type"] == "task.created"
    assert {"messaging.system": "kafka", "messaging.destination.name": "task-events"} in exported.metrics[
        "messaging.client.sent.messages"
    ]
