"""A relay in front of PostgreSQL that records each message a client waits for: one round trip each.

It reads the frontend's half of the protocol (PostgreSQL documentation, 55.7): Query and Sync are what the server
answers with ReadyForQuery.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

_QUERY, _SYNC = b"Q", b"S"


class CountingRelay:
    """Forwards connections to the server of `url`. `messages` has the SQL of each round trip so far."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self.messages: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @classmethod
    @contextlib.contextmanager
    def before(cls, url: str) -> Iterator["CountingRelay"]:
        relay = cls(url)
        try:
            yield relay
        finally:
            relay.close()

    def url(self, url: str) -> str:
        """The same login by this address, without encryption, which the relay could not read."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        port = self._listener.getsockname()[1]
        plain = "&".join(filter(None, (parts.query, "sslmode=disable", "gssencmode=disable")))
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}", query=plain))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread waiting for a client
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                threading.Thread(target=self._record, args=(client, server), daemon=True).start()
                threading.Thread(target=_relay, args=(server, client), daemon=True).start()

    def _record(self, client: socket.socket, server: socket.socket) -> None:
        """Forward the client's messages whole, and record those that are a round trip."""
        with contextlib.suppress(OSError), client.makefile("rb") as stream:
            server.sendall(_body(stream.read(4), stream.read))  # the startup message has no type
            bound = ""
            while kind := stream.read(1):
                message = _body(stream.read(4), stream.read)
                if kind == b"P":  # Parse: what the Sync behind it is about
                    bound = message[4:].split(b"\0")[1].decode()
                if kind in (_QUERY, _SYNC):
                    self.messages.append(message[4:-1].decode() if kind == _QUERY else bound)
                server.sendall(kind + message)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)


def _body(length: bytes, read: Callable[[int], bytes]) -> bytes:
    return length + read(int.from_bytes(length, "big") - 4)


def _relay(reader: socket.socket, writer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := reader.recv(65_536):
            writer.sendall(part)
    with contextlib.suppress(OSError):
        writer.shutdown(socket.SHUT_WR)
