"""The other end of many webhooks: what rang, how often, and how late."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(ThreadingHTTPServer):
    """Counts what rings, by webhook-id, and when it came. Runs from the start, until `shutdown`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rung: Counter[str] = Counter()
        self.late: list[float] = []  # seconds from the moment it was meant for until it arrived
        self.travelled = timedelta()  # from real time to the business time of the moments
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def forget(self) -> None:
        self.rung.clear()
        self.late.clear()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        arrived = datetime.now(UTC) + self.server.travelled
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        self.server.late.append((arrived - datetime.fromisoformat(told["remind_at"])).total_seconds())
        self.server.rung[self.headers["webhook-id"]] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass
