"""Trace context goes from a request to all that follows from it, also where nothing is exported."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster import clock
from tests.support.function_pack import Json, Pack
from tests.support.receiver import SECRET

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@pytest.fixture
def hook(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """What the webhook of the user is sent."""
    got: list[Request] = []

    def take(request: Request) -> Response:
        got.append(request)
        return Response(status=200)

    monkeypatch.setenv("WEBHOOK_ALLOW", "127.0.0.0/8")
    pack.restart()
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/hook", method="POST").respond_with_handler(take)
        pack.prefer(channels=[{"type": "webhook", "url": server.url_for("/hook"), "secret": SECRET}])
        yield got


def ring(pack: Pack) -> None:
    pack.travel(hours=2)
    assert pack.runtime.due_reminders.dispatch(now=clock.now())
    pack.deliver("reminders", function="send-reminder")


def test_a_reminder_belongs_to_the_trace_that_armed_it(pack: Pack, hook: list[Request]) -> None:
    due = (clock.now().replace(microsecond=0) + timedelta(hours=1)).isoformat()
    body: Json = {"title": "x", "due_at": due}
    created = pack.call("create-task", "POST", "/tasks", body, traceparent=PARENT, tracestate=STATE)
    assert created.status_code == 201
    ring(pack)
    for event_type in ("task.created", "reminder.due", "reminder.sent"):
        [event] = pack.events(event_type)
        assert (event.attributes["traceparent"], event.attributes["tracestate"]) == (PARENT, STATE)
    [request] = hook
    assert (request.headers["traceparent"], request.headers["tracestate"]) == (PARENT, STATE)


def test_a_reminder_of_no_trace_has_none(pack: Pack, hook: list[Request]) -> None:
    due = (clock.now().replace(microsecond=0) + timedelta(hours=1)).isoformat()
    pack.create(due_at=due)
    ring(pack)
    assert not any("traceparent" in event.attributes for event in pack.events())
    [request] = hook
    assert "traceparent" not in request.headers


def test_a_tracestate_goes_no_further_without_a_trace(pack: Pack) -> None:
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, tracestate=STATE)
    pack.event("create-task", "task.create", {"title": "x"}, tracestate=STATE)
    assert [event.attributes.keys() & {"traceparent", "tracestate"} for event in pack.events()] == [set(), set()]


def test_an_event_of_a_person_brings_its_trace(pack: Pack) -> None:
    """In its attributes, as the CloudEvents extension for distributed tracing has it; a header of HTTP goes before."""
    event = {"ce_specversion": "1.0", "ce_source": "/app", "ce_type": "task.create", "ce_traceparent": PARENT}
    other = PARENT.replace("b7ad", "aaaa")
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, **event, ce_id="1")
    pack.call("create-task", "POST", "/tasks", {"title": "x"}, **event, ce_id="2", traceparent=other)
    assert [event.attributes["traceparent"] for event in pack.events()] == [PARENT, other]
