"""Limits of the server, each beyond its bound and just within, over real sockets; others are answered meanwhile."""

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bounded_waitress import Limits
from knative.local.web import WebServer
from tests.support.function_process import eventually
from tests.support.raw_http import RawAnswer, RawClient

pytestmark = pytest.mark.long

SMALL = Limits(
    body=100_000,
    header_bytes=4_096,
    header_fields=20,
    connections=20,
    bodies=400_000,
    answers=3_000_000,
    header_seconds=1.5,
    body_seconds=1.5,
    send_seconds=1.5,
    idle_seconds=2.5,
)
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
asked_for_huge = threading.Semaphore(0)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    match environ["PATH_INFO"]:
        case "/large":
            content, status = b"x" * 2_000_000, "200 OK"
        case "/huge":  # more than the kernel takes over for a client that reads nothing
            content, status = b"x" * 30_000_000, "200 OK"
            asked_for_huge.release()
        case "/nothing":
            content, status = b"", "204 No Content"
        case "/unchanged":
            content, status = b"", "304 Not Modified"
        case "/fails":
            raise RuntimeError("said nowhere")
        case "/streams":
            start_response("200 OK", [])
            return iter([b"a", b"b"])
        case _:
            content, status = str(len(body)).encode(), "200 OK"
    start_response(status, [("Content-Length", str(len(content)))])
    return [content]


@contextmanager
def running(limits: Limits) -> Iterator[WebServer]:
    server = WebServer(application, threads=2, limits=limits)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serving(limits: Limits = SMALL) -> Iterator[int]:
    with running(limits) as server:
        yield server.port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def no_file_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a request or an answer went to a temporary file")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)


