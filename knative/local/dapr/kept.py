"""A process that is started again whenever it ends, as Kubernetes would, until it is stopped."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from knative.local.processes import spawn, stop

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0  # seconds before it is started again
_LAST_LINES = 5


class Kept:
    """Runs from `start` to `stop`. `on_line` gets each line that it writes."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        on_line: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._env = env
        self._cwd = cwd
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=f"keeper-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after so many seconds."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            stop(process, grace=grace)
        if self._thread.is_alive():
            self._thread.join()

    @property
    def pid(self) -> int | None:
        """Of the process that runs; None between two of them."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def last_words(self) -> str:
        return "\n".join(self._last) or "it said nothing"

    def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            with self._lock:
                if self._stopping.is_set():
                    return
                process = self._process = spawn(self._command, env=self._env, cwd=self._cwd, output=subprocess.PIPE)
            self.starts += 1
            assert process.stdout is not None
            with process.stdout as lines:
                for raw in lines:
                    line = raw.decode("utf-8", "replace").rstrip()
                    self._last.append(line)
                    self._on_line(self.name, line)
            process.wait()
            if not self._stopping.is_set():
                self._on_line(self.name, f"ended with exit code {process.returncode}; it is started again")
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
