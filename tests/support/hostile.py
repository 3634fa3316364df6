"""Servers on loopback that never come to an end: they hold a connection by saying nothing, or one byte at a time."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import trustme

Script = Callable[[socket.socket], None]
PAUSE = 0.03  # seconds between two bytes: far below any socket's time-out

REQUEST_READ = b"\r\n\r\n"


class Authority:
    """Who signs the certificate of a server called localhost, and a file with its own for those who trust it."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        return context


class Hostile:
    """A server that plays `script` on each connection, over TLS if it has a context. `ended` says that one is over."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._tls = script, tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self.ended = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def is_left_alone(self, within: float) -> bool:
        """Whether a connection ends within so many seconds; the deadline may also come before there is one."""
        return self.ended.wait(within if self.connections else 0) or not self.connections

    def __enter__(self) -> "Hostile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                self._open.append(connection.dup())
                threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._script(connection)
        finally:
            connection.close()
            self.ended.set()


def drip(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(PAUSE)


def for_ever(connection: socket.socket, piece: bytes, *, pause: float = PAUSE) -> None:
    """The same piece again and again, until the connection breaks."""
    while True:
        connection.sendall(piece)
        time.sleep(pause)


def silence(connection: socket.socket) -> None:
    """Read whatever comes, and say nothing, until the other side is gone."""
    while connection.recv(65_536):
        pass


# Below TLS ------------------------------------------------------------------------------------------------------------


def dripping_handshake(connection: socket.socket) -> None:
    """A handshake record of 16 KiB, a byte at a time."""
    connection.recv(65_536)
    drip(connection, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + bytes(16_384))


# HTTP -----------------------------------------------------------------------------------------------------------------


def http(first: bytes, piece: bytes, *, pause: float = PAUSE) -> Script:
    """Read a request, answer with `first`, then with a piece without an end."""

    def script(connection: socket.socket) -> None:
        _read_head(connection)
        connection.sendall(first)
        for_ever(connection, piece, pause=pause)

    return script


def http_silence(connection: socket.socket) -> None:
    silence(connection)


HTTP: dict[str, Script] = {
    "nothing is said": http_silence,
    "endless 100 Continue": http(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless 100 Continue at full speed": http(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause=0),
    "endless 103 with headers": http(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "a dripping status line": http(b"HTTP/1.1 200 ", b"O"),
    "a dripping header": http(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "endless headers": http(b"HTTP/1.1 200 OK\r\n", b"X-Many: 1\r\n"),
    "a header without an end at full speed": http(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 10_000, pause=0),
}
DRIPPING_BODY = http(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n", b" ")
ENDLESS_BODY = http(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 60_000, pause=0)


def _read_head(connection: socket.socket) -> None:
    read = b""
    while REQUEST_READ not in read:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        read += piece


# SMTP -----------------------------------------------------------------------------------------------------------------


def smtp(*answers: bytes, then: bytes, piece: bytes, pause: float = PAUSE) -> Script:
    """Greet and answer line by line with `answers`, then begin with `then` and go on with `piece` without an end."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            connection.sendall(answer)
            _read_line(connection)
        connection.sendall(then)
        for_ever(connection, piece, pause=pause)

    return script


def starttls(context: ssl.SSLContext, behind: Script) -> Script:
    """Offer STARTTLS, and play on behind it; `behind` gets the connection over TLS."""

    def script(connection: socket.socket) -> None:
        for answer in (b"220 here\r\n", b"250-here\r\n250 STARTTLS\r\n"):
            connection.sendall(answer)
            _read_line(connection)
        connection.sendall(b"220 go on\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            _read_line(secure)
            behind(secure)

    return script


def below_starttls(behind: Script) -> Script:
    """Offer STARTTLS, and play on where the handshake ought to be."""

    def script(connection: socket.socket) -> None:
        for answer in (b"220 here\r\n", b"250-here\r\n250 STARTTLS\r\n"):
            connection.sendall(answer)
            _read_line(connection)
        connection.sendall(b"220 go on\r\n")
        behind(connection)

    return script


def endlessly(first: bytes, piece: bytes, *, pause: float = PAUSE) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(first)
        for_ever(connection, piece, pause=pause)

    return script


def _read_line(connection: socket.socket) -> None:
    while (byte := connection.recv(1)) != b"\n":
        if not byte:
            raise ConnectionError


@contextlib.contextmanager
def took_at_most(seconds: float) -> Iterator[None]:
    """A generous limit, which says that there is a deadline at all."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds
