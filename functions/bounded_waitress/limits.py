"""The bounds of one server, and what is said to whoever goes beyond them."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

MIN_RATE = 8_192  # bytes a second that a client takes of an answer, over each `send_seconds`
LINGER_SECONDS = 2.0
LINGER_BYTES = 4_194_304


class Limits(NamedTuple):
    """`bodies` and `answers` are for all connections together: what has come and is not handled yet, and what nobody
    has taken yet. Seconds are of real time, from the first byte of a request."""

    body: int  # bytes of a request's body
    header_bytes: int = 65_536  # of the request line and all header fields
    header_fields: int = 200
    connections: int = 256
    bodies: int = 33_554_432
    answers: int = 33_554_432
    header_seconds: float = 10.0
    body_seconds: float = 30.0  # the header included
    send_seconds: float = 30.0
    idle_seconds: float = 120.0  # more than the 90 after which proxies written in Go let go of a connection


class Refusal(NamedTuple):
    """What a client is told whose request never reaches the application: problem details (RFC 9457)."""

    status: int
    phrase: str
    title: str
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})

    def content(self) -> bytes:
        problem = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return json.dumps(problem).encode()


def too_large(limits: Limits) -> Refusal:
    detail = f"A request has at most {limits.body} bytes."
    return Refusal(status=413, phrase="Content Too Large", title="Too large", detail=detail)


def headers_too_large(limits: Limits) -> Refusal:
    return Refusal(
        status=431,
        phrase="Request Header Fields Too Large",
        title="Headers too large",
        detail=f"A request line and its header fields have at most {limits.header_bytes} bytes, in at most "
        f"{limits.header_fields} fields.",
    )


def too_slow(seconds: float) -> Refusal:
    detail = f"The request was not there after {seconds:g} seconds. Send it again."
    return Refusal(status=408, phrase="Request Timeout", title="Too slow", detail=detail)


def malformed(detail: str) -> Refusal:
    return Refusal(status=400, phrase="Bad Request", title="Not HTTP", detail=detail)


def of_waitress(code: int, reason: str, said: str) -> Refusal:
    """A refusal of waitress's own, without what it quotes of the request: that may be a token."""
    detail = said.partition(' "')[0].rstrip(".")
    return Refusal(status=code, phrase=reason, title=reason, detail=f"{detail}.")


BUSY = Refusal(
    status=503,
    phrase="Service Unavailable",
    title="Try again later",
    detail="Too many requests are on their way.",
    headers={"Retry-After": "1"},
)
FAILED = Refusal(
    status=500, phrase="Internal Server Error", title="Failed", detail="Something went wrong here. The log has it."
)
NOT_HTTP_1 = Refusal(
    status=505, phrase="HTTP Version Not Supported", title="Another version", detail="Speak HTTP/1.1 or HTTP/1.0."
)
