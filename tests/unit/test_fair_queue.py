"""Requests that wait for a thread of the server: callers take turns."""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from bounded_waitress import Limits
from bounded_waitress.fair_queue import FairQueue
from knative.local.web import WebServer
from tests.support.raw_http import RawClient


def test_each_caller_gives_one_in_turn_and_each_keeps_its_order() -> None:
    queue = FairQueue(lambda task: task[0])
    for task in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.append(task)
    taken = [queue.popleft() for _ in range(4)]
    queue.append("b2")
    assert [*taken, *(queue.popleft() for _ in range(3))] == ["a1", "b1", "c1", "a2", "c2", "a3", "b2"]
    assert not queue


def test_one_caller_with_twenty_requests_makes_another_wait_for_one() -> None:
    """There is one thread, and it is at work when all of them come."""
    order: list[str] = []
    at_work, go_on = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/first":
            at_work.set()
            go_on.wait(30)
        order.append(environ["HTTP_AUTHORIZATION"])
        start_response("200 OK", [("Content-Length", "0")])
        return []

    def request(path: str, caller: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: {caller}\r\n\r\n".encode()

    server = WebServer(application, threads=1, limits=Limits(body=1_000))
    with ExitStack() as stack:
        stack.callback(server.stop)
        stack.callback(go_on.set)
        clients = [stack.enter_context(RawClient(server.port)) for _ in range(22)]
        clients[0].send(request("/first", "eve"))
        assert at_work.wait(10)
        for client in clients[1:21]:
            client.send(request("/", "eve"))
        dispatcher = server._server.task_dispatcher
        while len(dispatcher.queue) < 20:
            threading.Event().wait(0.01)
        clients[21].send(request("/", "ada"))
        while len(dispatcher.queue) < 21:
            threading.Event().wait(0.01)
        go_on.set()
        assert all(client.answer().status == 200 for client in clients)
    assert order.index("ada") <= 2
    assert len(order) == 22
