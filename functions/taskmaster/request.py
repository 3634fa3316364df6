"""A request as the doors read it, whichever server brought it: functions-framework with Flask, or ours with waitress.

Both speak WSGI (PEP 3333), so both are read from the environment they make; Flask itself is never imported here.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`headers` have lower-case names; `body` is None where it is larger than the limit."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None

    @classmethod
    def read(cls, environ: MutableMapping[str, Any], *, limit: int) -> "Request":
        """Read a request, and no more than `limit` bytes of its body."""
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        if content_type := environ.get("CONTENT_TYPE"):
            headers["content-type"] = content_type
        return cls(
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO") or "/",
            query=environ.get("QUERY_STRING", ""),
            headers=headers,
            body=_body(environ, limit),
        )

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    def arguments(self) -> dict[str, str | list[str]]:
        """The query string; a name that was given several times has a list."""
        listed = parse_qs(self.query, keep_blank_values=True)
        return {name: values if len(values) > 1 else values[0] for name, values in listed.items()}


def _body(environ: MutableMapping[str, Any], limit: int) -> bytes | None:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdigit() and not environ.get("wsgi.input_terminated"):
        return b""
    if length.isdigit() and int(length) > limit:
        return None
    body: bytes = environ["wsgi.input"].read(int(length) if length.isdigit() else limit + 1)
    environ["wsgi.input"] = BytesIO(body)  # functions-framework reads it once more, behind the answer
    return body if len(body) <= limit else None
