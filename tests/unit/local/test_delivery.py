"""Retries, backoff and dead letters follow Knative's rules, as observed."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from knative.local.delivery import Dispatcher, Outcome, backoff
from knative.local.kafka_source import _OrderedLane
from knative.local.resources import Delivery, KafkaSource
from knative_delivery.cloud_event import CloudEvent
from knative_delivery.sink import Answer, HttpSink, NoAnswerError

OBSERVED = json.loads(Path(__file__).with_name("kafkasource-observed.json").read_text("utf-8"))
EVENT = CloudEvent({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, "text/plain", b"data")
FUNCTION, DEAD = "http://pyfn.default.svc.cluster.local", "http://dead.default.svc.cluster.local/events"


class ScriptedSink:
    """Answers by address: the next of its answers each time, the last for ever; None is no answer."""

    def __init__(self, **answers: list[Answer | int | None]) -> None:
        self.requests: list[tuple[str, dict[str, bytes]]] = []
        self._answers = {
            FUNCTION: iter_last(answers["function"]),
            DEAD: iter_last(answers.get("dead", [200])),
        }

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        self.requests.append((url, dict(headers)))
        answer = next(self._answers[url])
        if answer is None:
            raise NoAnswerError("timed out")
        return answer if isinstance(answer, Answer) else Answer(answer, {}, b"")

    def count(self, url: str) -> int:
        return sum(1 for called, _ in self.requests if called == url)


def iter_last(answers: list[Any]) -> Iterator[Any]:
    yield from answers
    while True:
        yield answers[-1]


def dispatch(sink: ScriptedSink, *, retry: int = 3, dead_letter_sink: str | None = DEAD) -> Outcome:
    delivery = Delivery(retry=retry, dead_letter_sink=dead_letter_sink)
    dispatcher = Dispatcher(name="hello", destination=FUNCTION, delivery=delivery, sink=sink)
    return dispatcher.dispatch(EVENT, threading.Event())


@pytest.mark.parametrize("observed", OBSERVED["answers"], ids=lambda case: str(case["sink answered"]))
def test_an_answer_has_the_consequence_seen_on_knative(observed: dict[str, Any]) -> None:
    status = observed["sink answered"]
    sink = ScriptedSink(function=[status])
    outcome = dispatch(sink, retry=OBSERVED["source"]["delivery"]["retry"])
    assert sink.count(FUNCTION) == observed["requests to the sink"]
    assert outcome is (Outcome.DELIVERED if observed["then"] == "done" else Outcome.DEAD_LETTERED)
    if outcome is Outcome.DEAD_LETTERED:
        assert sink.requests[-1][1]["ce-knativeerrorcode"] == str(status).encode()


def test_a_dead_letter_says_why() -> None:
    refusal = Answer(409, {"kne-reason": "because (from the answer's header kne-reason)"}, b"x")
    sink = ScriptedSink(function=[refusal])
    dispatch(sink)
    sent = sink.requests[-1][1]
    for name, value in OBSERVED["dead letter"]["added attributes"].items():
        assert sent[f"ce-{name}"].decode() == value.replace(" (base64 of the answer's body, x)", "")
    assert sent["ce-id"] == b"1"


def test_a_dead_letter_carries_the_first_1024_bytes_of_the_answer() -> None:
    sink = ScriptedSink(function=[Answer(400, {}, b"a" * 5000)])
    dispatch(sink)
    assert base64.b64decode(sink.requests[-1][1]["ce-knativeerrordata"]) == b"a" * 1024


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504, None])
def test_what_may_pass_is_retried(status: int | None) -> None:
    sink = ScriptedSink(function=[status, status, 204])
    assert dispatch(sink) is Outcome.DELIVERED
    assert sink.count(FUNCTION) == 3


@pytest.mark.parametrize("status", [300, 301, 302, 307, 400, 401, 403, 405, 410, 413, 415, 418, 422])
def test_what_will_not_pass_is_a_dead_letter_at_once(status: int) -> None:
    sink = ScriptedSink(function=[status])
    assert dispatch(sink) is Outcome.DEAD_LETTERED
    assert sink.count(FUNCTION) == 1


@pytest.mark.parametrize(("status", "calls"), [(409, 4), (500, 4), (400, 1)])
def test_an_event_is_lost_when_the_dead_letter_sink_fails_too(
    status: int, calls: int, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ScriptedSink(function=[400], dead=[status])
    assert dispatch(sink) is Outcome.DROPPED
    assert sink.count(DEAD) == calls
    assert "EVENT LOST: 1 from /s" in caplog.text


def test_without_a_dead_letter_sink_an_event_is_lost_after_its_retries(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = ScriptedSink(function=[503])
    assert dispatch(sink, dead_letter_sink=None) is Outcome.DROPPED
    assert sink.count(FUNCTION) == 4
    assert "there is no dead letter sink" in caplog.text


def test_without_an_answer_a_dead_letter_names_the_destination_alone() -> None:
    sink = ScriptedSink(function=[None])
    dispatch(sink)
    sent = sink.requests[-1][1]
    assert sent["ce-knativeerrordest"] == FUNCTION.encode()
    assert "ce-knativeerrorcode" not in sent


def test_linear_backoff_grows_by_the_delay_and_exponential_doubles() -> None:
    linear = Delivery(backoff_policy="linear", backoff_delay=timedelta(seconds=1))
    exponential = Delivery(backoff_policy="exponential", backoff_delay=timedelta(seconds=0.5))
    assert [backoff(linear, n) for n in (1, 2, 3)] == [1, 2, 3]
    assert [backoff(exponential, n) for n in (1, 2, 3)] == [1, 2, 4]


def test_120_linear_retries_of_a_second_outlast_two_hours() -> None:
    linear = Delivery(backoff_policy="linear", backoff_delay=timedelta(seconds=1))
    assert sum(backoff(linear, n) for n in range(1, 121)) >= 2 * 3600


def test_a_stop_ends_the_wait_for_a_retry() -> None:
    delivery = Delivery(retry=5, backoff_delay=timedelta(hours=1), dead_letter_sink=DEAD)
    dispatcher = Dispatcher(name="hello", destination=FUNCTION, delivery=delivery, sink=ScriptedSink(function=[503]))
    stopping = threading.Event()
    threading.Timer(0.05, stopping.set).start()
    started = time.monotonic()
    assert dispatcher.dispatch(EVENT, stopping) is Outcome.INTERRUPTED
    assert time.monotonic() - started < 5


def test_over_http_a_post_arrives_and_its_answer_comes_back(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/events", method="POST").respond_with_data("why", 422, {"Kne-Reason": "bad"})
    headers = {"ce-note": "Zürich".encode("latin-1"), "content-type": b"text/plain"}
    answer = HttpSink()(httpserver.url_for("/events"), headers, b"data", 5)
    assert (answer.status, answer.headers["kne-reason"], answer.body) == (422, "bad", b"why")
    request, _ = httpserver.log[0]
    assert (request.headers["ce-note"], request.data) == ("Zürich", b"data")


def test_over_http_a_redirect_is_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/events").respond_with_data("", 302, {"Location": "/elsewhere"})
    assert HttpSink()(httpserver.url_for("/events"), {}, b"", 5).status == 302


def test_over_http_a_late_answer_is_none(httpserver: HTTPServer) -> None:
    def late(_: object) -> Any:
        time.sleep(0.3)

    httpserver.expect_request("/events").respond_with_handler(late)
    with pytest.raises(NoAnswerError):
        HttpSink()(httpserver.url_for("/events"), {}, b"", 0.05)


# Headers that HTTP cannot carry ------------------------------------------------------------------------------------


class Waits(threading.Event):
    """Never set; how long it was waited for, without waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return False


