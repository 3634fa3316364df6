"""The link of chaos: what it passes on, and what it does to connections when it is told to."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.programs.chaos.link import Fault, Link, kafka_client

SECONDS = 10.0


@pytest.fixture
def link() -> Iterator[Link]:
    """To a server that sends back what it gets; a connection is called by the first word that is sent on it."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    relay = Link(server.getsockname()[1], whose=lambda first: first.split()[0].decode())
    relay.start()
    yield relay
    relay.stop()
    server.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread waiting, on a number that the next file gets
    server.close()


def echo(client: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(1000):
            client.sendall(chunk)


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=SECONDS)


def ask(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(1000)


def test_it_passes_on_what_comes(link: Link) -> None:
    with connect(link) as connection:
        assert [ask(connection, text) for text in (b"ada hello", b"again")] == [b"ada hello", b"again"]


def test_it_cuts_the_connections_of_those_who_are_meant(link: Link) -> None:
    with connect(link) as ada, connect(link) as grace:
        ask(ada, b"ada hello"), ask(grace, b"grace hello")
        assert link.cut("ada") == 2, "one to each side"
        with pytest.raises(ConnectionResetError):
            ask(ada, b"again")
        assert ask(grace, b"again") == b"again"
    with connect(link) as ada:
        assert ask(ada, b"ada hello") == b"ada hello", "the next connection is as good as any"


def test_it_refuses_those_who_are_meant(link: Link) -> None:
    with link.during(Fault(whose="ada", refused=True)), connect(link) as ada, connect(link) as grace:
        assert ask(grace, b"grace hello") == b"grace hello"
        with pytest.raises(ConnectionResetError):
            ask(ada, b"ada hello")


def test_what_it_holds_comes_later(link: Link) -> None:
    with connect(link) as ada:
        ask(ada, b"ada hello")
        with link.during(Fault(held=True)):
            ada.sendall(b"held")
            ada.settimeout(0.3)
            with pytest.raises(TimeoutError):
                ada.recv(1000)
        ada.settimeout(SECONDS)
        assert ada.recv(1000) == b"held"


def test_it_slows_what_it_passes_on(link: Link) -> None:
    with connect(link) as ada:
        ask(ada, b"ada hello")
        with link.during(Fault(delay=0.2)):
            begun = time.monotonic()
            assert ask(ada, b"slow") == b"slow"
        assert time.monotonic() - begun >= 0.4, "there and back"


def test_gone_nobody_is_there_and_then_it_is_back_on_its_port(link: Link) -> None:
    with connect(link) as ada:
        ask(ada, b"ada hello")
        with link.gone():
            with pytest.raises(ConnectionRefusedError):
                connect(link)
            with pytest.raises(ConnectionResetError):
                ask(ada, b"again")
    with connect(link) as ada:
        assert ask(ada, b"ada hello") == b"ada hello"


def test_kafka_says_whose_a_connection_is() -> None:
    name = b"kafka-source-create-task"
    request = struct.pack(">ihhih", 100, 18, 3, 1, len(name)) + name + b"\0more"
    assert kafka_client(request) == "kafka-source-create-task"
    assert kafka_client(b"GET / HTTP/1.1") == kafka_client(b"") == ""


@pytest.mark.parametrize("said", [b"", b"ada hello"])
def test_it_ends_without_a_word_while_connections_are_open(caplog: pytest.LogCaptureFixture, said: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    relay = Link(server.getsockname()[1])
    relay.start()
    with server, connect(relay) as connection:
        if said:
            connection.sendall(said)
            server.accept()[0].close()
        time.sleep(0.2)
        relay.stop()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
