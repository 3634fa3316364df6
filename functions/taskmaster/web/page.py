"""Serve the page for people: a document at /, and its files below /page/HASH/, where HASH is that of all of them.

Beside it the reference of the API: a page at /docs, and the document that it was made from at /openapi.yaml.

So a file at its own address never changes and is kept for ever; the document, which names the hash, is asked for anew
by its ETag. Modules import one another by relative paths, and nothing has to be built. Everything is read and
compressed at start; what a request names is looked up and never opened.
"""

import gzip
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taskmaster import log, settings
from taskmaster.settings import Settings
from taskmaster.web.request import Request

# What has an address that stays, by that address.
DOCUMENTS = {"/": "index.html", "/docs": "docs/index.html", "/openapi.yaml": "docs/openapi.yaml"}
_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".yaml": "application/yaml",
}
_CLASSIC_SCRIPTS = ("loading.js", "service-worker.js")
_FOR_EVER = "public, max-age=31536000, immutable"
_LARGEST_BODY = 1024  # bytes; nobody has anything to send here

Response = tuple[bytes, int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the page, as it is and compressed, under an entity tag for each (RFC 9110, 8.8.3)."""

    content: bytes
    compressed: bytes
    tag: str
    media: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "_File":
        media = _MEDIA[Path(name).suffix]
        return cls(content, gzip.compress(content, mtime=0), sha256(content).hexdigest()[:32], media)

    def answer(self, request: Request, headers: Mapping[str, str]) -> Response:
        is_compressed = _takes_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{self.tag}-gzip"' if is_compressed else f'"{self.tag}"'
        said = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
        if _names(request.headers.get("if-none-match", ""), tag):
            return b"", 304, said
        said["Content-Type"] = self.media
        if is_compressed:
            said["Content-Encoding"] = "gzip"
        return (self.compressed if is_compressed else self.content), 200, said


class Page:
    """The files of a folder, with the settings that the page has to know: nothing of them is secret."""

    def __init__(self, folder: Path, configured: Settings) -> None:
        found = {
            str(path.relative_to(folder).as_posix()): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _MEDIA and path.is_file()
        }
        documents = {path: found.pop(name).decode() for path, name in DOCUMENTS.items() if name in found}
        digest = sha256()
        for name, content in found.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self._base = f"/page/{digest.hexdigest()[:16]}/"
        self._files = {name: _File.of(name, content) for name, content in found.items()}
        self._documents = {
            path: _File.of(DOCUMENTS[path], _filled(template, self._base, sorted(found), configured).encode())
            for path, template in documents.items()
        }
        self._headers = {
            "Content-Security-Policy": content_security_policy(configured),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def answer(self, request: Request) -> Response:
        """The document, one of its files, or why there is none. HEAD is answered as GET; the server drops the body."""
        if request.method not in ("GET", "HEAD"):
            return self._plain(405, "The page is read by GET.", {"Allow": "GET, HEAD"})
        if document := self._documents.get(request.path):
            return document.answer(request, {**self._headers, "Cache-Control": "no-cache"})
        start, _, name = request.path.removeprefix("/page/").partition("/")
        file = self._files.get(name) if request.path.startswith("/page/") else None
        if file is None:
            return self._plain(404, "There is nothing at this path.", {})
        # While a new version is being rolled out, a document and its files may come from different pods.
        is_own = self._base == f"/page/{start}/"
        headers = {**self._headers, "Cache-Control": _FOR_EVER if is_own else "no-store"}
        if name.endswith("service-worker.js"):
            headers["Service-Worker-Allowed"] = "/"
        return file.answer(request, headers)

    def _plain(self, status: int, said: str, headers: Mapping[str, str]) -> Response:
        content = {"type": "about:blank", "title": said.rstrip("."), "status": status, "detail": said}
        media = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        return json.dumps(content).encode(), status, {**self._headers, **media, **headers}


def page(target: str, folder: Path, *, http: Sequence[str]) -> Callable[[Any], Response]:
    """A function that serves the page in a folder, at these routes. `target` is its name for functions-framework."""
    configured = settings.read(os.environ) if os.environ.get("FUNCTION_TARGET") == target else None

    @cache
    def made() -> Page:
        return Page(folder, configured or settings.read(os.environ))

    from_zero = iter([True])

    def serve(flask_request: Any) -> Response:
        with log.invoked(target.replace("_", "-"), from_zero=next(from_zero, False)) as line:
            request = Request.read(flask_request.environ, limit=_LARGEST_BODY)
            response = made().answer(request)
            asked = {"faas.trigger": "http", "http.request.method": request.method}
            line.note(**asked, **{"http.response.status_code": response[1]})
            line.finish("done" if response[1] < 400 else "refused")
            return response

    if configured:
        log.configure(configured.log_level)
        made()  # before the first request waits for it
    serve.__name__ = target
    serve.largest_body = None  # type: ignore[attr-defined]  # the usual limit
    serve.runtime = _NoConnections(configured)  # type: ignore[attr-defined]  # for the server
    serve.http = tuple(http)  # type: ignore[attr-defined]  # what the chart's routes are compared with
    return serve


class _NoConnections:
    """The runtime of a function that has neither a database nor a broker: nothing is forked, nothing is closed."""

    def __init__(self, configured: Settings | None) -> None:
        self.settings = configured

    def fork_publisher(self) -> None:
        pass

    def connect_ahead(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def content_security_policy(configured: Settings) -> str:
    """Nothing but the page's own files, and the origin of whoever signs people in (CSP Level 3, Trusted Types).

    There is no policy that makes markup from text, so that no text can become any; one makes the address of the
    service worker.
    """
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "connect-src": " ".join(["'self'", *_origin(configured.oidc_issuer)]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "service-worker",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _filled(template: str, base: str, names: Sequence[str], configured: Settings) -> str:
    """The document with the addresses of its files, and what they have to know about signing in."""
    known = {
        "issuer": configured.oidc_issuer,
        "clientId": configured.oidc_client_id,
        "scopes": configured.oidc_scopes,
        "userClaim": configured.oidc_user_claim,
        "hasPack": bool(configured.pack_viewers),  # whether anybody sees the pack at work, not who
    }
    modules = [name for name in names if name.endswith(".js") and name not in _CLASSIC_SCRIPTS]
    preloads = "\n".join(f'    <link rel="modulepreload" href="{base}{name}">' for name in modules)
    return (
        template.replace("{{base}}", base)
        .replace("{{preloads}}", preloads.strip())
        .replace("{{settings}}", escape(json.dumps(known), quote=True))
    )


def _origin(url: str) -> list[str]:
    """The origin of an address as a source expression of a policy; nothing where it is no http address."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    usable = parts.scheme in ("http", "https") and host and not set(host) & set(" ;,'\"*")
    return [f"{parts.scheme}://{host}"] if usable else []


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip (RFC 9110, 12.5.3)."""
    for each in accept_encoding.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _names(if_none_match: str, tag: str) -> bool:
    """Whether the header names the tag, by the weak comparison (RFC 9110, 13.1.2)."""
    return any(each.strip().removeprefix("W/") in ("*", tag) for each in if_none_match.split(","))
