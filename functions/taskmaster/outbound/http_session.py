"""HTTP requests to other servers, each under a deadline. No redirect is followed, and the head of an answer is bounded.

requests and urllib3 do the work; this module adds what they lack. Their time-outs start again with every byte. Of a
redirect that is not followed requests reads the whole body, decompressed. http.client reads 100 Continue without end.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from taskmaster.outbound.deadline import Deadline

if TYPE_CHECKING:
    import requests

Connect = Callable[[str, int, bool], socket.socket]  # host, port, whether it will speak TLS

_loading = threading.Lock()


def load() -> None:
    """Import requests, one thread at a time: its modules import each other, and another thread may find half of one."""
    with _loading:
        import requests.adapters  # noqa: F401


def session(
    deadline: Deadline, *, connect: Connect | None = None, ssl_context: ssl.SSLContext | None = None
) -> "requests.Session":
    """A session whose connections are made by `connect` (any address will do, without one) and end at the deadline.

    `ssl_context` says whom to trust; without one that is who requests does.
    """
    load()
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    from taskmaster.outbound.http_answer import Answer

    def connected(connection: HTTPConnection, *, tls: bool) -> socket.socket:
        host, port = connection.host.strip("[]"), connection.port
        try:
            return connect(host, port, tls) if connect else deadline.connect(host, port)
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, "timed out") from error
        except OSError as error:
            raise NewConnectionError(connection, type(error).__name__) from error

    class Plain(HTTPConnection):
        response_class = Answer

        def _new_conn(self) -> socket.socket:
            return connected(self, tls=False)

    class Secure(HTTPSConnection):
        response_class = Answer

        def _new_conn(self) -> socket.socket:
            return connected(self, tls=True)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    pools = {"http": PlainPool, "https": SecurePool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            if ssl_context is not None:
                named["ssl_context"] = ssl_context
            super().init_poolmanager(*arguments, **named)
            self.poolmanager.pool_classes_by_scheme = pools

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            # An authority named here (REQUESTS_CA_BUNDLE) would be added to the context, which other calls share.
            return super().build_connection_pool_key_attributes(request, verify if ssl_context is None else True, cert)

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            if ssl_context is None:
                super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            else:
                conn.cert_reqs = "CERT_REQUIRED"  # whom it trusts is in the context, and not read anew for each call

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **named)
            manager.pool_classes_by_scheme = pools
            return manager

    class Session(requests.Session):
        def get_redirect_target(self, resp: Any) -> str | None:
            return None  # else its body is read, all of it, to be ready for a redirect that nobody follows

    asking = Session()
    for scheme in ("http://", "https://"):
        asking.mount(scheme, Adapter(max_retries=0))
    return asking


@cache
def trusting(authorities: str = "") -> ssl.SSLContext:
    """A context that trusts those in a PEM file, or the public authorities that come with requests. Of one process."""
    load()
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.load_verify_locations(authorities or DEFAULT_CA_BUNDLE_PATH)
    return context
