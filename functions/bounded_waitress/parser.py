"""A request as it comes in: refused as soon as it is known to be too large, or to be no request."""

import time
from collections.abc import Callable
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError

from bounded_waitress import limits as said
from bounded_waitress.limits import Limits, Refusal

_FRAMES = 65_536  # bytes of chunk sizes and trailers, beyond a byte for each of the body


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """`is_full` says whether so many bytes of a body are more than the server has left for all bodies together;
    `on_refusal` is called before anybody can see that the request is refused."""

    def __init__(
        self, adjustments: Any, limits: Limits, *, is_full: Callable[[int], bool], on_refusal: Callable[[], None]
    ) -> None:
        super().__init__(adjustments)
        self.error: Any = None
        self.body_rcv: Any = None
        self.expect_continue: bool = False
        self.began = time.monotonic()
        self.refusal: Refusal | None = None
        self.postponed_at: float | None = None  # when it was first, time.monotonic()
        self._limits = limits
        self._is_full = is_full
        self._on_refusal = on_refusal
        self._judged = False

    @property
    def held(self) -> int:
        """Bytes of the body that are here, or will be."""
        return max(self.content_length, len(self.body_rcv)) if self.body_rcv is not None else 0

    def received(self, data: bytes) -> int:
        """Take what belongs to this request; how many bytes that were."""
        consumed: int = super().received(data)
        if self.refusal is None and self.error is None:
            if self.headers_finished and not self._judged and not self.empty:
                self._judged = True
                self.refusal = self._fault_of_header()
            if self.refusal is None and self.body_rcv is not None:
                self.refusal = self._fault_of_body()
        if self.refusal is not None or self.error is not None:
            self.refuse(self.refusal or self._translated())
        elif self.completed or self.body_rcv is None:
            self.expect_continue = False  # waitress would wait for a body that was never announced
        return consumed

    def refuse(self, refusal: Refusal) -> None:
        """This request is over; the error is what waitress looks at, the refusal what is answered.

        Its body is let go of, and what it announced is no longer awaited: others have that room at once.
        """
        self._on_refusal()
        self.close()
        self.body_rcv = None
        self.refusal = self.error = refusal
        self.completed = True
        self.expect_continue = False  # to a body that is not wanted, 100 Continue is no answer

    def come_again(self) -> None:
        """The application will read this request anew."""
        self.postponed_at = self.postponed_at or time.monotonic()
        self.get_body_stream().seek(0)

    def parse_header(self, header_plus: bytes) -> None:
        if header_plus.count(b"\n") > self._limits.header_fields + 2:  # the request line, and the empty one
            self.refusal = said.headers_too_large(self._limits)
            raise ParsingError("too many header fields")
        super().parse_header(header_plus)

    def _fault_of_header(self) -> Refusal | None:
        """What RFC 9112 has a server refuse (sections 2.6, 3.2, 6.1), and a body that is announced too large."""
        headers = self.headers
        if self.version not in ("1.0", "1.1"):
            return said.NOT_HTTP_1
        if "," in headers.get("HOST", "") or (self.version == "1.1" and not headers.get("HOST")):
            return said.malformed("A request names its host, once.")
        if "TRANSFER_ENCODING" in headers or (self.chunked and "CONTENT_LENGTH" in headers):
            return said.malformed("A request says how long it is in one way: Content-Length, or in HTTP/1.1 chunked.")
        if self.content_length > self._limits.body:
            return said.too_large(self._limits)
        return said.BUSY if self._is_full(self.content_length) else None

    def _fault_of_body(self) -> Refusal | None:
        if len(self.body_rcv) > self._limits.body or self.body_bytes_received > 2 * self._limits.body + _FRAMES:
            return said.too_large(self._limits)
        return said.BUSY if self.chunked and self._is_full(len(self.body_rcv)) else None

    def _translated(self) -> Refusal:
        """What waitress itself found: a header beyond the limit, or what cannot be parsed."""
        if self.error.code == 431:
            return said.headers_too_large(self._limits)
        return said.of_waitress(self.error.code, self.error.reason, self.error.body)
