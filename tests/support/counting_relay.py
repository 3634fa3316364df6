"""A relay in front of PostgreSQL that records each message a client waits for: one round trip each.

It reads the frontend's half of the protocol (PostgreSQL documentation, 55.7): Query and Sync are what the server
answers with ReadyForQuery.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from tests.support.database_relay import DatabaseRelay, forward

_QUERY, _SYNC = b"Q", b"S"


class CountingRelay(DatabaseRelay):
    """Forwards connections. `messages` has the SQL of each round trip so far."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.messages: list[str] = []

    def url(self, url: str) -> str:
        """The same login by this address, without encryption, which the relay could not read."""
        parts = urlsplit(super().url(url))
        plain = "&".join(filter(None, (parts.query, "sslmode=disable", "gssencmode=disable")))
        return urlunsplit(parts._replace(query=plain))

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                threading.Thread(target=self._record, args=(client, server), daemon=True).start()
                threading.Thread(target=forward, args=(server, client), daemon=True).start()

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
