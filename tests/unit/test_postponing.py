"""A request that is postponed comes again with its body, and occupies no thread of the server meanwhile."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bounded_waitress import Limits
from knative.local.web import WebServer
from tests.support.raw_http import RawClient

POST = b"POST %s HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello"


class Application:
    """Postpones each request to /later by half a second, once, and answers with what it has read."""

    def __init__(self) -> None:
        self.first, self.again = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/later":
            if "bounded_waitress.waited" not in environ:
                self.first.release()
                environ["bounded_waitress.postpone"](0.5)
            self.again.release()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def serving(application: Application) -> Iterator[int]:
    server = WebServer(application, threads=1, limits=Limits(body=1_000))
    try:
        yield server.port
    finally:
        server.stop()


def test_a_postponed_request_comes_again_with_its_body_on_its_connection() -> None:
    with serving(Application()) as port, RawClient(port) as client:
        for path in (b"/later", b"/", b"/later"):
            answer = client.ask(POST % path)
            assert (answer.status, answer.body) == (200, b"hello")


def test_others_are_answered_by_the_only_thread_while_one_waits() -> None:
    application = Application()
    with serving(application) as port, RawClient(port) as waiting, RawClient(port) as other:
        waiting.send(POST % b"/later")
        assert application.first.acquire(timeout=10)
        assert other.ask(POST % b"/").body == b"hello"
        assert not application.again.acquire(blocking=False)
        assert waiting.answer().body == b"hello"


def test_many_may_wait_at_once() -> None:
    application = Application()
    with serving(application) as port:
        clients = [RawClient(port) for _ in range(20)]
        try:
            for client in clients:
                client.send(POST % b"/later")
            assert [client.answer().body for client in clients] == [b"hello"] * 20
        finally:
            for client in clients:
                client.close()
