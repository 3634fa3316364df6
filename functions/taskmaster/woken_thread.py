"""A thread that works behind the answers of a process: started when it is first woken, and told when to end."""

import threading
from collections.abc import Callable


class WokenThread:
    """Runs `run` once, which waits for `work` as often as it likes, and returns when `is_stopping` is set."""

    def __init__(self, run: Callable[[], None], *, name: str) -> None:
        self.work = threading.Event()
        self.is_stopping = threading.Event()
        self._run = run
        self._name = name
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is work. Returns at once."""
        if not self.work.is_set():
            self.work.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()

    def stop(self, seconds: float) -> None:
        """Have it look once more and end; wait for that for so many seconds."""
        self.is_stopping.set()
        self.work.set()
        if self._thread is not None:
            self._thread.join(seconds)
