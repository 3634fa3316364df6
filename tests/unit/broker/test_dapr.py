"""Publishing by Dapr: what is asked of daprd, and what its answers mean. As daprd 1.16.0 was seen to answer."""

import contextlib
import threading
from collections.abc import Iterator
from email.message import Message
from urllib.parse import parse_qsl, urlsplit

import pytest

from taskmaster.broker.dapr import DaprBroker, failure, query
from taskmaster.broker.transport import BrokerUnavailable, ProducerRecord, TooLarge, Unsendable
from taskmaster.outbound.daprd import Answer
from taskmaster.settings import read
from tests.support.http_sink import http_sink

_FAILED = (
    '{"errorCode":"ERR_PUBSUB_PUBLISH_MESSAGE","message":"error when publishing to topic t in pubsub pubsub: %s",'
    '"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"topic":"t"}}]}'
)
_KAFKA = "kafka server: %s"

# Status and body of an answer, and what it is taken for.
ANSWERS = {
    "more than the broker's limit": (
        (500, _FAILED % "kafka: invalid configuration (Attempt to produce message larger than configured"
         " Producer.MaxMessageBytes: 1500425 \\u003e 1048576)"),
        TooLarge,
    ),
    "more than daprd reads": ((500, _FAILED % "stream too large"), TooLarge),
    "no such topic": (
        (500, _FAILED % _KAFKA % "Request was for a topic or partition that does not exist on this broker"),
        Unsendable,
    ),
    "a user without the right": (
        (500, _FAILED % _KAFKA % "The client is not authorized to access this topic"), Unsendable,
    ),
    "no such component": (
        (404, '{"errorCode":"ERR_PUBSUB_NOT_FOUND","message":"pubsub nopubsub is not found","details":[]}'), Unsendable,
    ),
    "a query that is too long": ((431, "431 Request Header Fields Too Large"), Unsendable),
    "Kafka is away": (
        (500, _FAILED % "kafka: client has run out of available brokers to talk to: dial tcp 127.0.0.1:24486: connect:"
         " connection refused"),
        BrokerUnavailable,
    ),
    "Redis is away": (
        (500, _FAILED % "redis streams: error from publish: dial tcp 127.0.0.1:16402: connect: connection refused"),
        BrokerUnavailable,
    ),
    "Redis has no connection left": (
        (500, _FAILED % "redis streams: error from publish: redis: connection pool timeout"), BrokerUnavailable,
    ),
    "the token is wrong": ((401, ""), BrokerUnavailable),
    "not ready": ((500, '{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready"}'), BrokerUnavailable),
    "a proxy in between": ((502, "<html>bad gateway</html>"), BrokerUnavailable),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "meant"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_keeps_the_event_or_gives_the_record_up(
    answer: tuple[int, str], meant: type[Unsendable | BrokerUnavailable]
) -> None:
    found = failure("t", Answer(answer[0], answer[1].encode()))
    assert type(found) is meant or (meant is Unsendable and type(found).__bases__ == (Unsendable,))
    assert "\n" not in str(found)


def test_a_value_is_written_into_the_query_so_that_it_arrives_as_it_is() -> None:
    headers = {"ce_note": "Z\u00fcrich 50% +&=#\u2603", "content-type": "application/json", "ce_id": ""}
    written = query("key 7", headers)
    assert written.isascii()
    assert " " not in written
    assert dict(parse_qsl(written, keep_blank_values=True)) == {
        "metadata.rawPayload": "true",
        "metadata.partitionKey": "key 7",
        **{f"metadata.{name}": value for name, value in headers.items()},
    }


class Daprd:
    """Answers as it is told to by topic, and remembers what it was asked, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.tokens: set[str | None] = set()
        self.answers: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, path: str, headers: "Message[str, str]", body: bytes) -> int:
        topic = urlsplit(path).path.rpartition("/")[2]
        with self._lock:
            self.tokens.add(headers["dapr-api-token"])
            self.asked.append((path, body))
        return self.answers.get(topic, 204)

    @property
    def values(self) -> list[bytes]:
        return [body for _, body in self.asked]


@pytest.fixture
def daprd() -> Daprd:
    return Daprd()


@pytest.fixture
def broker(daprd: Daprd) -> Iterator[DaprBroker]:
    with http_sink(daprd.take) as url:
        settings = read({"TRANSPORT": "dapr", "DAPR_URL": f"{url}/", "DAPR_API_TOKEN": "secret", "DAPR_PUBSUB": "own"})
        with contextlib.closing(DaprBroker(settings)) as made:
            yield made


def test_a_record_is_one_request_to_the_component_with_the_token(daprd: Daprd, broker: DaprBroker) -> None:
    assert broker.send([(1, ("prod.task-events", "7", {"ce_id": "1"}, b"{}"))]) == ({1}, {})
    [(path, body)] = daprd.asked
    assert path == (
        "/v1.0/publish/own/prod.task-events?metadata.rawPayload=true&metadata.partitionKey=7&metadata.ce_id=1"
    )
    assert (body, daprd.tokens) == (b"{}", {"secret"})


def test_of_a_key_nothing_is_sent_before_what_came_first(daprd: Daprd, broker: DaprBroker) -> None:
    batch: list[tuple[int, ProducerRecord]] = [(n, ("t", f"key {n % 3}", {}, b"%d" % n)) for n in range(60)]
    assert broker.send(batch) == (set(range(60)), {})
    for key in range(3):
        assert [int(each) for each in daprd.values if int(each) % 3 == key] == list(range(key, 60, 3))


def test_after_an_outage_was_met_nothing_more_is_sent(daprd: Daprd, broker: DaprBroker) -> None:
    daprd.answers["away"] = 500
    records: list[tuple[int, ProducerRecord]] = [(n, ("away" if n == 1 else "t", "k", {}, b"%d" % n)) for n in range(4)]
    sent, failed = broker.send(records)
    assert sent == {0}
    assert {number: type(error) for number, error in failed.items()} == dict.fromkeys((1, 2, 3), BrokerUnavailable)
    assert daprd.values == [b"0", b"1"]
    assert not broker.is_connected


def test_a_record_that_cannot_be_sent_stops_neither_its_key_nor_others(daprd: Daprd, broker: DaprBroker) -> None:
    daprd.answers["forbidden"] = 403
    sent, failed = broker.send(
        [(1, ("forbidden", "a", {}, b"1")), (2, ("t", "a", {}, b"2")), (3, ("t", "b", {}, b"3"))]
    )
    assert (sent, {number: type(error) for number, error in failed.items()}) == ({2, 3}, {1: Unsendable})


def test_nothing_of_its_key_overtakes_a_number_that_failed_on_a_topic(daprd: Daprd, broker: DaprBroker) -> None:
    daprd.answers["forbidden"] = 403
    sent, failed = broker.send(
        [
            (1, ("t", "a", {}, b"1")),
            (1, ("forbidden", "a", {}, b"1")),
            (2, ("t", "a", {}, b"2")),
            (3, ("t", "b", {}, b"3")),
        ]
    )
    assert (sent, set(failed)) == ({3}, {1}), "2 was not tried"
    assert sorted(daprd.values) == [b"1", b"1", b"3"]


def test_a_number_fails_as_a_whole(daprd: Daprd, broker: DaprBroker) -> None:
    daprd.answers["forbidden"] = 403
    sent, failed = broker.send([(1, ("t", "a", {}, b"1")), (1, ("forbidden", "a", {}, b"1"))])
    assert sent == set()
    assert failed.keys() == {1}
