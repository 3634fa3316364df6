"""The way in from outside: one address, that leads to the functions by the HTTPRoute's paths or by their own hosts.

    http://localhost:8080/...                 by method and path, as the HTTPRoute says
    http://NAME.localhost:8080/               the function itself, as Knative's ingress does
    http://localhost:8080/-/status            what runs, for the one who runs it
    http://localhost:8080/.well-known/...     the identity provider, whose issuer this address is; /authorize, too

A Service that is cluster-local, and every host that only the inside of a cluster knows (.svc), is a 404 here: that is
what keeps a stranger from posing as a KafkaSource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from threading import BoundedSemaphore, Event, Thread
from typing import Any

from urllib3.exceptions import HTTPError
from waitress.channel import ClientDisconnected

from knative.local.identity_provider import IdentityProvider
from knative.local.pod import Request, Response, UnavailableError
from knative.local.resources import Route
from knative.local.serving import Serving
from knative.local.web import Environ, StartResponse

# RFC 9110, section 7.6.1: they belong to one connection and are not passed on.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_CLUSTER_HOST = re.compile(r"\.svc(\.|:|,|\s|$)", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1"}
_AGAIN_SECONDS = 0.1
_LOOK_SECONDS = 0.5  # between two looks for a client that has left

# Answers a request below /-/; None where there is nothing.
Admin = Callable[[str, str, bytes], tuple[int, dict[str, Any]] | None]


class Gateway:
    """A WSGI application. `admin` is asked with method, path and body; `provider` has the paths that it serves.

    At most `forwarded_at_once` requests are with functions, or wait for one to start; others wait without a thread.
    The server is to have more threads than that: a function that starts fetches the provider's keys by this address.
    """

    def __init__(
        self,
        serving: Serving,
        routes: Sequence[Route],
        *,
        admin: Admin | None = None,
        provider: IdentityProvider | None = None,
        forwarded_at_once: int = 64,
    ) -> None:
        self._serving = serving
        self._routes = routes
        self._admin = admin
        self._provider = provider
        self._room = BoundedSemaphore(forwarded_at_once)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        name = host.partition(":")[0].lower().rstrip(".")
        # As the client wrote it: %2F is no slash to a route.
        method, path = environ["REQUEST_METHOD"], _target(environ).partition("?")[0]
        if _CLUSTER_HOST.search(host):
            return problem(start_response, 404, "This host is reached from inside the cluster alone.")
        if path.startswith("/-/"):
            return self._administer(environ, name, start_response)
        if self._provider and name in _LOOPBACK and self._provider.serves(path):
            return self._provider(environ, start_response)
        service = self._service_of(name) or route(self._routes, method, path)
        if service is None or self._serving.service(service).cluster_local:
            return problem(start_response, 404, f"Nothing is served at {method} {path} of {host}.")
        if not self._room.acquire(blocking=False):
            environ["bounded_waitress.postpone"](_AGAIN_SECONDS)
        with ExitStack() as room:
            room.callback(self._room.release)
            try:
                response = self._serving.handle(service, forwarded(environ, _hosts(environ, service)))
            except UnavailableError as error:
                return problem(start_response, error.status, str(error))
            return answered(response, start_response, room.pop_all().close, environ["waitress.client_disconnected"])

    def _service_of(self, name: str) -> str | None:
        label, dot, _ = name.partition(".")
        return label if dot and label in self._serving else None

    def _administer(self, environ: Environ, name: str, start_response: StartResponse) -> Iterable[bytes]:
        method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
        # A web page elsewhere could make a browser send a plain POST here; JSON it could not.
        if method != "GET" and environ.get("CONTENT_TYPE", "").partition(";")[0] != "application/json":
            return problem(start_response, 415, "Send application/json.")
        if name not in _LOOPBACK or self._admin is None:
            return problem(start_response, 404, "This is served on localhost alone.")
        length = min(int(environ.get("CONTENT_LENGTH") or 0), 10_000)
        answer = self._admin(method, environ["PATH_INFO"], environ["wsgi.input"].read(length))
        if answer is None:
            return problem(start_response, 404, "There are GET /-/status and POST /-/travel.")
        status, content = answer
        return _json(start_response, status, content, "application/json")


def route(routes: Sequence[Route], method: str, path: str) -> str | None:
    """The function that a call to the one address is for, or None."""
    matching = (each for each in routes if _matches(each, method, path))
    found = min(matching, key=_precedence, default=None)  # the first of those that rank alike
    return found.service if found else None


def _precedence(route: Route) -> tuple[int, int, bool]:
    """Gateway API: exact paths first, then the longest prefix, then those with a method; expressions in between."""
    kind = ("Exact", "RegularExpression", "PathPrefix").index(route.path_type)
    return kind, -len(route.path), route.method is None


def _matches(route: Route, method: str, path: str) -> bool:
    if route.method not in {None, method}:
        return False
    if route.path_type == "Exact":
        return path == route.path
    if route.path_type == "RegularExpression":
        return re.fullmatch(route.path, path) is not None
    # A prefix is one of whole segments: /a matches /a/7 and not /ab.
    prefix = route.path.rstrip("/")
    return path == prefix or path.startswith(prefix + "/")


def forwarded(environ: Environ, hosts: list[tuple[str, str]]) -> Request:
    """The request for a function, with these headers for the host and none that belongs to the connection."""
    headers = [
        (name[5:].replace("_", "-").lower(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") and name not in {"HTTP_HOST", "HTTP_EXPECT"}
    ]
    named = {token.strip().lower() for token in environ.get("HTTP_CONNECTION", "").split(",")}
    headers = [(name, value) for name, value in headers if name not in _HOP_BY_HOP | named]
    headers += hosts
    if content_type := environ.get("CONTENT_TYPE"):
        headers.append(("content-type", content_type))
    length = environ.get("CONTENT_LENGTH")
    if length:
        headers.append(("content-length", length))
    body = environ["wsgi.input"] if length and length != "0" else b""
    return Request(environ["REQUEST_METHOD"], _target(environ), headers, body)


def _hosts(environ: Environ, service: str) -> list[tuple[str, str]]:
    """The host is rewritten as the HTTPRoute does it on a cluster; no host that a client made up gets through."""
    return [
        ("host", f"{service}.localhost:{environ['SERVER_PORT']}"),
        ("x-forwarded-host", environ.get("HTTP_HOST", "")),
        ("x-forwarded-for", environ.get("REMOTE_ADDR", "")),
        ("x-forwarded-proto", environ["wsgi.url_scheme"]),
    ]


def _target(environ: Environ) -> str:
    """The path and query as the client wrote them, without the scheme and host of a request to a proxy."""
    uri: str = environ["REQUEST_URI"]
    target = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", "", uri)
    return target if target.startswith("/") else "/" + target


def answered(
    response: Response,
    start_response: StartResponse,
    ended: Callable[[], object] = lambda: None,
    has_gone: Callable[[], bool] = lambda: False,
) -> Iterable[bytes]:
    """`ended` is called when the answer is out, or given up; `has_gone` says whether the client has left."""
    headers = [(name, value) for name, value in response.headers if name.lower() not in _HOP_BY_HOP]
    start_response(f"{response.status} {_phrase(response.status)}", headers)
    is_stream = any(name.lower() == "content-type" and value.startswith("text/event-stream") for name, value in headers)
    return _Body(response, ended, has_gone if is_stream else None)


class _Body:
    """Passed on as it comes; WSGI calls close, whether the client stayed to the end or not.

    A stream may have nothing to pass on for long. Its function is told at once that the client has left, as Knative's
    ingress does: a pod that nobody listens to can sleep.
    """

    def __init__(self, response: Response, ended: Callable[[], object], has_gone: Callable[[], bool] | None) -> None:
        self._response = response
        self._ended = ended
        self._is_over = Event()
        if has_gone:
            Thread(target=self._watch, args=(has_gone,), name="stream", daemon=True).start()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.body
        except HTTPError:  # the function died in mid-answer; the client sees the connection end before the body does
            raise ClientDisconnected from None

    def close(self) -> None:
        self._is_over.set()
        try:
            self._response.close()
        finally:
            self._ended()

    def _watch(self, has_gone: Callable[[], bool]) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            if has_gone():
                self._response.interrupt()
                return


def problem(start_response: StartResponse, status: int, detail: str) -> Iterable[bytes]:
    """RFC 9457."""
    content = {"title": _phrase(status), "status": status, "detail": detail}
    return _json(start_response, status, content, "application/problem+json")


def _json(start_response: StartResponse, status: int, content: dict[str, Any], media: str) -> Iterable[bytes]:
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = [("Content-Type", media), ("Content-Length", str(len(body)))]
    start_response(f"{status} {_phrase(status)}", headers)
    return [body]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
