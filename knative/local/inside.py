"""The inside of the cluster for a process that is no part of this program: the bridge to Dapr.

A host NAME.NAMESPACE.svc.cluster.local leads to the function, as it does for KafkaSources. A cluster's network lets in
nobody from outside; on this machine anybody can reach a port, so the caller shows a token that it alone has.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from bounded_waitress import Limits
from knative.local.gateway import answered, forwarded, problem
from knative.local.pod import UnavailableError
from knative.local.resources import service_of
from knative.local.serving import Serving
from knative.local.web import Environ, StartResponse

# A dead letter has its reasons in further headers.
LIMITS = Limits(body=16_777_216, bodies=67_108_864, answers=67_108_864, header_bytes=262_144, header_fields=500)
THREADS = 192  # each waits for a function


class Inside:
    """A WSGI application over the functions."""

    def __init__(self, serving: Serving, token: str) -> None:
        self._serving = serving
        self._expected = f"Bearer {token}".encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        shown = environ.pop("HTTP_AUTHORIZATION", "")
        if not hmac.compare_digest(shown.encode("latin-1"), self._expected):
            return problem(start_response, 403, "The inside of the cluster is for whoever has its token.")
        host = environ.get("HTTP_HOST", "")
        name = service_of(host)
        if name is None or name not in self._serving:
            return problem(start_response, 404, f"There is no function at {host}.")
        try:
            response = self._serving.handle(name, forwarded(environ, [("host", host)]))
        except UnavailableError as error:
            return problem(start_response, error.status, str(error))
        return answered(response, start_response)
