"""A request as the doors read it, from either server: functions-framework with Flask, or serve.py with waitress.

Both speak WSGI (PEP 3333), so a request is read from its environ. Flask itself is never imported here.
"""

from collections.abc import Callable, Mapping, MutableMapping
from io import BytesIO
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qs

_DISCARDED = 262_144  # bytes beyond the limit that are read, for a client that reads no answer before it has sent all


class Request(NamedTuple):
    """`headers` have lower-case names; `body` is None where it is larger than the limit.

    `postpone` has the server call again with this request after some seconds, and does not return; None where the
    server cannot do that. `waited` is how many seconds this one has waited so; None: it was not postponed.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None
    postpone: Callable[[float], NoReturn] | None = None
    waited: float | None = None

    @classmethod
    def read(cls, environ: MutableMapping[str, Any], *, limit: int) -> "Request":
        """Read a request, and no more than `limit` bytes of its body."""
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        if content_type := environ.get("CONTENT_TYPE"):
            headers["content-type"] = content_type
        return cls(
            method=environ["REQUEST_METHOD"],
            path=_path(environ),
            query=environ.get("QUERY_STRING", ""),
            headers=headers,
            body=_body(environ, limit),
            postpone=environ.get("bounded_waitress.postpone"),
            waited=environ.get("bounded_waitress.waited"),
        )

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    def arguments(self) -> dict[str, str | list[str]]:
        """The query string; a name that was given several times has a list. Raises ValueError for what is not UTF-8."""
        query = self.query.encode("latin-1").decode("utf-8")  # WSGI hands it over as Latin-1 (PEP 3333)
        listed = parse_qs(query, keep_blank_values=True, errors="strict")
        return {name: values if len(values) > 1 else values[0] for name, values in listed.items()}


def _path(environ: MutableMapping[str, Any]) -> str:
    """The path, percent-decoded. One with an escaped slash stays encoded: it separates nothing (RFC 3986, 2.2)."""
    asked = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""  # set by gunicorn and by waitress
    raw: str = asked.partition("?")[0]
    return raw if "%2f" in raw.lower() else environ.get("PATH_INFO") or "/"


def _body(environ: MutableMapping[str, Any], limit: int) -> bytes | None:
    """The body. functions-framework reads wsgi.input once more after the answer, so the body is put back there."""
    length, stream = environ.get("CONTENT_LENGTH") or "", environ["wsgi.input"]
    announced = int(length) if length.isascii() and length.isdigit() else None
    if announced is None and not environ.get("wsgi.input_terminated"):
        return b""
    body: bytes = b""
    if announced is None or announced <= limit:
        body = stream.read(limit + 1 if announced is None else announced)
    too_large = len(body) > limit or (announced or 0) > limit
    if too_large and (announced or 0) <= limit + _DISCARDED:
        stream.read(_DISCARDED)  # a connection closed with unread bytes is reset, and the answer is lost
    environ["wsgi.input"] = BytesIO(b"" if too_large else body)
    if too_large:
        environ["CONTENT_LENGTH"] = "0"
    return None if too_large else body
