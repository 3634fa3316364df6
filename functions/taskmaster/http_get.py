"""One GET by a deadline, with the standard library alone: the first token of a process waits for it.

requests does the same, and imports eighty modules for it. As there, `https_proxy` and `no_proxy` of the environment are
heeded, and REQUESTS_CA_BUNDLE is trusted in place of the public authorities. Redirects are not followed.
"""

import io
import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


def body(
    url: str, *, headers: Mapping[str, str], trusting: ssl.SSLContext | None, seconds: float, largest: int
) -> bytes:
    """The body of a 200 answer, of at most so many bytes, within so many seconds of real time, whatever takes longer.

    `trusting` is for an authority of one's own; without it the public ones count. Raises OSError (TimeoutError among
    them), and ValueError for another status, for more bytes, and for an address that is none.
    """
    ends = time.monotonic() + seconds
    came: SimpleQueue[bytes | Exception] = SimpleQueue()

    def get() -> None:
        try:
            came.put(_body(url, headers, trusting, ends, largest))
        except Exception as error:
            came.put(error)

    # A name server, a handshake and an answer that trickles each have their own way of not ending: the deadline is kept
    # by somebody who does nothing else. The thread that is left behind ends by its own time-outs.
    Thread(target=get, name="http-get", daemon=True).start()
    try:
        outcome = came.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the answer takes too long") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _body(url: str, headers: Mapping[str, str], trusting: ssl.SSLContext | None, ends: float, largest: int) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Accept": "application/json", "User-Agent": "taskmaster-functions", **headers}
    try:
        with closing(_connection(parts.scheme, parts.hostname or "", parts.port, trusting, ends)) as connection:
            connection.request("GET", target, headers=sent)
            answer = connection.getresponse()
            if answer.status != 200:
                raise ValueError(f"HTTP {answer.status}")
            content = answer.read(largest + 1)
    except HTTPException as error:  # what came is no HTTP, or the address is none
        raise ValueError(f"no answer in HTTP: {type(error).__name__}") from None
    if len(content) > largest:
        raise ValueError(f"more than {largest} bytes")
    return content


def _connection(
    scheme: str, host: str, port: int | None, trusting: ssl.SSLContext | None, ends: float
) -> HTTPConnection:
    seconds = ends - time.monotonic()
    if scheme != "https":
        plain = HTTPConnection(host, port or 80, timeout=seconds)
        plain.response_class = _answer_by(ends)
        return plain
    context = trusting or _public()
    proxy = None if trusting else _proxy(host)
    secure = HTTPSConnection(*(proxy or (host, port or 443)), timeout=seconds, context=context)
    secure.response_class = _answer_by(ends)
    if proxy:
        secure.set_tunnel(host, port or 443)
    return secure


def _public() -> ssl.SSLContext:
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not bundle:
        import certifi

        bundle = certifi.where()
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _proxy(host: str) -> tuple[str, int] | None:
    if not (os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")):
        return None
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(host):
        return None
    address = getproxies()["https"]
    parts = urlsplit(address if "://" in address else f"http://{address}")
    return parts.hostname or "", parts.port or 80


def _answer_by(ends: float) -> Any:
    """An answer that is read until the deadline and no longer, a proxy's included."""

    class Answer(HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
            super().__init__(_Readable(sock, ends), *arguments, **named)  # type: ignore[arg-type]

    return Answer


class _Readable:
    """What http.client wants of a socket that it reads from."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._raw = _UntilDeadline(sock, ends)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._raw)


class _UntilDeadline(io.RawIOBase):
    """A time-out is that of one call, so who sends a byte a second would never meet it: each call gets what is left."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._socket = sock
        self._ends = ends
        # As socket.makefile does it: a connection that http.client closes before the answer is read stays open for it.
        self._kept = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._kept.close()
        super().close()
