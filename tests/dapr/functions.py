"""Functions for the bridge to call, which answer as a test says and remember what they were asked."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: which function, with which headers (lower-case names, Latin-1 values) and body, and when."""

    function: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers.get("ce-id", "")


Answer = int | tuple[int, dict[str, str], bytes]


class Functions:
    """All functions at one address, told apart by their internal host. `answer` decides; 204 without one."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Answer | None] = lambda asked: 204  # None hangs up
        self._asked: list[Asked] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, function: str = "", *, but_not: str = "") -> list[Asked]:
        """In the order in which the requests came."""
        with self._lock:
            return [each for each in self._asked if function in ("", each.function) and each.function != but_not]

    def ids(self, function: str) -> list[str]:
        return [each.id for each in self.asked(function)]

    def note(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(functions: Functions) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            asked = Asked(function=headers["host"].partition(".")[0], headers=headers, body=body)
            functions.note(asked)
            answer = functions.answer(asked)
            if answer is None:
                self.close_connection = True
                return
            status, more, content = (answer, {}, b"") if isinstance(answer, int) else answer
            self.send_response_only(status)
            for name, text in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler
