"""A letter that the broker finds too large is kept without its data, with everything that tells what it was."""

from collections.abc import Mapping
from typing import Any

import pytest

from taskmaster.broker.transport import TooLarge
from tests.support.function_pack import Pack


class SmallBroker:
    """Takes records of a thousand bytes. A real one that refuses is in tests/contract/test_hostile_input.py."""

    def __init__(self) -> None:
        self.kept: list[tuple[Mapping[str, str], bytes]] = []

    def produce(self, event: Any, *, to: str) -> None:
        if len(event.value) > 1_000:
            raise TooLarge(f"{to} takes no such record")
        self.kept.append((event.headers, event.value))

    def close(self) -> None:
        pass


def test_a_letter_too_large_for_the_broker_is_kept_without_its_data(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = SmallBroker()
    monkeypatch.setattr(pack.runtime, "broker", broker)
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "large",
        "ce-source": "/tests",
        "ce-type": "task.create",
        "ce-userid": pack.user,
        "ce-reason": "too much",
    }
    for size in (1_000, 1_001):
        assert pack.deliver_raw("park-dead-letter", headers, b"x" * size).status_code == 204
    (whole, data), (cut, nothing) = broker.kept
    assert (len(data), whole.get("ce_datacut")) == (1_000, None)
    assert (nothing, cut["ce_datacut"], cut["ce_id"], cut["ce_reason"]) == (b"", "1001", "large", "too much")
