"""One connection: what it may hold, how long it is waited for, and how it is closed.

The loop's thread reads and writes; a thread of the application's answers. `keep_time`, `close` and `refuse` are for the
loop's thread alone.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from bounded_waitress import limits as said
from bounded_waitress.limits import LINGER_BYTES, LINGER_SECONDS, MIN_RATE, Limits, Refusal
from bounded_waitress.loop import READ, WRITE
from bounded_waitress.parser import Parser
from bounded_waitress.postponing import Postponed, postpone
from bounded_waitress.streams import Stream

_ENOUGH_TO_ASK = 65_536  # bytes of a body or an answer that are worth adding up all others


class Task(WSGITask):  # type: ignore[misc]
    """An answer of the application's. One to HEAD has no body, whoever made it (RFC 9110, 9.3.2)."""

    _stream: Stream | None = None

    @property
    def _is_head(self) -> bool:
        return getattr(self.request, "command", "") == "HEAD"

    def build_response_header(self) -> bytes:
        if self._stream is not None and not self._is_head:
            self.content_length = None  # waitress takes a list of one for the whole body
        header: bytes = super().build_response_header()
        if self._is_head:
            self.chunked_response = False  # its end would be a body
        return header

    def write(self, data: bytes) -> None:
        super().write(b"" if self._is_head else data)

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ["bounded_waitress.stream"] = self._keep_open
        environ["bounded_waitress.postpone"] = postpone
        if since := self.request.postponed_at:
            environ["bounded_waitress.waited"] = time.monotonic() - since
        return environ

    def _keep_open(self) -> Stream:
        self._stream = Stream(self.channel)
        return self._stream

    def service(self) -> None:
        try:
            super().service()
        finally:
            if self._stream is not None and self.channel.stream is not self._stream:
                self._stream.abandon()

    def finish(self) -> None:
        if self._stream is None or self._is_head or not self.has_body:
            super().finish()
            return
        if not self.wrote_header:
            self.write(b"")
        self.close_on_finish = False  # the end of the stream does it
        self.channel.keep_open(self._stream, is_chunked=self.chunked_response)

    def set_close_on_finish(self) -> None:
        """waitress closes behind every answer without a length, 204 and 304 among them, which have none to say."""
        asked = self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or self.wrote_header or self.version != "1.1" or asked:
            super().set_close_on_finish()


class Refused(ErrorTask):  # type: ignore[misc]
    """The answer to a request that the application never sees. The connection ends with it."""

    def execute(self) -> None:
        refusal = self.request.error
        if not isinstance(refusal, Refusal):  # the application raised, and waitress says so
            refusal = said.FAILED
        content = refusal.content()
        self.status = f"{refusal.status} {refusal.phrase}"
        self.response_headers += [("Content-Type", "application/problem+json"), ("kne-reason", refusal.detail)]
        self.response_headers += refusal.headers.items()
        self.content_length = len(content)
        self.set_close_on_finish()
        asked = self.channel.requests[0] if self.channel.requests else self.request
        self.write(b"" if getattr(asked, "command", "") == "HEAD" else content)


