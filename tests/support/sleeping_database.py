"""A database whose compute is suspended, as Neon's free plan has it: a relay before the real one that wakes slowly.

Who connects wakes it, and waits. What connects meanwhile waits too, and all of it is dropped at the end of that time.
Then the address refuses connections for a while. From then on it is an ordinary database.
"""

import contextlib
import socket
import threading
import time

from knative.local.processes import free_port
from tests.support.database_relay import DatabaseRelay


class SleepingDatabase(DatabaseRelay):
    """Asleep until so many clients have connected to `port`. `slow` and `refusing` are seconds."""

    def __init__(self, url: str, *, slow: float, refusing: float, clients: int) -> None:
        super().__init__(url, port=free_port())
        self._slow = slow
        self._refusing = refusing
        self._clients = clients
        self._awake = threading.Event()
        self._over = False
        self._held: list[socket.socket] = []
        self.dropped = 0

    @property
    def is_awake(self) -> bool:
        return self._awake.is_set()

    def close(self) -> None:
        self._over = True
        super().close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._held += [self._listener.accept()[0] for _ in range(self._clients)]
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
                self._let_through(self._listener.accept()[0])
