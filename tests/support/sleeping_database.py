"""A database whose compute is suspended, as Neon's free plan has it: a relay before the real one that wakes slowly.

Whoever connects first wakes it, and waits. What connects meanwhile waits too, and all of it is dropped at the end of
that time. Then the address refuses connections for a while. From then on it is an ordinary database.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from knative.local.processes import free_port


class SleepingDatabase:
    """Asleep until somebody connects to `port`. `slow` and `refusing` are seconds."""

    def __init__(self, url: str, *, slow: float, refusing: float) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._slow = slow
        self._refusing = refusing
        self._awake = threading.Event()
        self._over = False
        self._held: list[socket.socket] = []
        self.port = free_port()
        self.dropped = 0
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    @classmethod
    @contextlib.contextmanager
    def before(cls, url: str, *, slow: float, refusing: float) -> Iterator["SleepingDatabase"]:
        database = cls(url, slow=slow, refusing=refusing)
        try:
            yield database
        finally:
            database.close()

    def url(self, url: str) -> str:
        """The same login by this address."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    @property
    def is_awake(self) -> bool:
        return self._awake.is_set()

    def close(self) -> None:
        self._over = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves the thread waiting for a client
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            first, _ = self._listener.accept()
            self._held.append(first)
            self._listener.settimeout(0.05)
            until = time.monotonic() + self._slow
            while time.monotonic() < until:
                with contextlib.suppress(TimeoutError):
                    self._held.append(self._listener.accept()[0])
            self._listener.close()
            self.dropped = len(self._held)
            for each in self._held:
                each.close()
            time.sleep(self._refusing)
            if self._over:
                return
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._awake.set()
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_relay, args=pair, daemon=True).start()


def _relay(reader: socket.socket, writer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := reader.recv(65_536):
            writer.sendall(part)
    with contextlib.suppress(OSError):
        writer.shutdown(socket.SHUT_WR)
