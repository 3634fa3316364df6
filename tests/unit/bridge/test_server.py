"""The HTTP side of the bridge: who is let in, what daprd asks for, and how a stop ends it."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from knative_delivery.sink import Answer
from taskmaster.bridge.bridge import Bridge
from taskmaster.bridge.server import Server, take_long_heads
from taskmaster.bridge.settings import BridgeSettings, read
from taskmaster.bridge.subscriptions import mailboxes
from taskmaster.events.routes import MAILBOXES
from taskmaster.settings import Settings, WrongSetting

TOKEN = "the token of daprd"
SETTINGS = BridgeSettings(
    host="127.0.0.1", port=0, token=TOKEN, namespace="default", pubsub="pubsub", gateway="", token_file="",
    connections=4, largest=100_000,
)  # fmt: skip
EVENT = b'{"data_base64": "e30="}'
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "i",
    "ce_source": "/s",
    "ce_type": "t",
    "__offset": "3",
    "__partition": "1",
}


class Function:
    """Keeps what it was asked, and answers when it may."""

    def __init__(self) -> None:
        self.asked: list[dict[str, bytes]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_asked = threading.Event()

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        self.asked.append(dict(headers))
        self.is_asked.set()
        assert self.may_answer.wait(20)
        return Answer(204, {}, b"")


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def server(function: Function) -> Iterator[Server]:
    boxes = mailboxes(Settings.model_validate({}))
    server = Server(SETTINGS, Bridge(SETTINGS, function), boxes)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    function.may_answer.set()
    server.stop(20)
    thread.join(20)


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.request(method, path, body, {"dapr-api-token": TOKEN, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def asked_meanwhile(server: Server) -> tuple[list[int], threading.Thread]:
    """An event on its way, and where its status will be."""
    answers: list[int] = []
    ask_once = lambda: answers.append(ask(server, "POST", "/in/create-task", EVENT, **HEADERS)[0])  # noqa: E731
    asking = threading.Thread(target=ask_once)
    asking.start()
    return answers, asking


def test_every_mailbox_is_subscribed_raw_by_its_own_component(server: Server) -> None:
    status, body = ask(server, "GET", "/dapr/subscribe")
    found = {each["pubsubname"]: each for each in json.loads(body)}
    assert status == 200
    assert set(found) == {f"pubsub-{name}" for name in (*MAILBOXES, "send-reminder")}
    assert found["pubsub-send-reminder"]["topic"] == "reminders"
    assert all(each["metadata"] == {"rawPayload": "true"} for each in found.values())


def test_headers_with_underscores_reach_the_function(server: Server, function: Function) -> None:
    assert ask(server, "POST", "/in/create-task", EVENT, **HEADERS)[0] == 200
    assert function.asked[0]["ce-id"] == b"i"
    assert function.asked[0]["ce-knativekafkaoffset"] == b"3"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ü"])
def test_nobody_gets_in_without_the_token(server: Server, function: Function, token: str) -> None:
    for method, path in (("POST", "/in/create-task"), ("GET", "/dapr/subscribe"), ("POST", "/job/reminder-alarm")):
        assert ask(server, method, path, EVENT, **{**HEADERS, "dapr-api-token": token})[0] == 401
    assert not function.asked


def test_a_probe_needs_no_token(server: Server) -> None:
    assert ask(server, "GET", "/healthz", None, **{"dapr-api-token": ""})[0] == 204


def test_an_event_for_nobody_is_never_dropped(server: Server) -> None:
    assert ask(server, "POST", "/in/no-such-function", EVENT)[0] == 503
    assert ask(server, "POST", "/in/create-task", b"{}", **HEADERS)[0] == 503


def test_a_body_has_a_length_and_a_limit(server: Server, function: Function) -> None:
    assert ask(server, "POST", "/in/create-task", b"x" * 100_001, **HEADERS)[0] == 413
    assert ask(server, "POST", "/in/create-task", None, **{"Transfer-Encoding": "chunked"})[0] == 411
    assert not function.asked


def test_a_record_with_many_and_long_headers_gets_through(
    server: Server, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_MAXHEADERS", "_MAXLINE"):  # of this process, which has other tests
        monkeypatch.setattr(http.client, limit, getattr(http.client, limit))
    take_long_heads()
    many = {f"x{number}": "v" for number in range(500)} | {"x": "v" * 200_000}
    assert ask(server, "POST", "/in/create-task", EVENT, **HEADERS, **many)[0] == 200
    assert len(function.asked) == 1


def test_the_callback_of_the_job_wakes_dispatch(server: Server, function: Function) -> None:
    assert ask(server, "POST", "/job/reminder-alarm", b"{}")[0] == 200
    assert function.asked[0]["ce-type"] == b"dev.knative.sources.ping"


def test_connections_beyond_the_limit_wait_for_their_turn(server: Server, function: Function) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(SETTINGS.connections)]
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(server, "POST", "/in/create-task", EVENT, **HEADERS)[0])
    )
    asking.start()
    for connection in idle:
        connection.close()
    asking.join(20)
    assert answers == [200]


def test_a_stop_answers_what_had_begun(server: Server, function: Function) -> None:
    function.may_answer.clear()
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(server, "POST", "/in/create-task", EVENT, **HEADERS)[0])
    )
    asking.start()
    assert function.is_asked.wait(20)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(server.stop(20)))
    stopping.start()
    function.may_answer.set()
    asking.join(20)
    stopping.join(20)
    assert (answers, stopped) == ([200], [True])


def test_without_a_token_it_listens_on_the_loopback_if_told_so() -> None:
    with pytest.raises(WrongSetting, match="APP_API_TOKEN"):
        read({})
    with pytest.raises(WrongSetting, match="APP_API_TOKEN"):
        read({"HOST": "0.0.0.0"})
    assert read({"HOST": "127.0.0.1"}).token == ""
    assert read({"APP_API_TOKEN": "t"}) == replace(SETTINGS, port=8080, token="t", connections=128, largest=15_000_000)


@pytest.mark.parametrize("wrong", [{"PORT": "0"}, {"FUNCTION_GATEWAY": "https://x"}, {"BRIDGE_CONNECTIONS": "many"}])
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match=next(iter(wrong))):
        read({"APP_API_TOKEN": "t", **wrong})
