"""One process of a function, from exec to exit: started on a free port, asked over HTTP, ended in good order."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import urllib3

from knative.local.processes import free_port, listening, spawn, stop

_READY_CHECK_SECONDS = 0.005
_TAIL_LINES = 12


class UnavailableError(Exception):
    """No pod can take the request, or none has answered it; the text says why, `status` is what the caller gets."""

    def __init__(self, message: str, status: int = 503) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """An HTTP request on its way to a function; `body` is bytes or a stream of `content-length` bytes."""

    method: str
    target: str
    headers: Sequence[tuple[str, str | bytes]]
    body: bytes | BinaryIO = b""


@dataclass(frozen=True)
class Response:
    """An HTTP response whose body is read as it comes; whoever has it must `close` it.

    `interrupt` ends the body for a thread that waits for more of it; any other thread may call it.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: Iterator[bytes]
    close: Callable[[], None]
    interrupt: Callable[[], None] = lambda: None

    def read(self) -> bytes:
        with contextlib.closing(self):
            return b"".join(self.body)


class Pod:
    """Used by many threads at once. Its slots are counted by the revision that owns it, under that one's lock."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None],
        on_exit: Callable[[Pod], None],
    ) -> None:
        self.name = name
        self.port = free_port()
        # Real time: since when it is there, answers, and is told to end.
        self.created_at = datetime.now(UTC)
        self.ready_at: datetime | None = None
        self.deleted_at: datetime | None = None
        self.in_flight = 0
        self.last_used = time.monotonic()
        self._on_line = on_line
        self._on_exit = on_exit
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._http = urllib3.HTTPConnectionPool("127.0.0.1", self.port, maxsize=64)
        self._process = spawn(command, env={**env, "PORT": str(self.port)}, cwd=cwd, output=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, name=f"{name}-logs", daemon=True)
        self._reader.start()
        threading.Thread(target=self._await_exit, name=f"{name}-exit", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready(self) -> bool:
        return self.ready_at is not None

    def wait_until_ready(self, seconds: float) -> None:
        """Wait for the port to accept connections. UnavailableError carries the end of what the process said."""
        deadline = time.monotonic() + seconds
        while not listening(self.port):
            if self._process.poll() is not None:
                self._reader.join(1)
                raise UnavailableError(
                    f"{self.name} does not start (exit code {self._process.returncode}): {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise UnavailableError(f"{self.name} does not listen on its port after {seconds:.0f} s")
            time.sleep(_READY_CHECK_SECONDS)

    def request(self, request: Request, timeout: float) -> Response:
        """Ask the function; UnavailableError with 504 if it does not answer in time, with 502 if it dies."""
        try:
            return asked(self._http, request, timeout)
        except urllib3.exceptions.ReadTimeoutError:
            raise UnavailableError(f"{self.name} did not answer within {timeout:.0f} s", 504) from None
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"{self.name} broke off while it handled the request: {error}", 502) from None

    def stop(self, grace: float) -> None:
        """SIGTERM, so that what has begun is answered and published; SIGKILL after `grace` seconds."""
        # First, for a server waits for its clients before it ends.
        self._http.close()
        stop(self._process, grace=grace)
        self._reader.join(1)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                self._on_line(line)

    def _await_exit(self) -> None:
        """As in a container, with its first process all others end: its publisher holds the pipe of its logs open."""
        self._process.wait()
        stop(self._process, grace=0)
        self._reader.join()
        self._on_exit(self)

    def _last_words(self) -> str:
        """The last line for the sentence, and what came before it below: the end of a traceback, as a rule."""
        lines = [line for line in self._tail if line.strip()]
        return "\n".join([lines[-1], *lines]) if lines else "it said nothing"


def asked(http: urllib3.HTTPConnectionPool, request: Request, timeout: float) -> Response:
    """The response to a request as it is, its body still to be read. Raises urllib3's HTTPError."""
    headers = urllib3.HTTPHeaderDict()
    for name, value in request.headers:
        headers.add(name, value)  # type: ignore[arg-type]
    response = http.urlopen(
        request.method,
        request.target,
        body=request.body,
        headers=headers,
        timeout=urllib3.Timeout(connect=5, read=timeout),
        retries=False,
        redirect=False,
        preload_content=False,
        decode_content=False,
    )
    return Response(
        response.status,
        list(response.headers.items()),
        response.stream(65_536, decode_content=False),
        # Read to its end, the connection is back in the pool; if not, it is of no more use.
        response.close,
        lambda: _interrupt(response),
    )


def _interrupt(response: urllib3.BaseHTTPResponse) -> None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # it was at its end already
        response.shutdown()
