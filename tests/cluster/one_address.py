"""The release at one address of this machine, and the identity provider that the release believes, at the same one.

On a cluster of one's own an HTTPRoute leads to the functions by path, and the issuer is anybody's. Chromium takes
http://localhost for secure, so that the page may sign in there.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from knative.cluster.ingress import Ingress
from knative.local import gateway, manifests, taskmaster_setup
from knative.local.identity_provider import IdentityProvider
from knative.local.pod import asked
from knative.local.processes import free_port
from knative.local.web import Environ, StartResponse, WebServer

_ROOT = Path(__file__).parents[2]
_SECONDS = 60.0


class OneAddress:
    """Its identity provider from the start; the functions from `leads_to` on."""

    def __init__(self, provider: IdentityProvider) -> None:
        self.provider = provider
        self._routes = manifests.read(_ROOT / "knative", _ROOT / "eventing").routes
        self._host_of: Callable[[str], str] = str
        self._http: urllib3.HTTPConnectionPool

    def settings(self) -> dict[str, str]:
        """Those of functions that believe the provider. They cannot reach it, so its keys are among them."""
        return {**taskmaster_setup.identity_settings(self.provider), "OIDC_JWKS": json.dumps(self.provider.keys())}

    def leads_to(self, way_in: Ingress, host_of: Callable[[str], str]) -> None:
        """Send what the routes are for to functions, each by its own host."""
        self._http = urllib3.connection_from_url(way_in.outside, maxsize=32)
        self._host_of = host_of

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if self.provider.serves(path):
            return self.provider(environ, start_response)
        function = gateway.route(self._routes, method, path)
        if function is None:
            return gateway.problem(start_response, 404, f"Nothing is served at {method} {path}.")
        request = gateway.forwarded(environ, [("host", self._host_of(function))])
        return gateway.answered(asked(self._http, request, _SECONDS), start_response)


@contextmanager
def one_address(key_file: Path) -> Iterator[OneAddress]:
    """Served until the block ends."""
    port = free_port()
    address = OneAddress(taskmaster_setup.identity_provider(key_file, issuer=f"http://localhost:{port}"))
    server = WebServer(address, port=port, threads=32)
    try:
        yield address
    finally:
        server.stop()