class Channel(HTTPChannel):  # type: ignore[misc]
    task_class = Task
    error_task_class = Refused

    def __init__(self, server: Any, sock: socket.socket, address: Any, adjustments: Any, map: Any = None) -> None:
        self._limits: Limits = server.limits
        self.request: Parser | None = None
        self._free_since = time.monotonic()  # no request of this connection is being answered since then
        self._answering_since = 0.0
        self._sent = 0  # bytes since then
        self._turned_away = False  # a request was refused before it had come whole
        self._flushing = False
        self._lingers_until: float | None = None
        self._discarded = 0
        self.stream: Stream | None = None  # an answer that goes on without a thread
        super().__init__(server, sock, address, adjustments, map=map)

    def parser_class(self, adjustments: Any) -> Parser:
        return Parser(adjustments, self._limits, is_full=self._is_full, on_refusal=self._turn_away)

    def _turn_away(self) -> None:
        self._turned_away = True

    # What it holds ----------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Bytes of bodies that this connection has brought, or has announced."""
        return sum(each.held for each in [self.request, *self.requests] if each is not None)

    def _is_full(self, size: int) -> bool:
        others = self.server.held if size > _ENOUGH_TO_ASK else 0
        return others > self._limits.bodies  # this one's is among them

    def write_soon(self, data: bytes) -> int:
        if not self.total_outbufs_len:
            self._answering_since, self._sent = time.monotonic(), 0
        written: int = super().write_soon(data)
        if written > _ENOUGH_TO_ASK:
            self.server.relieve_soon()
        return written

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close=do_close)
        self._sent += sent
        return sent

    def service(self) -> None:
        self._free_since = time.monotonic()  # for the moment in which the request is over and the next line not reached
        try:
            super().service()
        except Postponed as request:
            self.requests[0].come_again()
            self.server.waiting_room.add(self, request.seconds)
        self._free_since = time.monotonic()

    def caller(self, name: Callable[[Mapping[str, str]], str]) -> str:
        """Who has sent the request that is next, as `name` says by its headers; of a refused one nobody is known."""
        request = self.requests[0] if self.requests else None
        return name(request.headers) if request is not None and not request.error else ""

    def keep_open(self, stream: Stream, *, is_chunked: bool) -> None:
        """Have an answer go on. It is the last one of this connection: further requests are not answered."""
        with self.requests_lock:
            further, self.requests[1:] = self.requests[1:], []
            self.stream = stream
        for request in further:
            request.close()
        stream.start(is_chunked=is_chunked)

    def interest(self) -> int:
        """What the loop is to wait for: `readable` and `writable` of waitress's, in one call."""
        if self._fileno is None:
            return 0
        if self._lingers_until is not None:
            return READ
        if self.total_outbufs_len or self.will_close or self.close_when_flushed:
            return WRITE
        return 0 if len(self.requests) > self.adj.channel_request_lookahead else READ

    # Reading ----------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> bool:
        return not self._turned_away and self.stream is None and bool(super().received(data))

    def handle_read(self) -> None:
        if self._lingers_until is None:
            super().handle_read()
            return
        with contextlib.suppress(BlockingIOError):
            self._discarded += len(self.recv(_ENOUGH_TO_ASK))
            if self._discarded > LINGER_BYTES:
                self.close()

    def refuse(self, refusal: Refusal) -> None:
        """Answer a request that has not come whole."""
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None:
                return
            if not request.headers_finished:
                request.version = "1.1"
            request.refuse(refusal)
            self.requests.append(request)
        self.server.add_task(self)

    # Waiting ----------------------------------------------------------------------------------------------------

    def keep_time(self, now: float) -> None:
        """Let go of a client that was waited for long enough. `now` is time.monotonic()."""
        limits, request = self._limits, self.request
        if self._lingers_until is not None:
            if now > self._lingers_until:
                self.close()
        elif self.total_outbufs_len:
            if now - self._answering_since > limits.send_seconds:
                if self._sent < MIN_RATE * limits.send_seconds:
                    self.close()
                self._answering_since, self._sent = now, 0
        elif self.requests or self.stream or self.close_when_flushed or self.will_close:
            return  # it is the application's turn, or the end of its answer is on its way
        elif request is None:
            if time.time() - self.last_activity > limits.idle_seconds:
                self.close()
        else:
            allowed = limits.body_seconds if request.headers_finished else limits.header_seconds
            if now - max(request.began, self._free_since) > allowed:
                self.refuse(said.too_slow(allowed))

    @property
    def dispensable(self) -> tuple[bool, float] | None:
        """In which order connections make way for new ones, the least first; None for one that is being answered.

        First those that close anyway, then those that have been silent, or have been sending one request, for longest.
        A new one is the last: it has the time in which as many others come.
        """
        if self._lingers_until is not None:
            return False, self._free_since
        if self.requests or self.stream or self.total_outbufs_len or self.close_when_flushed or self.will_close:
            return None
        began = self.request.began if self.request is not None else 0.0
        return True, max(began, self._free_since)

    # Closing ----------------------------------------------------------------------------------------------------

    def handle_write(self) -> None:
        self._flushing = True
        try:
            if self.stream is None:
                super().handle_write()
            else:  # its threads write at the same time
                with self.outbuf_lock:
                    super().handle_write()
        finally:
            self._flushing = False

    def handle_close(self) -> None:
        """Close; where the client may still be sending what was refused, say that this is the end and listen a little.

        A socket that is closed with unread bytes is reset, and takes with it the answer that its client has not read
        (RFC 9112, 9.6).
        """
        answered = self._flushing and not self.total_outbufs_len
        if self._turned_away and answered and self._lingers_until is None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                self.will_close = False
                self._lingers_until = time.monotonic() + LINGER_SECONDS
                return
        self.close()

    def close(self) -> None:
        """Close at once."""
        if self._fileno is not None:
            super().handle_close()
            self.will_close = True
            if not self.requests and self.request is not None:
                self.request.close()
