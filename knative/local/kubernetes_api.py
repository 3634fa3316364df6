"""The corner of the Kubernetes API that functions use: the pods, and a PingSource that is set to another time.

    GET   /api/v1/namespaces/NAMESPACE/pods?labelSelector=LABEL=VALUE,...
    GET   /apis/sources.knative.dev/v1/namespaces/NAMESPACE/pingsources/NAME
    PATCH the same, as application/merge-patch+json (RFC 7396)

Answers have the shapes of Kubernetes, errors (kind Status) too. There is no authentication: it listens on the
loopback, and only for the functions that run there.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from knative.local.fields import Field, ManifestError
from knative.local.manifests import ping_source
from knative.local.ping_source import PingSourceAdapter
from knative.local.web import Environ, StartResponse

_PATH = re.compile(r"/apis/sources\.knative\.dev/v1/namespaces/([^/]+)/pingsources/([^/]+)")
_PODS = re.compile(r"/api/v1/namespaces/([^/]+)/pods")
_MERGE_PATCH = "application/merge-patch+json"
_BODY_LIMIT = 1_000_000


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class KubernetesApi:
    """A WSGI application over the running PingSources, and the pods that there are when it is asked."""

    def __init__(
        self, ping_sources: Iterable[PingSourceAdapter], pods: Callable[[], list[dict[str, Any]]] = list
    ) -> None:
        self._pods = pods
        self._sources = {(ping.source.namespace, ping.source.name): ping for ping in ping_sources}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, answer = HTTPStatus.OK, self._answer(environ)
        except _RefusedError as refused:
            status = refused.status
            answer = {
                "apiVersion": "v1",
                "kind": "Status",
                "status": "Failure",
                "code": int(status),
                "reason": refused.reason,
                "message": str(refused),
            }
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: Environ) -> dict[str, Any]:
        if match := _PODS.fullmatch(environ["PATH_INFO"]):
            if environ["REQUEST_METHOD"] != "GET":
                raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "pods are only listed")
            wanted = _selected(parse_qs(environ.get("QUERY_STRING", "")).get("labelSelector", [""])[0])
            items = [pod for pod in self._pods() if pod["metadata"]["namespace"] == match[1]]
            items = [pod for pod in items if wanted.items() <= pod["metadata"]["labels"].items()]
            return {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}
        match = _PATH.fullmatch(environ["PATH_INFO"])
        ping = self._sources.get((match[1], match[2])) if match else None
        if ping is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "NotFound", f"{environ['PATH_INFO']} not found")
        if environ["REQUEST_METHOD"] == "PATCH":
            _patch(ping, environ)
        elif environ["REQUEST_METHOD"] != "GET":
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "only GET and PATCH are served")
        return _manifest(ping)


def _selected(selector: str) -> dict[str, str]:
    """The labels of a selector, of which equality alone is known here."""
    pairs = [each.partition("=") for each in selector.split(",") if each]
    if any(not equals or "!" in name or " " in name for name, equals, _ in pairs):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BadRequest", f"only LABEL=VALUE is known here, not {selector!r}")
    return {name: value.removeprefix("=") for name, _, value in pairs}


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _patch(ping: PingSourceAdapter, environ: Environ) -> None:
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip() != _MERGE_PATCH:
        raise _RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", f"send the patch as {_MERGE_PATCH}"
        )
    try:
        patch = json.loads(environ["wsgi.input"].read(_BODY_LIMIT))
        if not isinstance(patch, dict):
            raise ValueError("a patch is an object")
    except (ValueError, RecursionError) as error:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BadRequest", f"the patch cannot be read: {error}") from None
    current = _manifest(ping)
    patched = merge_patch(current, patch)
    identity = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
    if any(_at(patched, path) != _at(current, path) for path in identity):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BadRequest", "a patch cannot change what the object is")
    try:
        ping.replace(ping_source(Field(patched, Path("patch"))))
    except ManifestError as error:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "BadRequest", f"admission denied: {error}") from None


def _manifest(ping: PingSourceAdapter) -> dict[str, Any]:
    manifest = copy.deepcopy(ping.source.manifest)
    manifest["metadata"].setdefault("namespace", ping.source.namespace)
    return manifest


def _at(value: Mapping[str, Any], path: str) -> Any:
    found: Any = value
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
