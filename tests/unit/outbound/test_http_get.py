"""One GET by a deadline: whoever answers slowly, wrongly or too much costs nobody more than that."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster.outbound import http_get
from taskmaster.outbound.deadline import within

DEADLINE = 0.5
GENEROUS = 5.0  # seconds, on a machine that is busy elsewhere

Conversation = Callable[[socket.socket], None]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def get(url: str, *, trusting: ssl.SSLContext | None = None, seconds: float = 10, largest: int = 1000) -> bytes:
    return within(
        seconds,
        lambda deadline: http_get.body(url, headers={}, trusting=trusting, deadline=deadline, largest=largest),
    )


def trusts(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serves(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@contextlib.contextmanager
def listening(talk: Conversation) -> Iterator[int]:
    """A server that talks to whoever connects as it is told, until the block ends; its port."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=talk_to, args=(connection,), daemon=True).start()

    def talk_to(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


# By the deadline ------------------------------------------------------------------------------------------------------


def drip(connection: socket.socket, head: bytes) -> None:
    """The beginning, and then a byte every 50 ms for ever."""
    connection.sendall(head)
    for _ in range(1000):
        time.sleep(0.05)
        connection.sendall(b"x")


HEADS = {
    "nothing at all": None,
    "in the status line": b"HTTP/1.1 2",
    "in a header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n",
    "in a body without an end": b"HTTP/1.1 200 OK\r\n\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n300\r\n",
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_answer_that_trickles_is_not_waited_for(authority: trustme.CA, scheme: str, head: str) -> None:
    def talk(connection: socket.socket) -> None:
        if scheme == "https":
            connection = serves(authority).wrap_socket(connection, server_side=True)
        if (begins := HEADS[head]) is None:
            time.sleep(30)
        else:
            drip(connection, begins)

    with listening(talk) as port:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            get(f"{scheme}://localhost:{port}/", trusting=trusts(authority), seconds=DEADLINE)
        assert time.monotonic() - begun < GENEROUS


def test_a_handshake_that_never_ends_is_not_waited_for(authority: trustme.CA) -> None:
    record = b"\x16\x03\x03\x40\x00"  # the beginning of one
    with listening(lambda connection: drip(connection, record)) as port, pytest.raises(TimeoutError):
        get(f"https://localhost:{port}/", trusting=trusts(authority), seconds=DEADLINE)


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(30) and [])
    with pytest.raises(TimeoutError):
        get("http://nowhere.svc/", seconds=DEADLINE)
    over.set()


def test_the_thread_behind_a_deadline_ends(authority: trustme.CA) -> None:
    with listening(lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: ")) as port:
        with pytest.raises(TimeoutError):
            get(f"http://localhost:{port}/", seconds=DEADLINE)
        ends = time.monotonic() + GENEROUS
        while any(thread.name == "http-get" for thread in threading.enumerate()):
            assert time.monotonic() < ends
            time.sleep(0.01)


# What comes -----------------------------------------------------------------------------------------------------------


def test_a_path_and_its_query_arrive_as_they_are(httpserver: HTTPServer) -> None:
    seen: list[Request] = []
    httpserver.expect_request("/a b/keys").respond_with_handler(lambda r: seen.append(r) or Response("x" * 1000))  # type: ignore[func-returns-value]
    assert get(httpserver.url_for("/a%20b/keys?v=1&w=%2F")) == b"x" * 1000
    [request] = seen
    assert request.query_string == b"v=1&w=%2F"
    assert request.headers["User-Agent"] == "taskmaster-functions"
    assert {"Authorization", "Cookie"} & {*request.headers.keys()} == set()


@pytest.mark.parametrize("status", [204, 301, 302, 307, 404, 500])
def test_another_status_is_no_answer_and_no_redirect_is_followed(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/keys").respond_with_data("", status, {"Location": httpserver.url_for("/other")})
    with pytest.raises(ValueError, match=f"HTTP {status}"):
        get(httpserver.url_for("/keys"))
    assert [request.path for request, _ in httpserver.log] == ["/keys"]


@pytest.mark.parametrize("length", [b"Content-Length: 1001\r\n", b"", b"Content-Length: 999999999999\r\n"])
def test_more_than_may_come_is_refused(length: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while True:
            connection.sendall(b"x" * 10_000)

    with listening(talk) as port, pytest.raises(ValueError, match="more than 1000 bytes"):
        get(f"http://localhost:{port}/")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=lambda said: repr(said[:20]),
)
def test_what_is_no_http_is_a_value_error_or_an_os_error(said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(said)

    with listening(talk) as port, pytest.raises((ValueError, OSError)):
        get(f"http://localhost:{port}/")


@pytest.mark.parametrize("url", ["http://localhost:0/", "http:///", "http://local host/", "http://localhost/\r\nX: y"])
def test_an_address_that_is_none_is_a_value_error_or_an_os_error(url: str) -> None:
    with pytest.raises((ValueError, OSError)):
        get(url)


# Who is trusted -------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=serves(authority)) as server:
        server.expect_request("/keys").respond_with_data("yes")
        yield server


def test_an_unknown_authority_is_not_trusted(secure: HTTPServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        get(secure.url_for("/keys"))
    assert secure.log == []


def test_a_certificate_of_another_host_is_not_trusted(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    with HTTPServer(ssl_context=context) as server, pytest.raises(ssl.SSLCertVerificationError):
        get(server.url_for("/keys"), trusting=trusts(authority))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_a_file(
    secure: HTTPServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    assert get(secure.url_for("/keys")) == b"yes"


# Through a proxy ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def proxy(asked: list[bytes], *, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Iterator[int]:
    """One that notes the first line it is sent, and connects if its answer says so."""

    def talk(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(1)
        asked.append(request.partition(b"\r\n")[0])
        port = int(asked[-1].split()[1].rpartition(b":")[2])
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", port)) as onward:
            threading.Thread(target=pour, args=(connection, onward), daemon=True).start()
            pour(onward, connection)

    def pour(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    with listening(talk) as port:
        yield port


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_the_environments_proxy_is_used(
    secure: HTTPServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    asked: list[bytes] = []
    with proxy(asked) as port:
        monkeypatch.setenv(name, form.format(port))
        assert get(secure.url_for("/keys")) == b"yes"
        assert asked == [f"CONNECT localhost:{secure.port} HTTP/1.0".encode()] or asked == [
            f"CONNECT localhost:{secure.port} HTTP/1.1".encode()
        ]
        monkeypatch.setenv("no_proxy", "localhost")
        assert get(secure.url_for("/keys")) == b"yes"
        assert len(asked) == 1


def test_the_clusters_own_api_is_asked_without_a_proxy(
    secure: HTTPServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert get(secure.url_for("/keys"), trusting=trusts(authority)) == b"yes"


def test_a_proxy_that_refuses_is_an_os_error(secure: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy([], answer=b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        with pytest.raises(OSError, match="407"):
            get(secure.url_for("/keys"))
