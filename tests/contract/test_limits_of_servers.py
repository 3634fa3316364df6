"""What a stranger without a token can cost a function's process, under either server: others are answered meanwhile."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_two_servers import SERVERS, TASK, Served, serving
from tests.support.function_pack import FUNCTIONS
from tests.support.raw_http import RawClient

OURS = SERVERS[1]
POST = b"POST /tasks HTTP/1.1\r\nHost: create-task.example.com\r\nContent-Type: application/json\r\n"
CHUNK = b"100000\r\n" + b"x" * 1_048_576 + b"\r\n"


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, connected: dict[str, str]) -> Iterator[Served]:
    with serving(request.param, "create-task", connected) as found:
        yield found


def files_in_tmp(served: Served) -> list[str]:
    """Files that the process and its children hold open below /tmp, those without a name among them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mine = os.getpgid(int(process.name)) == os.getpgid(served.process.pid)
            found += [os.readlink(each) for each in (process / "fd").iterdir()] if mine else []
        except OSError:
            continue  # it has ended meanwhile
    ours = (str(FUNCTIONS.parent), "/tmp/wgunicorn")
    return [name for name in found if name.startswith("/tmp/") and not name.startswith(ours)]


def test_a_body_of_300_mib_is_refused_by_what_it_announces(served: Served) -> None:
    with RawClient(served.port) as client:
        began = time.monotonic()
        answer = client.ask(POST + b"Content-Length: 314572800\r\n\r\n")
        assert (answer.status, json.loads(answer.body)["detail"]) == (413, "A request has at most 262144 bytes.")
        assert answer.headers["kne-reason"] == "A request has at most 262144 bytes."
        assert time.monotonic() - began < 10
        assert served.ask("POST", "/tasks", TASK).status == 201


def test_a_body_of_300_mib_is_refused_by_what_has_come(served: Served) -> None:
    with RawClient(served.port) as client:
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        client.send(CHUNK)
        assert files_in_tmp(served) == []
        assert client.send_until_refused(CHUNK for _ in range(300)) < 100_000_000
        assert served.ask("POST", "/tasks", TASK).status == 201


@pytest.mark.parametrize("size", [262_145, 400_000])
def test_who_sends_before_reading_is_told_all_the_same(served: Served, size: int) -> None:
    for data in (
        b"Content-Length: %d\r\n\r\n" % size + b" " * size,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % size + b" " * size + b"\r\n0\r\n\r\n",
    ):
        with RawClient(served.port) as client:
            assert client.ask(POST + data).status == 413


def test_10000_headers_are_refused(served: Served) -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    with RawClient(served.port) as client:
        assert client.ask(POST + many + b"\r\n").status in (400, 431)
    assert served.ask("POST", "/tasks", TASK).status == 201


# Ours alone: gunicorn lets each of these hold one of its threads, and is not what the manifests run ------------------


@pytest.fixture(scope="module")
def ours(connected: dict[str, str]) -> Iterator[Served]:
    with serving(OURS, "create-task", connected) as found:
        yield found


def test_a_refused_request_ends_its_connection(ours: Served) -> None:
    with RawClient(ours.port) as client:
        client.send(POST + b"Content-Length: 300000\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        assert client.answer().status == 413
        assert client.is_closed(within=10)


def test_many_bodies_that_never_end_hold_up_nobody(ours: Served) -> None:
    clients = [RawClient(ours.port) for _ in range(20)]
    try:
        for client in clients:
            client.send(POST + b"Content-Length: 262144\r\n\r\n" + b" " * 200_000)
        assert files_in_tmp(ours) == []
        assert ours.ask("POST", "/tasks", TASK).status == 201
    finally:
        for client in clients:
            client.close()


def test_slow_headers_come_to_an_end_and_hold_up_nobody(ours: Served) -> None:
    clients = [RawClient(ours.port) for _ in range(20)]
    try:
        for client in clients:
            client.send(b"POST /tasks HTTP/1.1\r\nX-")
        assert ours.ask("POST", "/tasks", TASK).status == 201
        assert clients[0].drip(b"x", every=0.5, within=30)
        answer = clients[0].answer()
        assert (answer.status, answer.headers["content-type"]) == (408, "application/problem+json")
    finally:
        for client in clients:
            client.close()


def test_idle_connections_beyond_the_limit_keep_nobody_out(ours: Served) -> None:
    idle = [RawClient(ours.port) for _ in range(600)]
    try:
        for _ in range(5):
            assert ours.ask("POST", "/tasks", TASK).status == 201
    finally:
        for client in idle:
            client.close()


def test_head_and_204_leave_the_connection_whole(ours: Served) -> None:
    event = (
        b"POST /events HTTP/1.1\r\nHost: create-task.default.svc\r\nce-specversion: 1.0\r\nce-type: another\r\n"
        b"ce-id: 1\r\nce-source: /\r\nContent-Length: 0\r\n\r\n"
    )
    with RawClient(ours.port) as client:
        for _ in range(3):
            assert client.ask(event).status == 204
            assert client.ask(b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status == 401
            assert client.ask(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status == 401


def test_a_letter_may_be_larger_than_any_request(connected: dict[str, str]) -> None:
    """What was too large for its function, headers included, is kept by park-dead-letter."""
    with serving(OURS, "park-dead-letter", connected) as sink:
        headers = {f"ce-kafkaheader{number}": "x" * 200 for number in range(350)}
        assert (
            sink.event(b'"' + b"x" * 900_000 + b'"', **{name[3:]: text for name, text in headers.items()}).status == 204
        )
