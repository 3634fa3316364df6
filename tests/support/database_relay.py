"""What a relay in front of PostgreSQL is made of: a listener on loopback, and the way to the server behind it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit


class DatabaseRelay:
    """Accepts connections to the server of `url` while `before` is entered; `_serve` is what becomes of them."""

    def __init__(self, url: str, *, port: int = 0) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]

    @classmethod
    @contextlib.contextmanager
    def before(cls, url: str, **options: Any) -> Iterator[Self]:
        relay = cls(url, **options)
        threading.Thread(target=relay._serve, daemon=True).start()
        try:
            yield relay
        finally:
            relay.close()

    def url(self, url: str) -> str:
        """The same login by this address."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread waiting for a client
        self._listener.close()

    def _serve(self) -> None:
        raise NotImplementedError

    def _let_through(self, client: socket.socket) -> None:
        """Connect a client with the server. Returns at once."""
        server = socket.create_connection(self._upstream)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=forward, args=pair, daemon=True).start()


def forward(reader: socket.socket, writer: socket.socket) -> None:
    """Pass on what one side says until it ends, and then its end."""
    with contextlib.suppress(OSError):
        while part := reader.recv(65_536):
            writer.sendall(part)
    with contextlib.suppress(OSError):
        writer.shutdown(socket.SHUT_WR)
