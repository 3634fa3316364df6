"""The other end of a webhook, for the demo and the tests: takes what is POSTed to it, and remembers when it came."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Message:
    """One message; `at` is real time, UTC."""

    at: datetime
    id: str
    data: dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # many reminders may ring at once


class Receiver:
    """Listens on the loopback, or another address of this machine, while its context is entered."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.messages: list[Message] = []
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = datetime.now(UTC)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                messages.append(Message(at, self.headers["webhook-id"], body["data"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_address[1]}/reminders"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def about(self, task: dict[str, Any]) -> list[Message]:
        return [message for message in list(self.messages) if message.data["task_id"] == task["task_id"]]
