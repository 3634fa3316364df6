"""A client that no HTTP library is: it sends what bytes it likes, as slowly as it likes, over one connection."""

import contextlib
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class RawAnswer:
    """`rest` is what came behind the body that Content-Length announces, until the server closed or fell silent."""

    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""


class RawClient:
    def __init__(self, port: int, *, timeout: float = 20) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_until_refused(self, pieces: Iterable[bytes]) -> int:
        """Send until the server takes no more; how many bytes it took."""
        sent = 0
        for piece in pieces:
            try:
                self._socket.sendall(piece)
            except OSError:
                break
            sent += len(piece)
        return sent

    def answer(self, *, head: bool = False) -> RawAnswer:
        """The next answer. Raises EOFError where the server closes without one."""
        while b"\r\n\r\n" not in self._read:
            self._fill()
        header, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = header.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        size = 0 if head or status in (204, 304) or status < 200 else int(headers.get("content-length", 0))
        while len(self._read) < size:
            self._fill()
        body, self._read = self._read[:size], self._read[size:]
        return RawAnswer(status, headers, body)

    def ask(self, data: bytes) -> RawAnswer:
        self.send(data)
        return self.answer(head=data.startswith(b"HEAD "))

    def receive(self) -> bytes:
        """What has come, at least a byte; nothing where the server has closed."""
        self._socket.settimeout(20)
        return self._socket.recv(65_536)

    def is_closed(self, within: float) -> bool:
        """Whether the server ends the connection in so many seconds of real time, sending nothing more."""
        self._socket.settimeout(within)
        try:
            return self._socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def drip(self, byte: bytes, *, every: float, within: float) -> bool:
        """Send one byte again and again; whether the server ended it, or answered, in so many seconds."""
        deadline = time.monotonic() + within
        self._socket.settimeout(every)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                try:
                    self._socket.sendall(byte)
                    got = self._socket.recv(65_536)
                except ConnectionError:
                    return True
                self._read += got
                return True
        return False

    def _fill(self) -> None:
        got = self._socket.recv(65_536)
        if not got:
            raise EOFError("the server closed the connection")
        self._read += got
