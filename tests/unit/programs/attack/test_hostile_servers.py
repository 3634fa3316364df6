"""The servers of an attack really hold whoever calls them, and the functions trust them so far as to be held."""

import os
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from taskmaster.identity import jwks
from tests.programs.attack.hostile import issuer_server, mail_server, receivers
from tests.programs.attack.hostile.issuer_server import IssuerServer
from tests.programs.attack.hostile.mail_server import PLACES, MailServer
from tests.programs.attack.hostile.receivers import KINDS, Receivers
from tests.programs.attack.secure_receiver import SecureReceiver
from tests.programs.attack.trust import Trust, client_side, server_side
from tests.support.receiver import SECRET
from tests.unit.programs.attack.conftest import Serve

FUNCTIONS = Path(__file__).parents[4] / "functions"
HELD_SECONDS = 1.0  # longer than anything on the loopback takes
ONE_READ = 0.5  # a time-out of a single read, which a drip never meets


@pytest.mark.parametrize("kind", [name for name, (_, tls) in KINDS.items() if tls])
def test_a_receiver_behind_tls_takes_the_request_and_holds_its_sender(
    kind: str, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "DRIP_SECONDS", 0.05)
    with Receivers(trust.server, kind) as running:
        port = urlsplit(running.urls[kind]).port
        plain = socket.create_connection(("127.0.0.1", port))
        with client_side(trust.bundle).wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            got = _read(connection)
        assert running.taken == 1
    head, complete, _ = got.partition(b"\r\n\r\n")
    assert got == b"" if kind == "silent" else len(got) > 5
    assert not complete or head.startswith((b"HTTP/1.1 100", b"HTTP/1.1 503"))


@pytest.mark.parametrize("kind", [name for name, (_, tls) in KINDS.items() if not tls])
def test_a_receiver_before_tls_never_finishes_the_handshake(
    kind: str, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "DRIP_SECONDS", 0.05)
    with Receivers(trust.server, kind) as running:
        plain = socket.create_connection(("127.0.0.1", urlsplit(running.urls[kind]).port), timeout=HELD_SECONDS)
        with pytest.raises(TimeoutError):
            client_side(trust.bundle).wrap_socket(plain, server_hostname="127.0.0.1")
        plain.close()
        assert running.taken == 1


def test_a_receiver_that_ends_lets_go_of_whom_it_held(trust: Trust) -> None:
    with Receivers(trust.server, "silent") as running:
        plain = socket.create_connection(("127.0.0.1", urlsplit(running.urls["silent"]).port))
        connection = client_side(trust.bundle).wrap_socket(plain, server_hostname="127.0.0.1")
    connection.settimeout(10)
    try:
        assert connection.recv(1) == b""
    except OSError as error:
        assert not isinstance(error, TimeoutError)
    connection.close()


def test_a_sound_mail_server_takes_a_mail_behind_starttls(trust: Trust, serve: Serve) -> None:
    server = MailServer(server_side(trust.server), drips=lambda: False)
    with serve(server.handle, tls=False) as port:
        _mail(port, trust)
        assert server.mails == 1


@pytest.mark.parametrize("place", PLACES)
def test_a_mail_server_drips_where_it_says(
    place: str, trust: Trust, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_server, "DRIP_SECONDS", 0.05)
    monkeypatch.setattr(mail_server, "PLACES", (place,))
    server = MailServer(server_side(trust.server), drips=lambda: True)
    ended: list[str] = []
    with serve(server.handle, tls=False) as port:
        begun = time.monotonic()
        try:
            _mail(port, trust)
        except (OSError, smtplib.SMTPException) as error:
            ended.append(type(error).__name__)
    # A line of 8,192 bytes is too long for smtplib: at this pace that takes minutes; the test's own limit ends it.
    assert ended == ["TimeoutError"] or time.monotonic() - begun >= HELD_SECONDS
    assert server.mails == 0


def test_an_issuer_is_sound_until_it_drips(trust: Trust, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trust.bundle))
    monkeypatch.setattr(issuer_server, "DRIP_SECONDS", 0.05)
    drips = False
    server = IssuerServer("https://127.0.0.1/realm", [{"kty": "EC", "kid": "one"}], drips=lambda: drips)
    with serve(server.handle, tls=True) as port:
        url = f"https://127.0.0.1:{port}/realm"
        assert jwks.fetch(f"{url}/keys", kubernetes_api="") == {"keys": [{"kty": "EC", "kid": "one"}]}
        assert jwks.fetch(f"{url}/.well-known/openid-configuration", kubernetes_api="")["jwks_uri"].endswith("/keys")
        drips = True
        plain = socket.create_connection(("127.0.0.1", port))
        with client_side(trust.bundle).wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"GET /realm/keys HTTP/1.1\r\nHost: x\r\n\r\n")
            got = _read(connection)
    assert 0 < len(got.partition(b"\r\n\r\n")[2]) < len(b'{"keys": [{"kty": "EC", "kid": "one"}]}')


def test_a_function_delivers_by_https_to_a_receiver_of_the_attack(trust: Trust) -> None:
    code = (
        "import sys; from taskmaster.outbound.deadline import within; from taskmaster.reminding import webhook;"
        "message = (*sys.argv[1:3], 'id', {'data': {'task_id': 1}});"
        "post = lambda deadline: webhook.post(*message, deadline=deadline, allowed=['127.0.0.0/8']);"
        "print(within(webhook.TOTAL_SECONDS, post).outcome)"
    )
    with SecureReceiver(server_side(trust.server)) as receiver:
        environment = {"PATH": os.environ["PATH"], **trust.environment}
        done = subprocess.run(
            [sys.executable, "-c", code, receiver.url, SECRET],
            cwd=FUNCTIONS,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.strip() == "delivered", done.stderr
        assert [message.data for message in receiver.messages] == [{"task_id": 1}]


def _read(connection: ssl.SSLSocket) -> bytes:
    """What comes within a second. Fails if the connection ends before."""
    got, until = b"", time.monotonic() + HELD_SECONDS
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(1024)
        except TimeoutError:
            break
        assert piece, "it was not held"
        got += piece
    return got


def _mail(port: int, trust: Trust) -> None:
    """Send a mail as the functions do, and give up after a second in all."""
    until = time.monotonic() + HELD_SECONDS
    with _Limited("127.0.0.1", port, timeout=ONE_READ, until=until) as server:
        server.starttls(context=client_side(trust.bundle))
        server.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nx\r\n")


class _Limited(smtplib.SMTP):
    """A client that reads a byte at a time, so that a limit over all of it can be kept."""

    def __init__(self, *arguments: object, until: float, **named: object) -> None:
        self._until = until
        super().__init__(*arguments, **named)  # type: ignore[arg-type]

    def getreply(self) -> tuple[int, bytes]:
        line = b""
        assert self.sock is not None
        while True:
            if time.monotonic() > self._until:
                raise TimeoutError
            piece = self.sock.recv(1)
            line += piece
            if not piece:
                raise smtplib.SMTPServerDisconnected
            lines = line.removesuffix(b"\r\n").split(b"\r\n")
            if piece == b"\n" and lines[-1][3:4] != b"-":
                return int(lines[-1][:3]), b"\n".join(each[4:] for each in lines)
