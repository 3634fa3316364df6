"""Answers that are written over time: by any thread, without one of the server, and within its limits."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from bounded_waitress import Limits
from knative.local.web import WebServer
from tests.support.function_process import eventually
from tests.support.raw_http import RawClient

LIMITS = Limits(body=1_000, connections=60, answers=8_000_000, send_seconds=1.5, idle_seconds=1.0)
GET = b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n"


class Application:
    """Streams, and plain answers beside them."""

    def __init__(self) -> None:
        self.streams: list[Any] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/stream":
                self.streams.append(environ["bounded_waitress.stream"]())
                start_response("200 OK", [("Content-Type", "text/event-stream")])
                return [b"first", b"\n"]
            case "/early":
                stream = environ["bounded_waitress.stream"]()
                self.streams.append(stream)
                stream.write(b"written before the header\n")
                stream.end()
                start_response("200 OK", [])
                return [b"first\n"]
            case "/fails":
                self.streams.append(environ["bounded_waitress.stream"]())
                raise RuntimeError("said nowhere")
        start_response("200 OK", [("Content-Length", "5")])
        return [b"plain"]


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def port(application: Application) -> Iterator[int]:
    server = WebServer(application, threads=2, limits=LIMITS)
    try:
        yield server.port
    finally:
        for stream in application.streams:
            stream.end()
        server.stop()


@contextlib.contextmanager
def streaming(port: int, application: Application, request: bytes = GET) -> Iterator[tuple[RawClient, Any]]:
    """A client of a stream, and the other end of it."""
    before = len(application.streams)
    with RawClient(port) as client:
        client.send(request)
        eventually(lambda: len(application.streams) > before, "the stream")
        yield client, application.streams[before]


def read_until(client: RawClient, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        got = client.receive()
        assert got, found
        found += got
    return found


def test_what_is_written_arrives_at_once_and_in_its_order(port: int, application: Application) -> None:
    with streaming(port, application) as (client, stream):
        assert read_until(client, b"5\r\nfirst\r\n1\r\n\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        for number in range(50):
            began = time.monotonic()
            stream.write(b"%d\n" % number)
            assert read_until(client, b"%d\n\r\n" % number)
            assert time.monotonic() - began < 5
        stream.end()
        assert read_until(client, b"0\r\n\r\n")
        assert client.is_closed(within=5)
        assert not stream.is_open


def test_many_streams_leave_the_threads_to_others(port: int, application: Application) -> None:
    with contextlib.ExitStack() as opened:
        several = [opened.enter_context(streaming(port, application)) for _ in range(40)]
        threads = threading.active_count()
        with RawClient(port) as other:
            assert other.ask(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").body == b"plain"
        for _, stream in several:
            stream.write(b"all\n")
        for client, _ in several:
            read_until(client, b"all\n\r\n")
        assert threading.active_count() == threads


def test_many_threads_may_write_to_one_stream(port: int, application: Application) -> None:
    with streaming(port, application) as (client, stream):
        read_until(client, b"\n\r\n")
        writers = [
            threading.Thread(target=lambda n=n: [stream.write(b"%d" % n * 1_000) for _ in range(50)]) for n in range(4)
        ]
        for writer in writers:
            writer.start()
        received = b""
        while len(received) < 200 * 1_007:
            received += client.receive()
        for writer in writers:
            writer.join()
        frames = received.split(b"\r\n")[1::2]
        assert sorted(frames) == sorted(b"%d" % n * 1_000 for n in range(4) for _ in range(50))


def test_a_stream_outlives_the_time_of_idle_connections(port: int, application: Application) -> None:
    with streaming(port, application) as (client, stream):
        read_until(client, b"\n\r\n")
        assert not client.is_closed(within=3)
        stream.write(b"still here\n")
        assert read_until(client, b"still here\n\r\n")


def test_a_client_that_goes_is_noticed(port: int, application: Application) -> None:
    with streaming(port, application) as (client, stream):
        read_until(client, b"\n\r\n")
        assert stream.is_open
    eventually(lambda: not stream.is_open, "the end of the client")
    stream.write(b"to nobody\n")
    stream.end()


def test_a_client_that_reads_nothing_is_let_go(port: int, application: Application) -> None:
    with streaming(port, application) as (_, stream):
        deadline = time.monotonic() + 30
        while not stream.pending and time.monotonic() < deadline:
            stream.write(b"x" * 100_000)
        assert stream.pending
        eventually(lambda: not stream.is_open, "the end of a client that reads nothing")


def test_what_is_written_before_the_header_follows_it(port: int, application: Application) -> None:
    with RawClient(port) as client:
        client.send(b"GET /early HTTP/1.1\r\nHost: here\r\n\r\n")
        received = read_until(client, b"\r\n0\r\n\r\n")
    assert received.index(b"first\n") < received.index(b"written before the header\n")


def test_a_client_of_http_1_0_gets_plain_bytes_until_the_end(port: int, application: Application) -> None:
    with streaming(port, application, b"GET /stream HTTP/1.0\r\n\r\n") as (client, stream):
        read_until(client, b"first\n")
        stream.write(b"plain\n")
        assert read_until(client, b"plain\n") == b"plain\n"
        stream.end()
        assert client.is_closed(within=5)


def test_head_has_no_stream(port: int, application: Application) -> None:
    with RawClient(port) as client:
        client.send(b"HEAD /stream HTTP/1.1\r\nHost: here\r\n\r\n")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        assert client.is_closed(within=5)
    assert not application.streams[-1].is_open


def test_a_failure_before_the_stream_ends_it(port: int, application: Application) -> None:
    with RawClient(port) as client:
        assert client.ask(b"GET /fails HTTP/1.1\r\nHost: here\r\n\r\n").status == 500
    assert not application.streams[-1].is_open


def test_a_request_behind_a_stream_is_not_answered(port: int, application: Application) -> None:
    with streaming(port, application, GET + GET) as (client, stream):
        read_until(client, b"\n\r\n")
        client.send(GET)
        stream.write(b"the same\n")
        assert read_until(client, b"the same\n\r\n").count(b"HTTP/1.1") == 0
        assert len(application.streams) == 1


def test_a_stream_does_not_make_way_for_new_connections(port: int, application: Application) -> None:
    with contextlib.ExitStack() as opened:
        client, stream = opened.enter_context(streaming(port, application))
        read_until(client, b"\n\r\n")
        for _ in range(80):
            opened.enter_context(RawClient(port))
        with RawClient(port) as other:
            assert other.ask(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").body == b"plain"
        stream.write(b"still here\n")
        assert read_until(client, b"still here\n\r\n")
