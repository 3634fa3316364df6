"""The other end of the users' webhooks: notes every delivery, and refuses some of them the first time."""

import json
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.programs.chaos.history import Log

SECRET = "whsec_" + b64encode(b"chaos chaos chaos chaos!").decode()  # of every channel in a run
_REFUSED_ONE_IN = 10


class Receiver:
    """Listens on a loopback port between `start` and `stop`; `log` gets one line a request."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: set[str] = set()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = receiver.receive(self.path, dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    def url(self, user: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{user}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Note one delivery; the status of its answer."""
        sent = {name.lower(): value for name, value in headers.items()}
        webhook_id = sent.get("webhook-id", "")
        with self._lock:
            is_new = webhook_id not in self._known
            self._known.add(webhook_id)
            status = 503 if is_new and len(self._known) % _REFUSED_ONE_IN == 0 else 204
        try:
            Webhook(SECRET).verify(body, sent)
            signed = True
        except WebhookVerificationError:
            signed = False
        data = json.loads(body).get("data", {})
        self._log.write(
            at=time.time(), user=path.strip("/"), webhook_id=webhook_id, data=data, signed=signed, status=status
        )
        return status
