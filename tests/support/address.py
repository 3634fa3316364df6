"""The one REST address over the functions of this process: what the HTTPRoute and the ingress are on a cluster."""

from collections.abc import Callable, Iterable
from typing import Any

from knative.local import gateway, manifests
from tests.support.function_pack import FUNCTIONS, Pack

_ROOT = FUNCTIONS.parent


def address(pack: Pack) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """A WSGI application (PEP 3333)."""
    routes = manifests.read(_ROOT / "knative", _ROOT / "eventing").routes

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["REQUEST_URI"].partition("?")[0]
        function = gateway.route(routes, environ["REQUEST_METHOD"], path)
        if function is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Nothing is served here."]
        served: Iterable[bytes] = pack.client(function).application(environ, start_response)
        return served

    return application
