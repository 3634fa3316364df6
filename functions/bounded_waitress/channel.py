"""One connection: what it may hold, how long it is waited for, and how it is closed.

The loop's thread reads, and writes what an answer could not send at once; a thread of the application's answers.
`keep_time`, `close` and `refuse` are for the loop's thread alone.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from waitress.channel import HTTPChannel

from bounded_waitress import limits as said
from bounded_waitress.limits import LINGER_BYTES, LINGER_SECONDS, MIN_RATE, Limits, Refusal
from bounded_waitress.loop import READ, WRITE
from bounded_waitress.parser import Parser
from bounded_waitress.postponing import Postponed
from bounded_waitress.streams import Stream
from bounded_waitress.task import Refused, Task

_ENOUGH_TO_ASK = 65_536  # bytes of a body or an answer that are worth adding up all others


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
        self._pieces: list[bytes] | None = None  # of an answer, until they are sent together
        self._has_more = False  # has come while a request is answered: the loop looks at it when it is woken
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

    @contextlib.contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """What is written meanwhile is sent together: the header of an answer with its body, in one call."""
        self._pieces = pieces = list[bytes]()
        try:
            yield
        finally:
            self._pieces = None
        self.write_soon(b"".join(pieces))

    def write_soon(self, data: bytes) -> int:
        if self._pieces is not None:
            self._pieces.append(data)
            return len(data)
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
            with self.server.answering(self):
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
        if self._is_to_write:
            return WRITE
        self._has_more = self._has_more and self._is_busy
        return 0 if self._has_more else READ

    def must_wait(self, flags: int) -> bool:
        """Whether what has come, be it the client's end, must wait for the answer to the request before it.

        Then the loop asks no more of this connection until that answer wakes it. While nothing has come it keeps
        asking, so that most answers need not wake it.
        """
        if flags & WRITE:
            return False
        with self.requests_lock:
            self._has_more = self._is_busy
        return self._has_more

    @property
    def _is_busy(self) -> bool:
        return bool(len(self.requests) > self.adj.channel_request_lookahead)

    @property
    def needs_the_loop(self) -> bool:
        """Whether the loop has to look at it, now that a request is answered."""
        return self._has_more or self._is_to_write

    @property
    def _is_to_write(self) -> bool:
        return bool(self.total_outbufs_len or self.will_close or self.close_when_flushed)

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
