"""What the pack needs of a transport, held by each: Kafka's own client, Dapr with Kafka, Dapr with Redis."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from taskmaster.broker import transports
from taskmaster.broker.outbox import publish
from taskmaster.broker.transport import Broker, BrokerUnavailable, ProducerRecord, TooLarge, Unsendable
from taskmaster.database.store import Database
from taskmaster.dead_letters.replay import DeadLetterTopic
from taskmaster.events.outgoing import Outgoing, dead_letter, without_data
from taskmaster.settings import Settings, read
from tests.support import dapr
from tests.support.brokers import Kafka
from tests.support.command_line import migrate
from tests.support.own_database import own_database

KINDS = ("kafka", "dapr-kafka", "dapr-redis")
AWAY = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DAPR_URL": "http://127.0.0.1:1"}  # nobody listens there


@dataclass(frozen=True, kw_only=True)
class Side:
    """A transport that runs: what functions publish by, and what the tools read by."""

    kind: str
    functions: dict[str, str]
    tools: dict[str, str]
    make: Callable[[str], object]

    def topic(self) -> str:
        """A new one of three partitions, where there are any, that is used as a mailbox."""
        name = f"topic-{uuid4().hex[:8]}"
        self.make(name)
        return name

    def settings(self, **more: str) -> Settings:
        return read({**self.functions, **more})

    def records(self, *topics: str, since: datetime | None = None, newest: int | None = None) -> list[Any]:
        """All that is there now, as the tools read it."""
        with transports.reading(read(self.tools), topics) as reader:
            assert reader.size() >= 0
            return list(reader.read(since=since, newest=newest))


@pytest.fixture(scope="module", params=KINDS)
def side(request: pytest.FixtureRequest, kafka: Kafka) -> Iterator[Side]:
    def make(topic: str) -> None:
        kafka.allow({"create-task": topic})
        kafka.make([topic])

    functions, tools = kafka.environment("functions"), kafka.environment("operator")
    with contextlib.ExitStack() as stack:
        if request.param == "kafka":
            yield Side(kind="kafka", functions=functions, tools=tools, make=make)
        elif request.param == "dapr-kafka":
            running = stack.enter_context(dapr.daprd(dapr.kafka_pubsub(functions), token="a token"))
            bridged = dapr.settings_of(running)
            yield Side(kind=request.param, functions=bridged, tools={**tools, "TRANSPORT": "dapr"}, make=make)
        else:
            address = stack.enter_context(dapr.redis_server())
            running = stack.enter_context(dapr.daprd(dapr.redis_pubsub(address)))
            bridged = dapr.settings_of(running)
            looking = {"TRANSPORT": "dapr", "REDIS_URL": address}
            yield Side(kind=request.param, functions=bridged, tools=looking, make=lambda topic: None)


@pytest.fixture
def broker(side: Side) -> Iterator[Broker]:
    with contextlib.closing(transports.broker(side.settings())) as made:
        yield made


def event(topic: str, value: bytes = b"{}", *, key: str = "key", **headers: str) -> Outgoing:
    return Outgoing(key=key, topics=(topic,), headers=headers, value=value)


def test_key_headers_value_and_time_come_back_as_they_were(side: Side, broker: Broker) -> None:
    topic, value = side.topic(), b'{"big": 12345678901234567890, "f": 1.10, "t": "\xc3\xbc <b>&"}'
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "a&b=c+d %41",
        "ce_source": "/orders?x=1#2",
        "ce_userid": "ada",
        "ce_note": "Z\u00fcrich \u2603",
        "ce_empty": "",
        "content-type": "application/json",
    }
    before = datetime.now(UTC) - timedelta(seconds=1)
    broker.produce(Outgoing(key="cl\u00e9/7", topics=(topic,), headers=headers, value=value), to=topic)
    [record] = side.records(topic)
    assert record.key.decode() == "cl\u00e9/7"
    assert {name: text.decode() for name, text in record.headers} == headers
    assert record.value == value
    assert before.timestamp() * 1000 <= record.timestamp <= datetime.now(UTC).timestamp() * 1000 + 1000


def test_bytes_that_are_no_text_come_back_as_they_were(side: Side, broker: Broker) -> None:
    topic = side.topic()
    for value in (bytes(range(256)), b"", b"[1]"):
        broker.produce(event(topic, value), to=topic)
    assert [record.value for record in side.records(topic)] == [bytes(range(256)), b"", b"[1]"]


def test_records_of_one_key_are_kept_in_the_order_they_were_sent(side: Side, broker: Broker) -> None:
    topic = side.topic()
    batch: list[tuple[int, ProducerRecord]] = [
        (number, (topic, f"key {number % 7}", {}, b"%d" % number)) for number in range(350)
    ]
    sent, failed = broker.send(batch)
    assert (len(sent), failed) == (350, {})
    by_key: dict[bytes, list[int]] = {}
    for record in side.records(topic):
        by_key.setdefault(record.key, []).append(int(record.value))
    assert by_key == {f"key {n}".encode(): list(range(n, 350, 7)) for n in range(7)}


def test_what_was_acknowledged_is_there_at_once(side: Side, broker: Broker) -> None:
    topic = side.topic()
    for count in range(1, 6):
        broker.produce(event(topic, key=f"key {count}"), to=topic)
        assert len(side.records(topic)) == count
    assert broker.is_connected


def test_one_event_goes_to_each_of_its_topics(side: Side, broker: Broker) -> None:
    one, other = side.topic(), side.topic()
    assert broker.send([(5, (one, "k", {}, b"1")), (5, (other, "k", {}, b"1"))]) == ({5}, {})
    assert {record.topic for record in side.records(one, other)} == {one, other}


def test_a_record_of_900_kb_is_taken_whole(side: Side, broker: Broker) -> None:
    topic = side.topic()
    broker.produce(event(topic, b"x" * 900_000), to=topic)
    [record] = side.records(topic)
    assert record.value == b"x" * 900_000


def test_a_record_too_large_says_so_and_stops_no_other(side: Side, broker: Broker) -> None:
    """park-dead-letter leaves the data of such a one away."""
    topic = side.topic()
    sent, failed = broker.send([(1, (topic, "a", {}, b"x" * 5_000_000)), (2, (topic, "b", {}, b"small"))])
    assert sent == {2}
    assert isinstance(failed[1], TooLarge)
    assert [record.value for record in side.records(topic)] == [b"small"]


@pytest.mark.kafka
def test_a_topic_that_is_not_there_stops_no_other(side: Side, broker: Broker) -> None:
    """The embedded broker makes topics as they are asked for, and so does Redis."""
    topic, absent = side.topic(), f"absent-{uuid4().hex[:8]}"
    for _ in range(2):  # the second time nobody asks the broker
        sent, failed = broker.send([(1, (absent, "a", {}, b"1")), (2, (topic, "b", {}, b"2"))])
        assert sent == ({1, 2} if side.kind == "dapr-redis" else {2})
        assert failed.keys() == {1} - sent
        assert all(isinstance(error, Unsendable) for error in failed.values())
    assert [record.value for record in side.records(topic)] == [b"2", b"2"]


@pytest.mark.parametrize("value", ["a\nb", "a\x01b", "a\x7fb"])
def test_a_header_that_no_delivery_could_carry_is_put_on_no_topic(side: Side, broker: Broker, value: str) -> None:
    topic = side.topic()
    with pytest.raises(Unsendable, match="its header ce_correlationid holds U\\+00"):
        broker.produce(event(topic, ce_correlationid=value), to=topic)
    assert side.records(topic) == []


def test_a_dead_letter_with_long_headers_is_kept_whole(side: Side, broker: Broker) -> None:
    """As long as a function reads them: 128 KB, all of them percent-encoded on the way."""
    topic = side.topic()
    long = {f"note{number}": "\u00fc" * 7_000 for number in range(9)}
    attrs = {"specversion": "1.0", "id": "1", "source": "/s", "type": "task.create", "userid": "ada", **long}
    letter = dead_letter(attrs, "application/json", b'{"title": 7}', reason="title: Input should be a valid string")
    broker.produce(letter, to=topic)
    broker.produce(without_data(letter), to=topic)
    with transports.reading(read(side.tools), [topic]) as reader:
        whole, cut = DeadLetterTopic(reader, topic).read()
    assert whole.attributes == attrs
    assert (whole.error["reason"], whole.value) == ("title: Input should be a valid string", b'{"title": 7}')
    assert (cut.value, cut.attributes["datacut"]) == (b"", "12")


def test_only_records_of_the_time_are_read_and_as_far_as_wanted(side: Side, broker: Broker) -> None:
    topic = side.topic()
    for value in (b"0", b"1", b"2"):
        broker.produce(event(topic, value), to=topic)
    times = [record.timestamp for record in side.records(topic)]
    assert times == sorted(times)
    assert side.records(topic, since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(side.records(topic, since=datetime.fromtimestamp(times[0] / 1000, UTC))) == 3
    with transports.reading(read(side.tools), [topic]) as reader:
        assert [each.value for each in reader.read(is_over=lambda record: record.value == b"2")] == [b"0", b"1"]
        assert [each.value for each in reader.read()] == [b"0", b"1", b"2"]
        assert reader.has(topic)


@pytest.mark.parametrize(("newest", "values"), [(2, [b"1", b"2"]), (9, [b"0", b"1", b"2"])])
def test_the_newest_records_alone_are_read(side: Side, broker: Broker, newest: int, values: list[bytes]) -> None:
    topic = side.topic()
    for value in (b"0", b"1", b"2"):
        broker.produce(event(topic, value), to=topic)
    assert [each.value for each in side.records(topic, newest=newest)] == values


def test_a_topic_without_records_is_read_as_empty(side: Side) -> None:
    assert side.records(side.topic()) == []
    assert side.records(side.topic(), newest=2) == []


def test_nobody_there_is_unavailable_and_not_the_fault_of_a_record(side: Side) -> None:
    away = {name: value for name, value in AWAY.items() if name in side.functions}
    broker = transports.broker(side.settings(**away, KAFKA_REQUEST_TIMEOUT="1", KAFKA_DELIVERY_TIMEOUT="2"))
    with pytest.raises(BrokerUnavailable):
        broker.connect()
    sent, failed = broker.send([(1, ("create-task", "a", {}, b"")), (2, ("create-task", "b", {}, b""))])
    assert sent == set()
    assert all(isinstance(error, BrokerUnavailable) for error in failed.values())
    assert failed.keys() == {1, 2}
    assert not broker.is_connected


def test_an_event_waits_in_the_outbox_while_nobody_is_there(side: Side, environment: dict[str, str]) -> None:
    away = {name: value for name, value in AWAY.items() if name in side.functions}
    topic = side.topic()
    with own_database(environment) as own:
        migrate(own)
        urls = (own["DATABASE_URL"], own["SYSTEM_DATABASE_URL"])
        database = Database(user_url=urls[0], system_url=urls[1], pool_size=1, timeout=5)
        with contextlib.closing(database), psycopg.connect(own["MIGRATION_DATABASE_URL"], autocommit=True) as sql:
            for number in range(3):
                sql.execute(
                    "INSERT INTO outbox (key, topics, headers, value) VALUES (%s, %s, %s, %s)",
                    ["a key", [topic], json.dumps({"ce_id": str(number)}), b"{}"],
                )
            settings = side.settings(**away, KAFKA_REQUEST_TIMEOUT="1", KAFKA_DELIVERY_TIMEOUT="2")
            with pytest.raises(BrokerUnavailable):
                publish(database, transports.broker(settings))
            assert sql.execute("SELECT count(*) FROM outbox").fetchone() == (3,)
            with contextlib.closing(transports.broker(side.settings())) as there:
                assert publish(database, there) == 3
            assert sql.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert [dict(record.headers)["ce_id"] for record in side.records(topic)] == [b"0", b"1", b"2"]
