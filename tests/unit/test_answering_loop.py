"""An answer is sent by the thread that made it, in one piece; the loop is woken where it has something to do."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from waitress import wasyncore

from bounded_waitress import Limits, create
from tests.support.function_process import eventually
from tests.support.raw_http import RawClient

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
WAITS = b"GET /waits HTTP/1.1\r\nHost: here\r\n\r\n"


class Application:
    """Answers at once; /waits when it is told to."""

    def __init__(self) -> None:
        self.at_work, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/waits":
            self.at_work.release()
            assert self.go_on.acquire(timeout=30)
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]


@contextmanager
def serving(application: Application, *, connections: int = 10) -> Iterator[Any]:
    """As a function's process has it: unlike the stand-in's, it reads nothing more while a request is answered."""
    limits = Limits(body=1_000, connections=connections)
    server = create(application, limits, host="127.0.0.1", port=0, threads=2)
    loop = threading.Thread(target=server.run, daemon=True)
    loop.start()
    try:
        yield server
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        loop.join(10)
        server.task_dispatcher.shutdown()


@contextmanager
def counted(server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """One entry for each time that the loop is woken."""
    woken: list[None] = []
    wake = server.trigger.pull_trigger

    def counting() -> None:
        woken.append(None)
        wake()

    with monkeypatch.context() as patched:
        patched.setattr(server.trigger, "pull_trigger", counting)
        yield woken


def has_more(server: Any) -> bool:
    """Whether something has come on a connection whose request is being answered."""
    return any(each.needs_the_loop for each in server.active_channels.values())


def test_an_answer_comes_in_one_piece_and_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(Application()) as server,
        RawClient(server.effective_port) as client,
        counted(server, monkeypatch) as woken,
    ):
        for _ in range(20):
            client.send(GET)
            assert client.receive().endswith(b"\r\n\r\nhello")
            eventually(lambda: server.task_dispatcher.active_count == 0, "no thread at work")
        assert woken == []


def test_a_request_that_comes_while_another_is_answered_is_answered_next(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    with (
        serving(application) as server,
        RawClient(server.effective_port) as client,
        counted(server, monkeypatch) as woken,
    ):
        for _ in range(3):
            client.send(WAITS)
            assert application.at_work.acquire(timeout=10)
            client.send(GET)
            eventually(lambda: has_more(server), "more has come")
            application.go_on.release()
            assert [client.answer().body, client.answer().body] == [b"hello", b"hello"]
        assert len(woken) >= 3


def test_a_client_that_goes_while_it_is_answered_is_let_go_then() -> None:
    application = Application()
    with serving(application) as server:
        with RawClient(server.effective_port) as client:
            client.send(WAITS)
            assert application.at_work.acquire(timeout=10)
        eventually(lambda: has_more(server), "its end has come")
        assert len(server.active_channels) == 1
        application.go_on.release()
        eventually(lambda: not server.active_channels, "it is let go")


def test_who_found_all_connections_busy_is_let_in_by_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    with serving(application, connections=1) as server, counted(server, monkeypatch) as woken:
        with RawClient(server.effective_port) as busy:
            busy.send(WAITS)
            assert application.at_work.acquire(timeout=10)
            eventually(lambda: not server._has_room, "no room for another")
            with RawClient(server.effective_port) as other:
                other.send(GET)
                application.go_on.release()
                assert busy.answer().body == other.answer().body == b"hello"
        assert woken
