"""One GET under a deadline, with the standard library alone, because the first token of a process waits for it.

requests does the same, and imports eighty modules for it. As in requests, `https_proxy` and `no_proxy` of the
environment count, and REQUESTS_CA_BUNDLE is trusted in place of the public authorities. Redirects are not followed.
"""

import os
import ssl
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from taskmaster.outbound.deadline import Deadline, DeadlineExceeded
from taskmaster.outbound.http_answer import Answer


def body(
    url: str, *, headers: Mapping[str, str], trusting: ssl.SSLContext | None, deadline: Deadline, largest: int
) -> bytes:
    """The body of a 200 answer, of at most so many bytes. The deadline ends the connection, whatever takes longer.

    `trusting` is for an authority of one's own; without it the public ones count. Raises OSError (TimeoutError among
    them), and ValueError for another status, for more bytes, and for an address that is none.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Accept": "application/json", "User-Agent": "taskmaster-functions", **headers}
    try:
        with closing(_connection(parts.scheme, parts.hostname or "", parts.port, trusting, deadline)) as connection:
            connection.request("GET", target, headers=sent)
            # Without a length the answer owns the connection: closing the connection alone would leave it open.
            with closing(connection.getresponse()) as answer:
                if answer.status != 200:
                    raise ValueError(f"HTTP {answer.status}")
                content = answer.read(largest + 1)
    except TimeoutError as error:  # a time-out of the socket is set to what is left of the deadline
        raise DeadlineExceeded("it took too long") from error
    except HTTPException as error:  # what came is no HTTP, or the address is none
        raise ValueError(f"no answer in HTTP: {type(error).__name__}") from None
    if len(content) > largest:
        raise ValueError(f"more than {largest} bytes")
    return content


def _connection(
    scheme: str, host: str, port: int | None, trusting: ssl.SSLContext | None, deadline: Deadline
) -> HTTPConnection:
    if scheme != "https":
        return _by(deadline, HTTPConnection(host, port or 80, timeout=deadline.left))
    proxy = None if trusting else _proxy(host)
    address = proxy or (host, port or 443)
    secure = HTTPSConnection(*address, timeout=deadline.left, context=trusting or _public())
    if proxy:
        secure.set_tunnel(host, port or 443)
    return _by(deadline, secure)


def _by(deadline: Deadline, connection: HTTPConnection) -> HTTPConnection:
    """The same, connected by the deadline's own means, which ends it from outside; and no endless head of an answer."""
    connection._create_connection = lambda address, *_: deadline.connect(*address)  # type: ignore[attr-defined]
    connection.response_class = Answer
    return connection


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
