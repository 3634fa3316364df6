"""An answer that is written over time, by threads of the application's own: it occupies none of the server's.

The application asks for it by `environ["bounded_waitress.stream"]()`. What it returns is sent as usual; then the answer
stays open until `end`, or until the client goes.
"""

import contextlib
from threading import Lock
from typing import Any

from waitress.channel import ClientDisconnected


class Stream:
    """The open end of one answer. Any thread may write."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._lock = Lock()
        self._early: list[bytes] | None = []  # written before the header of the answer was
        self._is_chunked = False
        self._has_ended = False

    @property
    def is_open(self) -> bool:
        """Whether the client is there, as far as the server knows."""
        return bool(self._channel.connected) and not self._has_ended

    @property
    def pending(self) -> int:
        """Bytes that were written and that the client has not taken yet."""
        return int(self._channel.total_outbufs_len) + sum(map(len, self._early or ()))

    def write(self, data: bytes) -> None:
        """Send some bytes. Those to a client that has gone are dropped."""
        with self._lock:
            if self._has_ended or not data:
                return
            if self._early is not None:
                self._early.append(data)
            else:
                self._send(self._framed(data))

    def end(self) -> None:
        """End the answer, and with it the connection."""
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = True
            if self._early is None:
                self._finish()

    def start(self, *, is_chunked: bool) -> None:
        """For the server: the header is sent, the body follows."""
        with self._lock:
            early, self._early, self._is_chunked = self._early or [], None, is_chunked
            self._send(b"".join(map(self._framed, early)))
            if self._has_ended:
                self._finish()

    def abandon(self) -> None:
        """For the server: there will be no body."""
        with self._lock:
            self._has_ended = True

    def _framed(self, data: bytes) -> bytes:
        return b"%X\r\n%b\r\n" % (len(data), data) if self._is_chunked else data

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(ClientDisconnected):
            self._channel.write_soon(data)

    def _finish(self) -> None:
        if self._is_chunked:
            self._send(b"0\r\n\r\n")
        self._channel.close_when_flushed = True
        self._channel.server.pull_trigger()
