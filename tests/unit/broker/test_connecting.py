"""Why a client of Kafka's could not connect is raised, and not only that it could not."""

import logging

import pytest
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)

from taskmaster.broker.connecting import explained

MANAGER = logging.getLogger("kafka.net.manager")
GONE = KafkaConnectionError("socket disconnected")


def connect(met: list[Exception]) -> None:
    """As kafka-python does it."""
    for each in met:
        MANAGER.warning("Bootstrap connection to %s failed: %s (backoff %.2f secs)", "bootstrap-0", each, 0.1)
    raise KafkaTimeoutError("Unable to bootstrap from ['127.0.0.1:1']")


@pytest.mark.parametrize(
    ("met", "raised"),
    [
        ([], KafkaTimeoutError),
        ([KafkaConnectionError("111 ECONNREFUSED")], KafkaConnectionError),
        ([SaslAuthenticationFailedError("no"), GONE, GONE], SaslAuthenticationFailedError),
        ([GONE, RequestTimedOutError("Request timed out after 10 ms")], KafkaConnectionError),
        ([ValueError("something else")], KafkaTimeoutError),
    ],
)
def test_what_was_met_is_raised(met: list[Exception], raised: type[Exception]) -> None:
    with pytest.raises(KafkaError) as caught, explained():
        connect(met)
    assert type(caught.value) is raised


def test_the_log_of_the_client_is_as_it_was_afterwards() -> None:
    before = MANAGER.level, MANAGER.propagate, MANAGER.handlers[:]
    with explained():
        assert MANAGER.isEnabledFor(logging.WARNING)
    assert (MANAGER.level, MANAGER.propagate, MANAGER.handlers[:]) == before
