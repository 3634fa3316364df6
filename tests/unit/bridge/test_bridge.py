"""What the bridge asks of a function for an event, and what it tells daprd of the answer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from knative_delivery.sink import Answer, NoAnswerError
from taskmaster.bridge.bridge import Bridge
from taskmaster.bridge.delivered import Record
from taskmaster.bridge.settings import BridgeSettings
from taskmaster.bridge.subscriptions import Mailbox

SETTINGS = BridgeSettings(
    host="127.0.0.1", port=1, token="", namespace="default", pubsub="pubsub", gateway="", token_file="",
    connections=8, largest=1_000_000,
)  # fmt: skip
BOX = Mailbox("create-task", "create-task", 60.0)
FUNCTION = "http://create-task.default.svc.cluster.local/events"
PARK = "http://park-dead-letter.default.svc.cluster.local/events"


class Functions:
    """Answers by address, and remembers what it was asked; None is no answer."""

    def __init__(self, function: Answer | int | None, park: Answer | int | None = 204) -> None:
        self.asked: list[tuple[str, dict[str, bytes], bytes]] = []
        self._function, self._park = function, park

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        self.asked.append((url, dict(headers), body))
        answer = self._park if url == PARK else self._function
        if answer is None:
            raise NoAnswerError("timed out")
        return answer if isinstance(answer, Answer) else Answer(answer, {}, b"")

    def addresses(self) -> list[str]:
        return [url for url, _, _ in self.asked]


def record(*, offset: int = 7, **headers: str) -> Record:
    names = {"specversion": "1.0", "id": "1", "source": "/s", "type": "task.create", **headers}
    return Record(
        topic="create-task",
        partition=0,
        offset=offset,
        timestamp=0,
        key=None,
        value=b"{}",
        headers=[(f"ce_{name}", text.encode()) for name, text in names.items()],
    )


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_is_handled_is_acknowledged(status: int) -> None:
    functions = Functions(status)
    assert Bridge(SETTINGS, functions).deliver(BOX, record()).status == 200
    assert functions.addresses() == [FUNCTION]


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 503, 504, None])
def test_what_is_to_be_sent_again_is_never_a_404(status: int | None) -> None:
    functions = Functions(status)
    assert Bridge(SETTINGS, functions).deliver(BOX, record()).status == 503
    assert functions.addresses() == [FUNCTION]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 413, 415, 422, 431])
def test_what_is_refused_is_parked_with_the_reason(status: int) -> None:
    refused = Answer(status, {"kne-reason": "title is no text", "content-type": "x"}, b"x" * 2000)
    functions = Functions(refused)
    assert Bridge(SETTINGS, functions).deliver(BOX, record()).status == 200
    assert functions.addresses() == [FUNCTION, PARK]
    sent, parked = functions.asked[0][1], functions.asked[1][1]
    assert {name: parked[name] for name in sent} == sent
    assert parked["ce-knativeerrordest"] == FUNCTION.encode()
    assert parked["ce-knativeerrorcode"] == str(status).encode()
    assert parked["ce-reason"] == b"title is no text"
    assert len(parked["ce-knativeerrordata"]) == 1368  # Base64 of 1,024 bytes
    assert functions.asked[1][2] == b"{}"


@pytest.mark.parametrize("park", [None, 404, 500, 503])
def test_what_cannot_be_parked_comes_again(park: int | None) -> None:
    assert Bridge(SETTINGS, Functions(400, park)).deliver(BOX, record()).status == 503


def test_a_dead_letter_that_is_refused_is_sent_with_fewer_attributes() -> None:
    class Narrow(Functions):
        def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
            answer = super().__call__(url, headers, body, timeout)
            return Answer(431, {}, b"") if sum(map(len, headers.values())) > 10_000 else answer

    functions = Narrow(204)
    assert Bridge(SETTINGS, functions).deliver(BOX, record(long="x" * 20_000)).status == 200
    assert functions.addresses() == [FUNCTION, PARK, PARK]
    assert functions.asked[2][1]["ce-id"] == b"1"
    assert b"left out" in functions.asked[2][1]["ce-reason"]


def test_a_value_that_no_header_carries_is_parked_encoded() -> None:
    functions = Functions(204)
    assert Bridge(SETTINGS, functions).deliver(BOX, record(note="a\nb")).status == 200
    assert functions.addresses() == [PARK]
    assert functions.asked[0][1]["ce-note"] == b"a%0Ab"
    assert "ce-knativekafkaoffset" not in functions.asked[0][1]


def test_on_redis_values_are_percent_encoded_and_have_no_position() -> None:
    functions = Functions(204)
    Bridge(SETTINGS, functions).deliver(BOX, record(offset=-1, note="50% ü"))
    assert functions.asked[0][1]["ce-note"] == b"50%25%20%C3%BC"
    assert not any("kafka" in name for name in functions.asked[0][1])


def test_the_request_is_that_of_kafka_source_by_a_gateway_too(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    direct, behind = Functions(204), Functions(204)
    Bridge(SETTINGS, direct).deliver(BOX, record())
    through = replace(SETTINGS, gateway="http://127.0.0.1:9", token_file=str(token))
    Bridge(through, behind).deliver(BOX, record())
    assert behind.addresses() == ["http://127.0.0.1:9/events"]
    own = {"host": b"create-task.default.svc.cluster.local", "authorization": b"Bearer secret"}
    assert behind.asked[0][1] == {**direct.asked[0][1], **own}
    token.write_text("rotated")
    Bridge(through, behind).deliver(BOX, record())
    assert behind.asked[1][1]["authorization"] == b"Bearer rotated"


def test_without_its_token_nothing_is_sent(tmp_path: Path) -> None:
    functions = Functions(204)
    bridge = Bridge(replace(SETTINGS, token_file=str(tmp_path / "none")), functions)
    assert bridge.deliver(BOX, record()).status == 503
    assert not functions.asked


@pytest.mark.parametrize(("answer", "told"), [(204, 200), (500, 503), (400, 503), (None, 503)])
def test_the_job_makes_the_call_of_the_ping_source(answer: Any, told: int) -> None:
    functions = Functions(answer)
    assert Bridge(SETTINGS, functions).wake_dispatch(seconds=1).status == told
    [(url, headers, body)] = functions.asked
    assert url == "http://dispatch-due-reminders.default.svc.cluster.local/events"
    assert headers["ce-type"] == b"dev.knative.sources.ping"
    assert headers["ce-source"] == b"/apis/v1/namespaces/default/pingsources/reminder-alarm"
    assert body == b""