def post(*headers: str, body: bytes = b"") -> bytes:
    lines = ["POST / HTTP/1.1", "Host: here", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def ask(port: int, data: bytes) -> RawAnswer:
    with RawClient(port) as client:
        return client.ask(data)


def expect_refused(answer: RawAnswer, status: int) -> None:
    assert answer.status == status
    problem = json.loads(answer.body)
    assert (problem["status"], answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.headers["connection"] == "close"
    assert answer.headers["kne-reason"] == problem["detail"]


def test_a_body_of_the_limit_is_taken(port: int) -> None:
    assert ask(port, post("Content-Length: 100000", body=b"x" * 100_000)).body == b"100000"


@pytest.mark.parametrize("size", [1, 1_000, 100_000])
def test_a_chunked_body_of_the_limit_is_taken(port: int, size: int) -> None:
    """The bytes that frame its chunks are not among those that are counted."""
    chunks = (b"%x\r\n%b\r\n" % (size, b"x" * size)) * min(100_000 // size, 20_000) + b"0\r\n\r\n"
    answer = ask(port, post("Transfer-Encoding: chunked", body=chunks))
    assert (answer.status, answer.body) == (200, str(min(100_000 // size, 20_000) * size).encode())


@pytest.mark.parametrize("size", ["100001", "314572800", "9" * 30])
def test_a_body_announced_too_large_is_refused_before_it_comes(port: int, size: str) -> None:
    with RawClient(port) as client:
        expect_refused(client.ask(post(f"Content-Length: {size}")), 413)
        assert client.is_closed(within=10)


def test_who_waits_for_100_continue_is_refused_instead(port: int) -> None:
    expect_refused(ask(port, post("Content-Length: 314572800", "Expect: 100-continue")), 413)
    with RawClient(port) as client:
        assert client.ask(post("Content-Length: 3", "Expect: 100-continue")).status == 100
        assert client.ask(b"abc").body == b"3"


def test_100_continue_for_no_body_is_not_waited_for(port: int) -> None:
    assert ask(port, b"GET / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n\r\n").status == 200


def test_a_chunked_body_is_refused_when_it_has_become_too_large(port: int) -> None:
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with RawClient(port) as client:
        client.send(post("Transfer-Encoding: chunked"))
        taken = client.send_until_refused(chunk for _ in range(4_800))  # 300 MiB
        assert taken < 60_000_000  # what fits between two sockets, and what a refused client is listened to


@pytest.mark.parametrize("size", [110_000, 1_000_000])
def test_who_sends_before_reading_gets_the_answer_all_the_same(port: int, size: int) -> None:
    """A connection that is closed upon unread bytes is reset, and the answer would be gone."""
    for data in (
        post(f"Content-Length: {size}", body=b"x" * size),
        post("Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)),
    ):
        expect_refused(ask(port, data), 413)


def test_what_follows_a_refused_request_is_no_request(port: int) -> None:
    with RawClient(port) as client:
        client.send(post("Content-Length: 200000") + GET * 10)
        expect_refused(client.answer(), 413)
        assert client.is_closed(within=10)


@pytest.mark.parametrize(
    "header",
    [
        b"".join(b"X-%d: y\r\n" % number for number in range(10_000)),
        b"X: y\r\n" * 10_000,
        b"X: y\r\n" * 21,
        b"X: " + b"y" * 5_000 + b"\r\n",
        b"X: y\r\n" + b" folded\r\n" * 30,
        b"X: " + b"y" * 1_000_000,
    ],
    ids=["10,000 fields", "10,000 times the same", "one too many", "one too long", "folded", "no end"],
)
def test_too_many_or_too_long_headers_are_refused(port: int, header: bytes) -> None:
    expect_refused(ask(port, b"GET / HTTP/1.1\r\nHost: here\r\n" + header + b"\r\n"), 431)
    assert ask(port, GET).status == 200


def test_as_many_headers_as_are_allowed_are_taken(port: int) -> None:
    assert ask(port, b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X: y\r\n" * 19 + b"\r\n").status == 200


def test_a_request_line_without_end_is_refused(port: int) -> None:
    expect_refused(ask(port, b"GET /" + b"x" * 10_000), 431)


MALFORMED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two lengths": post("Content-Length: 1", "Content-Length: 2", body=b"ab"),
    "a length below nothing": post("Content-Length: -1"),
    "a length with a sign": post("Content-Length: +1", body=b"a"),
    "a length that is no number": post("Content-Length: 1e1", body=b"a"),
    "a length and chunks": post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is no number": post("Transfer-Encoding: chunked", body=b"zz\r\n"),
    "a bare line feed": b"GET / HTTP/1.1\r\nHost: here\nX: y\r\n\r\n",
    "no request line": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_request_is_refused_and_ends_the_connection(port: int, case: str) -> None:
    with RawClient(port) as client:
        expect_refused(client.ask(MALFORMED[case]), 400)
        assert client.is_closed(within=10)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
        (b"GET / HTTP/2.0\r\nHost: here\r\n\r\n", 505),
        (b"GET /fails HTTP/1.1\r\nHost: here\r\n\r\n", 500),
    ],
)
def test_what_is_not_known_here_is_refused_as_problem_details(port: int, data: bytes, status: int) -> None:
    expect_refused(ask(port, data), status)


def test_a_refusal_quotes_nothing_of_the_request(port: int) -> None:
    """Its header may hold a token."""
    answer = ask(port, b"GET / HTTP/1.1\r\nAuthorization: Bearer secret\nHost: here\r\n\r\n")
    assert answer.status == 400
    assert b"secret" not in answer.body


# Slow clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [b"G", b"GET / HTTP/1.1\r\nHost: here\r\nX-", post("Content-Length: 50000"), post("Transfer-Encoding: chunked")],
    ids=["a line", "headers", "a body", "chunks"],
)
def test_a_request_that_drips_in_is_given_up(port: int, begun: bytes) -> None:
    """However often a byte comes: it is the whole request that has a limit."""
    with RawClient(port) as client:
        client.send(begun)
        assert client.drip(b"1", every=0.1, within=15)
        expect_refused(client.answer(), 408)


def test_who_announces_a_body_and_falls_silent_is_given_up(port: int) -> None:
    with RawClient(port) as client:
        client.send(post("Content-Length: 10", body=b"abc"))
        expect_refused(client.answer(), 408)


def test_an_idle_connection_is_closed_and_a_busy_one_stays(port: int) -> None:
    with RawClient(port) as idle, RawClient(port) as busy:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert busy.ask(GET).status == 200
            time.sleep(0.2)
        assert idle.is_closed(within=0.5)


def taken_late(port: int, clients: int, wait: Callable[[], object]) -> list[int]:
    """How much of its answer each of some clients gets that begin to read after that wait."""
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(clients)]
    taken = []
    try:
        for client in held:
            client.sendall(b"GET /huge HTTP/1.1\r\nHost: here\r\n\r\n")
        for _ in held:
            assert asked_for_huge.acquire(timeout=30)
        wait()
        assert ask(port, GET).status == 200
        for client in held:
            taken.append(0)
            with contextlib.suppress(OSError):
                while len(chunk := client.recv(1_048_576)) and taken[-1] < 30_000_000:
                    taken[-1] += len(chunk)
    finally:
        for client in held:
            client.close()
    return taken


def connected(server: WebServer, clients: int) -> None:
    """Wait until so many connections are left."""
    eventually(lambda: len(server._server.active_channels) == clients, f"{clients} connections left")


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    with running(SMALL._replace(answers=100_000_000, send_seconds=1)) as server:
        assert all(taken < 30_000_000 for taken in taken_late(server.port, 2, lambda: connected(server, 0)))


def test_an_answer_that_is_taken_late_is_whole() -> None:
    with serving(SMALL._replace(answers=100_000_000, send_seconds=30)) as port:
        assert all(taken >= 30_000_000 for taken in taken_late(port, 2, lambda: time.sleep(1)))


def test_answers_that_nobody_takes_do_not_fill_the_memory() -> None:
    """What is more than all may be together goes, the largest first; others are answered."""
    with running(SMALL._replace(answers=40_000_000, send_seconds=30)) as server:
        taken = taken_late(server.port, 4, lambda: connected(server, 1))
    assert sorted(amount >= 30_000_000 for amount in taken) == [False, False, False, True]


# Connections ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET / HTTP/1.1\r\n", post("Content-Length: 10"), GET],
    ids=["idle", "headers", "body", "asked before"],
)
def test_connections_beyond_the_limit_make_way_for_who_asks(port: int, begun: bytes) -> None:
    held = []
    try:
        for _ in range(200):
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            if begun:
                client.sendall(begun)
            held.append(client)
        for _ in range(5):
            began = time.monotonic()
            assert ask(port, GET).status == 200
            assert time.monotonic() - began < 5
    finally:
        for client in held:
            client.close()


def test_a_connection_that_asks_now_and_then_outlives_the_silent_ones(port: int) -> None:
    held = []
    with RawClient(port) as customer:
        try:
            for _ in range(20):
                assert customer.ask(GET).status == 200
                held += [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(10)]
        finally:
            for client in held:
                client.close()


def test_bodies_together_are_limited() -> None:
    """Ten clients announce as much as they may and send nothing: beyond what all may, the next is turned away."""
    with serving() as port:
        clients = [RawClient(port) for _ in range(10)]
        try:
            for client in clients:
                client.send(post("Content-Length: 100000"))
            answers = [client.answer() for client in clients]
            assert {each.status for each in answers} == {408, 503}
            assert all(each.headers["retry-after"] for each in answers if each.status == 503)
            assert ask(port, post("Content-Length: 100000", body=b"x" * 100_000)).status == 200
        finally:
            for client in clients:
                client.close()


def test_what_a_refused_request_announced_takes_no_room_of_others() -> None:
    """Its answer waits for a thread, since all are at work; meanwhile another one's body is taken."""
    at_work, go_on = threading.Semaphore(0), threading.Event()

    def waits(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/waits":
            at_work.release()
            go_on.wait(30)
        return application(environ, start_response)

    server = WebServer(waits, threads=2, limits=SMALL)
    with contextlib.ExitStack() as connections:
        connections.callback(server.stop)
        connections.callback(go_on.set)
        busy, refused, other = [
            [connections.enter_context(RawClient(server.port)) for _ in range(count)] for count in (2, 3, 1)
        ]
        for client in busy:
            client.send(b"GET /waits HTTP/1.1\r\nHost: here\r\n\r\n")
            assert at_work.acquire(timeout=10)
        for client in refused:
            client.send(post("Content-Length: 999999999"))
        other[0].send(post("Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (90_000, b"x" * 90_000)))
        time.sleep(0.5)  # so that all have been read before a thread is free
        go_on.set()
        assert other[0].answer().body == b"90000"
        for client in refused:
            expect_refused(client.answer(), 413)


# HEAD, and answers without a body -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/large", 200), ("/nothing", 204), ("/unchanged", 304), ("/streams", 200)]
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_no_body_where_none_belongs(port: int, method: str, path: str, status: int) -> None:
    if method == "GET" and status == 200:
        return
    with RawClient(port) as client:
        answer = client.ask(f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert answer.status == status
        if path == "/streams":  # its length is not known, so it ends with the connection
            assert client.is_closed(within=5)
        else:
            assert "connection" not in answer.headers
            assert client.ask(GET).body == b"0"  # nothing was left of the first


def test_a_refused_head_has_no_body_either(port: int) -> None:
    for path, headers, status in (("/fails", "", 500), ("/", "Content-Length: 999999\r\n", 413)):
        with RawClient(port) as client:
            answer = client.ask(f"HEAD {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode())
            assert answer.status == status
            assert client.is_closed(within=5)


def test_stopping_waits_for_nobody_who_is_slow() -> None:
    server = WebServer(application, limits=SMALL)
    with RawClient(server.port) as client:
        client.send(post("Content-Length: 10"))
        time.sleep(0.3)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
    assert not any(thread.name == f"web-{server.port}" for thread in threading.enumerate())
