"""A daprd that is killed, stopped and started again, and a Redis that is: publishing goes on with the same client."""

import contextlib
import signal
from collections.abc import Iterator

import pytest

from taskmaster.broker import transports
from taskmaster.broker.transport import Broker, BrokerUnavailable
from taskmaster.settings import Settings, read
from tests.support import dapr
from tests.support.function_process import eventually

pytestmark = pytest.mark.long


@pytest.fixture
def address() -> Iterator[str]:
    with dapr.redis_server() as url:
        yield url


@pytest.fixture
def running(address: str) -> Iterator[dapr.Daprd]:
    with dapr.daprd(dapr.redis_pubsub(address)) as started:
        yield started


@pytest.fixture
def broker(running: dapr.Daprd) -> Iterator[Broker]:
    settings = read(dapr.settings_of(running, KAFKA_DELIVERY_TIMEOUT="2"))
    with contextlib.closing(transports.broker(settings)) as made:
        made.connect()
        yield made


@pytest.fixture
def tools(address: str) -> Settings:
    return read({"TRANSPORT": "dapr", "REDIS_URL": address})


def published(broker: Broker, value: bytes) -> bool:
    sent, failed = broker.send([(1, ("t", "k", {}, value))])
    assert all(isinstance(error, BrokerUnavailable) for error in failed.values())
    return sent == {1}


def values(tools: Settings) -> list[bytes]:
    with transports.reading(tools, ["t"]) as topics:
        return [record.value for record in topics.read()]


def test_a_daprd_that_was_killed_is_used_again_when_it_is_back(
    running: dapr.Daprd, broker: Broker, tools: Settings
) -> None:
    assert published(broker, b"1")
    running.stop(grace=0)
    assert not published(broker, b"2")
    assert not broker.is_connected
    with pytest.raises(BrokerUnavailable, match="ConnectionRefusedError"):
        broker.connect()
    running.start()
    assert published(broker, b"3")
    assert values(tools) == [b"1", b"3"]


def test_a_daprd_that_was_started_anew_meanwhile_is_no_outage(
    running: dapr.Daprd, broker: Broker, tools: Settings
) -> None:
    """The connection that was kept is gone."""
    assert published(broker, b"1")
    running.stop(grace=0)
    running.start()
    assert published(broker, b"2")
    assert values(tools) == [b"1", b"2"]


def test_a_daprd_that_hangs_is_given_up_and_comes_back(running: dapr.Daprd, broker: Broker, tools: Settings) -> None:
    assert published(broker, b"1")
    assert running.process is not None
    running.process.send_signal(signal.SIGSTOP)
    try:
        assert not published(broker, b"2")
    finally:
        running.process.send_signal(signal.SIGCONT)
    eventually(lambda: published(broker, b"3"), "an acknowledgement")
    assert values(tools)[0] == b"1"
    assert values(tools)[-1] == b"3"  # the second may have come with it: it was sent, and not acknowledged
