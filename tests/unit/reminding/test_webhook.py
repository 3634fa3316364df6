"""Webhooks: signed as Standard Webhooks has it, and never sent into a network of ours."""

import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug import Request, Response

from taskmaster.reminding import webhook
from taskmaster.reminding.breaker import MOST_AT_ONCE, MOST_IN_TROUBLE, SLOW_IN_A_ROW, Breaker
from tests.support.channels import post_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOCAL = ("127.0.0.0/8",)


def test_the_signature_is_that_of_the_reference_library() -> None:
    """What standardwebhooks 1.1.0 gives for the message of its own tests."""
    signature = webhook.sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


secrets = st.builds(
    lambda key, padded: "whsec_" + (encoded := b64encode(key).decode())[: None if padded else len(encoded.rstrip("="))],
    st.binary(min_size=24, max_size=64),
    st.booleans(),
)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(secret=secrets, message_id=st.uuids().map(str), data=payloads)
def test_the_reference_library_verifies_what_is_sent(secret: str, message_id: str, data: Any) -> None:
    """And nothing else: another secret, id, time or body is refused."""
    headers, body = webhook.signed(secret, message_id, int(time.time()), {"type": "reminder.due", "data": data})
    assert Webhook(secret).verify(body, headers) == json.loads(body) == {"type": "reminder.due", "data": data}
    later = str(int(headers["webhook-timestamp"]) + 1)
    for wrong in ({"webhook-id": message_id + "x"}, {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers | wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(b64encode(b"another secret of 24 bytes").decode()).verify(body, headers)


@given(secret=secrets, message_id=st.uuids().map(str), second=st.integers(0, 2**33), body=st.text())
def test_it_signs_as_the_reference_library_does(secret: str, message_id: str, second: int, body: str) -> None:
    theirs = Webhook(secret).sign(message_id, datetime.fromtimestamp(second, UTC), body)
    assert webhook.sign(secret, message_id, second, body.encode()) == theirs


REFUSED = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.7", "192.88.99.1",
    "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::", "2001::1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "fec0::1", "3fff::1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_place_for_a_webhook_is_not_called(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a resolver that says so; nothing is connected to, let alone sent."""
    resolved, connected = [], []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        resolved.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port)),
            (family, socket.SOCK_STREAM, 6, "", (address, port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", lambda _, to: connected.append(to))
    outcome = post_webhook("https://rebound.example.com/", SECRET, "1", {}, allowed=())
    assert (outcome.outcome, resolved, connected) == ("failed", ["rebound.example.com"], [])


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_fine(address: str) -> None:
    assert webhook.is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://0x7f000001:9/", "http://2130706433:9/",
     "http://127.1:9/", "http://[::ffff:127.0.0.1]:9/", "https://0/", "https://[fe80::1%25lo]/"],
)  # fmt: skip
def test_no_spelling_of_a_local_address_gets_through(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, to: connected.append(to))
    assert post_webhook(url, SECRET, "1", {}, allowed=()).outcome in ("failed", "later")
    assert connected == []


def test_plain_http_is_for_allowed_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    connected: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", lambda _, to: connected.append(to))
    outcome = post_webhook("http://example.com/", SECRET, "1", {}, allowed=())
    assert (outcome.outcome, outcome.detail, connected) == ("failed", "it is plain http: use https", [])


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as server:
        yield server


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "seconds"),
    [
        (200, {}, "delivered", None),
        (204, {}, "delivered", None),
        (301, {"Location": "/elsewhere"}, "failed", None),
        (307, {"Location": "/elsewhere"}, "failed", None),
        (400, {}, "failed", None),
        (404, {}, "failed", None),
        (410, {}, "failed", None),
        (408, {}, "later", None),
        (429, {"Retry-After": "90"}, "later", 90.0),
        (429, {"Retry-After": "999999"}, "later", 3600.0),
        (500, {}, "later", None),
        (503, {"Retry-After": "soon"}, "later", None),
        (503, {"Retry-After": "0"}, "later", 1.0),
        (503, {"Retry-After": "-5"}, "later", None),
        (503, {"Retry-After": "1.5"}, "later", None),
        (503, {"Retry-After": "9" * 5_000}, "later", 3600.0),
        (503, {"Retry-After": "Wed, 01 Jan 2098 00:00:00 GMT"}, "later", 3600.0),
        (404, {"Retry-After": "90"}, "failed", None),
    ],
)
def test_what_may_be_tried_again_is_told_from_what_failed(
    receiver: HTTPServer, status: int, headers: dict[str, str], outcome: str, seconds: float | None
) -> None:
    receiver.expect_request("/hook").respond_with_response(Response(status=status, headers=headers))
    got = post_webhook(receiver.url_for("/hook"), SECRET, "1", {}, allowed=LOCAL)
    assert (got.outcome, got.seconds) == (outcome, seconds)
    assert [request.path for request, _ in receiver.log] == ["/hook"]  # no redirect was followed


RETRY_AT = datetime(2026, 11, 8, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("Sun, 08 Nov 2026 08:51:07 GMT", 90.0),
        (" Sun, 08 Nov 2026 08:51:07 GMT ", 90.0),
        ("Sunday, 08-Nov-26 08:51:07 GMT", 90.0),
        ("Sun Nov  8 08:51:07 2026", 90.0),
        ("Sun, 08 Nov 2026 08:49:37 GMT", 1.0),
        ("Sun, 08 Nov 2026 07:49:37 GMT", 1.0),
        ("Mon, 09 Nov 2026 08:49:37 GMT", 3600.0),
        ("Sunday, 08-Nov-94 08:49:37 GMT", 1.0),  # of 1994: a year more than fifty ahead is past (RFC 9110, 5.6.7)
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Sun, 08 Nov 2026 08:51:07", None),
        ("Sun, 08 Nov 2026 08:51:07 +0100", None),
        ("2026-11-08T08:51:07Z", None),
        ("Sun, 31 Nov 2026 08:51:07 GMT", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("in a minute", None),
        ("", None),
        ("\u0667", None),
    ],
)
def test_a_retry_after_may_be_a_date(written: str, seconds: float | None) -> None:
    assert webhook._wait(written, now=RETRY_AT) == seconds


def test_the_receiver_can_check_it(receiver: HTTPServer) -> None:
    seen: list[Request] = []

    def look(request: Request) -> Response:
        seen.append(request)
        return Response()

    receiver.expect_request("/hook", method="POST").respond_with_handler(look)
    assert post_webhook(receiver.url_for("/hook"), SECRET, "id-1", {"a": "ü"}, allowed=LOCAL).outcome == "delivered"
    [request] = seen
    headers = request.headers
    expected = webhook.sign(SECRET, headers["webhook-id"], int(headers["webhook-timestamp"]), request.data)
    assert (headers["webhook-signature"], headers["webhook-id"]) == (expected, "id-1")


def test_nobody_there_is_tried_again() -> None:
    assert post_webhook("http://127.0.0.1:1/", SECRET, "1", {}, allowed=LOCAL).outcome == "later"


def test_an_answer_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    import time

    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    for _ in range(100):
                        connection.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=trickle, daemon=True).start()
        begun = time.monotonic()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert post_webhook(url, SECRET, "1", {}, allowed=LOCAL).outcome == "later"
        assert time.monotonic() - begun < 2


def answer(breaker: Breaker, host: str, *slow: bool) -> None:
    for each in slow:
        assert breaker.enter(host)
        breaker.leave(host, slow=each)


@pytest.mark.parametrize(
    "answers", [[True], [True] * (SLOW_IN_A_ROW - 1), [True] * SLOW_IN_A_ROW + [False], [True, False] * 9]
)
def test_a_host_that_is_slow_now_and_then_is_no_slow_host(answers: list[bool]) -> None:
    breaker = Breaker()
    answer(breaker, "now and then", *answers)
    assert [breaker.enter("now and then") for _ in range(MOST_AT_ONCE + 1)] == [True] * MOST_AT_ONCE + [False]


def test_a_slow_host_gets_few_threads_and_another_all_it_wants() -> None:
    breaker = Breaker()
    answer(breaker, "slow", *[True] * SLOW_IN_A_ROW)
    assert [breaker.enter("slow") for _ in range(MOST_IN_TROUBLE + 1)] == [True] * MOST_IN_TROUBLE + [False]
    assert all(breaker.enter("fast") for _ in range(MOST_IN_TROUBLE + 1))
