"""Whatever another server does, a call to it ends at its deadline, over real TLS, and its connection with it."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from taskmaster.domain.outcome import Outcome
from taskmaster.identity import jwks
from taskmaster.outbound import deadline, kubernetes
from taskmaster.outbound.deadline import Deadline, DeadlineExceeded, within
from taskmaster.reminding import apprise_channel, mail, wakeup, webhook
from taskmaster.reminding.wakeup import PingSourceWakeup, WakeupNotScheduled
from taskmaster.settings import read
from tests.support.channels import post_webhook, send_by_apprise, send_mail
from tests.support.hostile import (
    DRIPPING_BODY,
    ENDLESS_BODY,
    HTTP,
    Authority,
    Hostile,
    Script,
    below_starttls,
    dripping_handshake,
    endlessly,
    silence,
    smtp,
    starttls,
    took_at_most,
)

pytestmark = pytest.mark.long

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOCAL = ("127.0.0.0/8",)
SECONDS = 0.6  # of every deadline here
GENEROUS = 20.0  # below every time-out of a socket times its bytes, and far above the deadline

OVER_TLS = list(HTTP)
BELOW_TLS: dict[str, Script] = {"nothing is said to a handshake": silence, "a dripping handshake": dripping_handshake}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def short(authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short deadlines, and everybody trusts the authority of these tests."""
    for module in (webhook, mail, jwks, wakeup):
        monkeypatch.setattr(module, "TOTAL_SECONDS", SECONDS)
    monkeypatch.setattr(webhook, "_authorities", str(authority.file))
    monkeypatch.setattr(kubernetes, "_ACCOUNT", tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@pytest.fixture
def ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time enough for whoever does answer, on a busy machine too."""
    for module in (webhook, mail):
        monkeypatch.setattr(module, "TOTAL_SECONDS", 60.0)


@pytest.fixture(params=["over TLS", "plain"])
def tls(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    return authority.server() if request.param == "over TLS" else None


@contextmanager
def hostile(script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    """A server whose caller is to be back in time, and not to leave its connection open."""
    with Hostile(script, tls=tls) as server, took_at_most(GENEROUS):
        yield server
        assert server.is_left_alone(GENEROUS), "its connection was left open"


def called(server: Hostile, *, tls: bool) -> Outcome:
    scheme = "https" if tls else "http"
    return post_webhook(f"{scheme}://localhost:{server.port}/hook", SECRET, "1", {}, allowed=LOCAL)


def called_by_apprise(server: Hostile, *, tls: bool) -> Outcome:
    apprise_channel._modules()  # what it imports is not the receiver's time
    service = "mmosts" if tls else "mmost"
    return send_by_apprise(f"{service}://localhost:{server.port}/token", "title", "text", allowed=LOCAL)


# Webhooks, and messages by Apprise ------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("call", [called, called_by_apprise])
Call = Callable[..., Outcome]


@BOTH
@pytest.mark.parametrize("script", HTTP.values(), ids=HTTP)
def test_a_receiver_that_never_answers_is_given_up(call: Call, script: Script, tls: ssl.SSLContext | None) -> None:
    with hostile(script, tls=tls) as server:
        while not server.connections:  # on a busy machine the deadline may pass before there is one
            assert call(server, tls=tls is not None).outcome == "later"
        assert server.connections == 1


@pytest.mark.parametrize("script", BELOW_TLS.values(), ids=BELOW_TLS)
def test_a_webhook_that_ends_no_handshake_is_given_up(script: Script) -> None:
    with hostile(script) as server:
        assert called(server, tls=True).outcome == "later"


@BOTH
@pytest.mark.usefixtures("ample")
@pytest.mark.parametrize("body", [DRIPPING_BODY, ENDLESS_BODY], ids=["dripping", "endless"])
def test_the_body_of_an_answer_is_not_waited_for(call: Call, body: Script, tls: ssl.SSLContext | None) -> None:
    with hostile(body, tls=tls) as server:
        assert call(server, tls=tls is not None).outcome == "delivered"


@BOTH
@pytest.mark.usefixtures("ample")
def test_the_body_of_a_redirect_is_not_read(call: Call, authority: Authority) -> None:
    """requests reads the whole of it, decompressed, before it does not follow: a bomb of some kilobytes fills a pod."""
    sent = 0

    def script(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
        while True:
            connection.sendall(b"x" * 60_000)
            sent += 60_000

    with hostile(script, tls=authority.server()) as server:
        assert call(server, tls=True).outcome == "failed"
        assert server.is_left_alone(GENEROUS)
        assert sent < 20_000_000  # what the buffers of loopback take


@pytest.mark.usefixtures("ample")
def test_a_webhook_that_answers_in_time_is_delivered(tls: ssl.SSLContext | None) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with Hostile(script, tls=tls) as server:
        assert called(server, tls=tls is not None).outcome == "delivered"


@pytest.mark.usefixtures("ample")
def test_a_certificate_of_somebody_else_is_not_called(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_authorities", "")
    with Hostile(silence, tls=authority.server()) as server:
        outcome = called(server, tls=True)
        assert (outcome.outcome, outcome.detail) == ("later", "no TLS connection that holds")


@pytest.mark.usefixtures("ample")
def test_a_certificate_of_another_name_is_not_called(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    found = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, port, **__: [(*each[:4], (each[4][0], port)) for each in found]
    )
    with Hostile(silence, tls=authority.server()) as server:
        url = f"https://elsewhere.example:{server.port}/"
        outcome = post_webhook(url, SECRET, "1", {}, allowed=LOCAL)
        assert (outcome.outcome, outcome.detail) == ("later", "no TLS connection that holds")


# Name servers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that never answers."""
    answered = threading.Event()

    def wait(*_: Any, **__: Any) -> Any:
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield
    answered.set()


@pytest.mark.usefixtures("silent_names")
def test_a_name_server_that_never_answers_is_given_up() -> None:
    with took_at_most(GENEROUS):
        assert post_webhook("https://example.com/", SECRET, "1", {}, allowed=()).outcome == "later"
        assert mailed("smtp://mail.example.com").outcome == "later"
        with pytest.raises(WakeupNotScheduled, match="no answer"):
            schedule_wakeup("https://kubernetes.example.com")
        with pytest.raises(DeadlineExceeded):
            jwks.fetch("https://issuer.example.com/keys", kubernetes_api="https://kubernetes.example.com")


def test_many_addresses_are_not_tried_one_by_one_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.1.{last}", port)) for last in range(1, 250)]

    def hang(self: socket.socket, address: Any) -> None:
        tried.append(address)
        time.sleep(min(self.gettimeout() or 60, 0.2))
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", hang)
    with took_at_most(GENEROUS):
        assert post_webhook("https://example.com/", SECRET, "1", {}, allowed=LOCAL).outcome == "later"
    time.sleep(0.5)
    assert len(tried) < 6


# Keys of an issuer ----------------------------------------------------------------------------------------------------

KEYS = {**HTTP, "a dripping body": DRIPPING_BODY, "an endless body": ENDLESS_BODY}


@pytest.mark.parametrize("script", KEYS.values(), ids=KEYS)
def test_an_issuer_that_never_answers_is_given_up(script: Script, tls: ssl.SSLContext | None) -> None:
    with hostile(script, tls=tls) as server:
        scheme = "https" if tls else "http"
        with pytest.raises((OSError, ValueError)):
            jwks.fetch(f"{scheme}://localhost:{server.port}/keys", kubernetes_api="https://elsewhere")


@pytest.mark.parametrize("script", BELOW_TLS.values(), ids=BELOW_TLS)
def test_an_issuer_that_ends_no_handshake_is_given_up(script: Script) -> None:
    with hostile(script) as server, pytest.raises(DeadlineExceeded):
        jwks.discover(f"https://localhost:{server.port}", kubernetes_api="https://elsewhere")


# The wake-up ----------------------------------------------------------------------------------------------------------


def schedule_wakeup(api: str) -> None:
    PingSourceWakeup(read({"KUBERNETES_API_URL": api})).schedule(datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize("script", HTTP.values(), ids=HTTP)
def test_an_api_that_never_answers_is_given_up(script: Script, authority: Authority) -> None:
    with hostile(script, tls=authority.server()) as server, pytest.raises(WakeupNotScheduled):
        schedule_wakeup(f"https://localhost:{server.port}")


@pytest.mark.parametrize("script", BELOW_TLS.values(), ids=BELOW_TLS)
def test_an_api_that_ends_no_handshake_is_given_up(script: Script) -> None:
    with hostile(script) as server, pytest.raises(WakeupNotScheduled):
        schedule_wakeup(f"https://localhost:{server.port}")


# Mail -----------------------------------------------------------------------------------------------------------------

_GREETING, _OFFERS = b"220 here\r\n", b"250-here\r\n250 AUTH PLAIN LOGIN\r\n"
SMTP: dict[str, Script] = {
    "nothing is said": silence,
    "a dripping greeting": smtp(then=b"220 ", piece=b"h"),
    "a greeting of endless lines": smtp(then=b"", piece=b"220-hello\r\n"),
    "a dripping answer to EHLO": smtp(_GREETING, then=b"250-", piece=b"x"),
    "endless extensions": smtp(_GREETING, then=b"", piece=b"250-X\r\n"),
    "endless extensions at full speed": smtp(_GREETING, then=b"", piece=b"250-X\r\n" * 1000, pause=0),
    "a dripping answer to AUTH": smtp(_GREETING, _OFFERS, then=b"334 ", piece=b"V"),
    "a dripping answer to MAIL": smtp(_GREETING, _OFFERS, b"235 come in\r\n", then=b"250 ", piece=b"o"),
    "a dripping answer to RCPT": smtp(_GREETING, _OFFERS, b"235 come in\r\n", b"250 ok\r\n", then=b"250 ", piece=b"o"),
}


def mailed(url: str) -> Outcome:
    return send_mail("ada@example.com", "call Grace", "now", "1", smtp_url=url, sender="reminders@example.com")


@pytest.mark.parametrize("script", SMTP.values(), ids=SMTP)
def test_a_mail_server_that_never_answers_is_given_up_over_smtps(script: Script, authority: Authority) -> None:
    with hostile(script, tls=authority.server()) as server:
        assert mailed(f"smtps://ada:secret@localhost:{server.port}").outcome == "later"


@pytest.mark.parametrize("script", BELOW_TLS.values(), ids=BELOW_TLS)
def test_a_mail_server_that_ends_no_handshake_is_given_up(script: Script) -> None:
    for scheme, played in (("smtps", script), ("smtp", below_starttls(script))):
        with hostile(played) as server:
            assert mailed(f"{scheme}://localhost:{server.port}").outcome == "later"


@pytest.mark.parametrize(
    "name", ["nothing is said", "a dripping greeting", "a dripping answer to EHLO", "endless extensions"]
)
def test_a_mail_server_in_plain_that_never_answers_is_given_up(name: str) -> None:
    with hostile(SMTP[name]) as server:
        assert mailed(f"smtp://localhost:{server.port}").outcome == "later"


@pytest.mark.parametrize("piece", [(b"250-", b"x"), (b"", b"250-X\r\n"), (b"", b"")], ids=["drips", "lines", "silent"])
def test_a_mail_server_that_never_answers_behind_starttls(piece: tuple[bytes, bytes], authority: Authority) -> None:
    script = starttls(authority.server(), endlessly(*piece) if any(piece) else silence)
    with hostile(script) as server:
        assert mailed(f"smtp://localhost:{server.port}").outcome == "later"


@pytest.mark.usefixtures("ample")
def test_a_slow_goodbye_makes_no_second_mail(authority: Authority) -> None:
    script = smtp(
        *(_GREETING, b"250 here\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"),
        then=b"250 taken\r\n221 ",
        piece=b"b",
    )

    with Hostile(script, tls=authority.server()) as server:
        assert mailed(f"smtps://localhost:{server.port}").outcome == "delivered"


# Deadlines themselves -------------------------------------------------------------------------------------------------


def test_what_a_call_returns_and_raises_comes_out() -> None:
    assert within(5, lambda _: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        within(5, lambda _: 1 / 0)


def test_a_connection_that_is_opened_too_late_is_ended_at_once() -> None:
    over = Deadline(5)
    over.end()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with pytest.raises(DeadlineExceeded):
            over.watch(connection)
        accepted.settimeout(5)
        assert accepted.recv(1) == b""
        accepted.close()
        connection.close()


def test_a_call_is_left_when_it_ends_and_not_before() -> None:
    """What a call counts against stays counted as long as its thread is there."""
    left, may_end = threading.Event(), threading.Event()
    call = deadline.begin(0.1, lambda _: may_end.wait(30), at_end=left.set)
    with pytest.raises(DeadlineExceeded):
        call.result()
    assert not left.is_set()
    may_end.set()
    assert left.wait(5)