VALUES = OBSERVED["header values"]["cases"]


@pytest.mark.parametrize("value", [case["record"] for case in VALUES if case["sent"] is None], ids=ascii)
def test_what_no_header_carries_is_tried_as_often_as_anything_else(
    value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen on Knative: 1 + retry times, then the dead letter sink as often; given up, and nobody was ever called."""
    sink, waits = ScriptedSink(function=[204]), Waits()
    delivery = Delivery(retry=3, backoff_policy="linear", backoff_delay=timedelta(seconds=1), dead_letter_sink=DEAD)
    dispatcher = Dispatcher(name="hello", destination=FUNCTION, delivery=delivery, sink=sink)
    assert dispatcher.dispatch(EVENT.extended({"test": value}), waits) is Outcome.DROPPED
    assert sink.requests == []
    assert waits.seconds == [1, 2, 3, 1, 2, 3]
    assert dispatcher.counts == {"retries": 6, "dropped": 1}
    assert "can never be sent, for what its header ce-test holds" in caplog.text
    assert "EVENT LOST: 1 from /s" in caplog.text


def test_with_our_delivery_it_is_given_up_after_four_hours() -> None:
    waits = Waits()
    delivery = Delivery(retry=120, backoff_policy="linear", backoff_delay=timedelta(seconds=1), dead_letter_sink=DEAD)
    dispatcher = Dispatcher(name="h", destination=FUNCTION, delivery=delivery, sink=ScriptedSink(function=[204]))
    assert dispatcher.dispatch(EVENT.extended({"test": "a\nb"}), waits) is Outcome.DROPPED
    assert 4 * 3600 < sum(waits.seconds) < 4.2 * 3600


@pytest.mark.parametrize(
    "case", [case for case in VALUES if case["sent"] is not None], ids=lambda case: ascii(case["record"])[:30]
)
def test_over_http_a_header_value_arrives_as_it_does_on_knative(case: dict[str, Any], httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 204)
    delivery = Delivery(dead_letter_sink=httpserver.url_for("/dead"))
    dispatcher = Dispatcher(name="h", destination=httpserver.url_for("/"), delivery=delivery, sink=HttpSink())
    value = case["record"].encode("latin-1").decode("utf-8", "replace")
    assert dispatcher.dispatch(EVENT.extended({"test": value}), threading.Event()) is Outcome.DELIVERED
    request, _ = httpserver.log[-1]
    unfolded = request.headers["ce-test"].replace("\r", "")  # a server may read a folding as it likes
    assert unfolded.split() == case["sent"].split()
    if "\n" not in case["sent"]:
        assert unfolded == case["sent"]


def test_an_ordered_partition_waits_until_it_is_given_up_and_no_other_does() -> None:
    called: list[tuple[str, int]] = []

    def sink(url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        called.append((headers["ce-knativekafkapartition"].decode(), dispatcher.counts["retries"]))
        return Answer(204, {}, b"")

    delivery = Delivery(retry=3, backoff_delay=timedelta(seconds=0.02), dead_letter_sink=DEAD)
    source = KafkaSource(name="s", topics=("t",), consumer_group="g", sink=FUNCTION, delivery=delivery)
    dispatcher = Dispatcher(name="s", destination=FUNCTION, delivery=delivery, sink=sink)
    with ThreadPoolExecutor(4) as workers:
        lanes = [_OrderedLane(source, dispatcher, workers) for _ in range(2)]
        lanes[0].extend([record(0, 0, note=b"a\nb"), record(0, 1)])
        lanes[1].extend([record(1, 0)])
    assert [partition for partition, _ in called] == ["1", "0"]
    assert called[1] == ("0", 6)  # behind every try of the one before it
    assert [lane.tracker.to_commit() for lane in lanes] == [2, 1]


def record(partition: int, offset: int, **attributes: bytes) -> Any:
    headers = {"specversion": b"1.0", "id": b"1", "source": b"/s", "type": b"t", **attributes}
    named = [(f"ce_{name}", value) for name, value in headers.items()]
    return SimpleNamespace(
        topic="t", partition=partition, offset=offset, timestamp=0, key=None, value=b"{}", headers=named
    )
