"""Notice that a source file was saved, so that functions start anew with their next request."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def watching(directory: Path, on_change: Callable[[], None]) -> Iterator[None]:
    """Call `on_change` for each burst of saved files below the directory, byte-compiled ones left aside."""
    import watchfiles

    ended = threading.Event()

    def follow() -> None:
        for changes in watchfiles.watch(directory, stop_event=ended, raise_interrupt=False, rust_timeout=1000):
            names = sorted({os.path.relpath(path, directory) for _, path in changes})
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            _logger.info("%s%s saved: functions start anew with their next request", ", ".join(names[:3]), more)
            on_change()

    thread = threading.Thread(target=follow, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)
