"""A WSGI application on a loopback port, served within limits by waitress, from a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from waitress import wasyncore

from bounded_waitress import Limits, create

Environ = dict[str, Any]
StartResponse = Callable[..., object]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LOOPBACK = "127.0.0.1"
# A body may be larger than a function takes, so that it is the function that refuses it; and not so large that a client
# could fill the memory of the machine.
LIMITS = Limits(body=8_388_608, bodies=67_108_864, answers=67_108_864)


class PortInUseError(RuntimeError):
    """Another program listens there; the message says which port and what to do."""


class Gate:
    """Holds a port while what belongs behind it is still being made: 503 until `open`."""

    def __init__(self) -> None:
        self._application: Application = _not_yet

    def open(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return self._application(environ, start_response)


def _not_yet(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "1")])
    return [b"The platform is starting.\n"]


class WebServer:
    """Serves from construction to `stop`; port 0 takes a free one. On loopback, unless another `host` is given."""

    def __init__(
        self,
        application: Application,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        threads: int = 4,
        limits: Limits = LIMITS,
    ) -> None:
        # A request that waits for its function holds a thread: a queue here is no news.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        try:
            self._server = create(
                application,
                limits,
                host=host,
                port=port,
                threads=threads,
                caller=lambda headers: headers.get("AUTHORIZATION", ""),
                clear_untrusted_proxy_headers=True,
                channel_request_lookahead=1,  # reads while a request is answered, and so sees that the client goes
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUseError(f"port {port} is in use: stop what uses it, or choose another port") from None
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, name=f"web-{self.port}", daemon=True)
        self._thread.start()

    def stop(self, grace: float = 5.0) -> None:
        """Accept nothing more, let the answers under way go out for up to `grace` seconds, close."""
        self._in_loop(lambda: wasyncore.dispatcher.close(self._server))
        self._server.task_dispatcher.shutdown(cancel_pending=False, timeout=grace)
        self._in_loop(lambda: wasyncore.close_all(self._server._map, ignore_all=True))
        self._thread.join(grace)

    def _in_loop(self, action: Callable[[], object]) -> None:
        """waitress's sockets belong to the thread of its loop, which ends when none is left."""
        # The loop may run the action, and close the trigger with everything else, before the trigger was pulled.
        with contextlib.suppress(OSError):
            self._server.trigger.pull_trigger(action)
