"""The answer to one request: the application's, or a refusal. A thread of the application's writes it."""

import time
from typing import Any

from waitress.task import ErrorTask, WSGITask

from bounded_waitress import limits as said
from bounded_waitress.limits import Refusal
from bounded_waitress.postponing import postpone
from bounded_waitress.streams import Stream

_ONE_PIECE = 65_536  # bytes of a body that are worth a copy, so that they go out with the header


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
        data = b"" if self._is_head else data
        if self.wrote_header or len(data) > _ONE_PIECE:
            super().write(data)
        else:
            with self.channel.in_one_piece():
                super().write(data)

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
