"""The HTTP side of the bridge: what daprd asks for and delivers, each request in a thread.

It is http.server and not the pack's own server, because WSGI has no place for names of headers with an underscore
(ce_id, __offset): waitress, gunicorn and functions-framework drop them all. What it does is wait for functions, in as
many threads as daprd has events at once; an ASGI server would add an event loop to these and take none of them away.
"""

import hmac
import http.client
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from taskmaster.bridge import delivered
from taskmaster.bridge.bridge import ALARM, Bridge, Outcome
from taskmaster.bridge.settings import BridgeSettings
from taskmaster.bridge.subscriptions import Mailbox, subscriptions

logger = logging.getLogger(__name__)

_JOB = f"/job/{ALARM}"
_IDLE_SECONDS = 300.0
_ALARM_SECONDS = 310.0


def take_long_heads() -> None:
    """Have this process take many headers, and long ones: Dapr delivers for ever a record that is refused for its own.

    http.client, which http.server reads them by, has one limit for all that a process reads.
    """
    http.client._MAXHEADERS, http.client._MAXLINE = 200_000, 2_097_152  # type: ignore[attr-defined]


class Server(ThreadingHTTPServer):
    """Serves daprd from `serve_forever` to `stop`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, settings: BridgeSettings, bridge: Bridge, boxes: tuple[Mailbox, ...]) -> None:
        super().__init__((settings.host, settings.port), _Handler)
        self.settings = settings
        self.bridge = bridge
        self.boxes = {box.path: box for box in boxes}
        self.subscriptions = json.dumps(subscriptions(boxes, pubsub=settings.pubsub)).encode()
        self._places = threading.BoundedSemaphore(settings.connections)
        self._idle = threading.Condition()
        self._in_flight = 0
        self.is_stopping = False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Wait for a place: the connections behind it wait in the kernel's queue."""
        while not self._places.acquire(timeout=1):
            if self.is_stopping:
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a connection broke off", exc_info=True)

    def begin(self) -> None:
        with self._idle:
            self._in_flight += 1

    def end(self) -> None:
        with self._idle:
            self._in_flight -= 1
            self._idle.notify_all()

    def stop(self, seconds: float) -> bool:
        """Take nothing more. Whether every request that had begun was answered within so many seconds."""
        self.is_stopping = True
        self.shutdown()
        with self._idle:
            is_idle = self._idle.wait_for(lambda: not self._in_flight, seconds)
        self.server_close()
        return is_idle


class _Handler(BaseHTTPRequestHandler):
    """One connection of daprd's."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: Server

    def do_GET(self) -> None:
        if self.path == "/healthz":  # tells nothing, and a probe has no token
            self._answer(204)
        elif self._is_believed():
            content = {"/dapr/subscribe": self.server.subscriptions, "/dapr/config": b"{}"}.get(self.path)
            self._answer(200 if content else 404, content or b"")

    def do_POST(self) -> None:
        self.server.begin()
        try:
            if self._is_believed():
                self._take()
        finally:
            self.server.end()

    def do_OPTIONS(self) -> None:
        """What Dapr asks for a binding; there is none."""
        if self._is_believed():
            self._answer(404)

    def _take(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path == _JOB:
            self._told(self.server.bridge.wake_dispatch(seconds=_ALARM_SECONDS), "dispatch-due-reminders")
            return
        box = self.server.boxes.get(self.path)
        if box is None:
            logger.error("daprd delivered to a path that was never subscribed")
            self._answer(503)  # 404 would have Dapr drop it
            return
        headers = {name.lower(): text for name, text in self.headers.items()}
        try:
            record = delivered.record(box.topic, headers, body)
        except delivered.NotDelivered as error:
            logger.error("%s: %s", box.function, error)
            self._answer(503)
            return
        self._told(self.server.bridge.deliver(box, record), box.function)

    def _told(self, outcome: Outcome, function: str) -> None:
        if outcome.word != "delivered":
            level = logging.WARNING if outcome.word == "parked" else logging.INFO
            logger.log(level, "%s: an event is %s: %s", function, outcome.word, outcome.reason)
        self._answer(outcome.status)

    def _is_believed(self) -> bool:
        """Whether daprd shows the token; else it is answered, and the connection ends, its body unread."""
        token = self.server.settings.token
        shown = self.headers.get("dapr-api-token", "")
        if not token or hmac.compare_digest(shown.encode("latin-1", "replace"), token.encode()):
            return True
        self.close_connection = True
        self._answer(401)
        return False

    def _body(self) -> bytes | None:
        """The body; None where it is too large, has no length, or broke off, which is answered then."""
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            self._refuse(411)
            return None
        if int(length) > self.server.settings.largest:
            logger.error("an event of %s bytes is larger than MAX_EVENT_BYTES", length)
            self._refuse(413)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self._refuse(400)
            return None
        return body

    def _refuse(self, status: int) -> None:
        self.close_connection = True
        self._answer(status)

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response_only(status)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        if content:
            self.send_header("Content-Type", "application/json")
        if self.server.is_stopping or self.close_connection:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if content:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what a connection did wrong is in no log, since it may name anything."""
