"""The groups of a broker that has just started are waited for, and what no patience mends is told at once."""

from typing import Any

import pytest
from kafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError, KafkaError

from taskmaster.broker import groups
from taskmaster.settings import Settings, read


def asked(monkeypatch: pytest.MonkeyPatch, *answers: Any, timeout: float = 5) -> tuple[Any, int]:
    """What came of asking a broker that answers so, and how often it was asked."""
    left = list(answers)

    def answer(settings: Settings, prefix: str) -> Any:
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, KafkaError):
            raise given
        return given

    monkeypatch.setattr(groups, "_groups", answer)
    monkeypatch.setattr(groups, "_PAUSE_SECONDS", 0.01)
    return groups.groups(read({"KAFKA_REQUEST_TIMEOUT": str(timeout)})), len(answers) - len(left)


def test_a_broker_without_a_coordinator_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, count = asked(monkeypatch, CoordinatorNotAvailableError(), CoordinatorNotAvailableError(), ["group"])
    assert found == ["group"]
    assert count == 2


def test_its_patience_ends_with_that_of_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CoordinatorNotAvailableError):
        asked(monkeypatch, CoordinatorNotAvailableError(), timeout=0.1)


def test_a_refusal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        asked(monkeypatch, GroupAuthorizationFailedError(), ["group"])
