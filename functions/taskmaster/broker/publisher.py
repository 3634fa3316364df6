"""What runs the publish loop after a function's answers: a forked process, or a thread where none was forked.

Publishing costs as much of the interpreter as handling does, so in its own process it delays no answer. That process is
forked before there are threads, connections or Kafka's client. It sleeps until the first commit, and ends with its
parent.
"""

import contextlib
import logging
import math
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Protocol

from taskmaster.telemetry import spans
from taskmaster.woken_thread import WokenThread

log = logging.getLogger(__name__)

_GATHER_SECONDS = 0.005  # a burst shares one claim
_BURST_SECONDS = 0.05  # since the last claim: whoever is woken later waits for no others
_RETRY_AFTER = (0.2, 0.5, 1, 2, 5, 10)  # seconds between tries while the broker or the database is unavailable


class Publisher(Protocol):
    """Publishes the outbox when woken."""

    def wake(self) -> None:
        """There may be something to publish. Returns at once."""

    def drain(self, timeout: float) -> None:
        """Publish once more if woken since, then end; within so many seconds. What is left stays in the outbox."""


class ThreadPublisher:
    """The loop in a thread, started when first woken. `publish` raises what `later` names when it must wait.

    Where the interpreter ends before Kafka's client has started its own thread (Python 3.12 and later start none then),
    the next function that starts publishes what is left.
    """

    def __init__(self, publish: Callable[[], object], *, later: tuple[type[Exception], ...]) -> None:
        self._publish = publish
        self._later = later
        self._thread = WokenThread(self._run, name="publisher")

    def wake(self) -> None:
        self._thread.wake()

    def drain(self, timeout: float) -> None:
        self._thread.stop(timeout)

    def _run(self) -> None:
        work, is_stopping = self._thread.work, self._thread.is_stopping
        failures = 0
        published_at = -math.inf
        while work.wait():
            if not is_stopping.is_set() and time.monotonic() - published_at < _BURST_SECONDS:
                time.sleep(_GATHER_SECONDS)
            work.clear()
            try:
                self._publish()
                published_at = time.monotonic()
                failures = 0
            except self._later as error:
                log.warning("publishing waits: %s", error)
                if not is_stopping.is_set():
                    is_stopping.wait(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)])
                    failures += 1
                    work.set()
                    continue
            except Exception:
                log.exception("publishing failed; the events stay in the outbox")
            if is_stopping.is_set():
                return


class ForkedPublisher:
    """The loop in a child process, woken by a byte on a pipe. When the child dies, that of `instead` goes on."""

    def __init__(self, child: Callable[[], Publisher], *, instead: Callable[[], Publisher]) -> None:
        """Fork. `child` makes the publisher in the child, when it is first woken."""
        reader, self._writer = os.pipe()
        self._is_woken = mmap.mmap(-1, 1)  # shared: 1 from a wake until the child has read it
        self._instead = instead
        self._successor: Publisher | None = None
        self._is_stopping = False
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            _be_the_child(reader, self._is_woken, child)
        os.close(reader)
        os.set_blocking(self._writer, False)
        self._watcher = threading.Thread(target=self._succeed, name="publisher's watcher", daemon=True)
        self._watcher.start()

    def wake(self) -> None:
        if self._successor is not None:
            self._successor.wake()
        elif not self._is_woken[0]:
            self._is_woken[0] = 1
            # A full pipe has a wake for the child already. A broken one has no reader: its successor publishes at once.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._writer, b".")

    def drain(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self._is_stopping = True
        os.close(self._writer)  # the child reads the end of the file, finishes and ends
        self._watcher.join(timeout)
        if self._successor is not None:
            self._successor.drain(max(0.1, deadline - time.monotonic()))

    def _succeed(self) -> None:
        """Wait for the child's end. After an unexpected one, wakes may be unread and events unpublished."""
        os.waitpid(self._pid, 0)
        if not self._is_stopping:
            log.warning("the publisher's process is gone; a thread goes on")
            self._successor = self._instead()
            self._successor.wake()


def _be_the_child(reader: int, is_woken: mmap.mmap, make: Callable[[], Publisher]) -> None:
    """Sleep until woken, publish, and end when the parent's end of the pipe closes. Never returns."""
    # All processes of a pod get SIGTERM at once; this one ends when its parent does.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    publisher = None
    try:
        while os.read(reader, 65_536):
            is_woken[0] = 0  # before it looks: what is committed from now on wakes it again
            publisher = publisher or make()
            publisher.wake()
            time.sleep(_GATHER_SECONDS)  # so that one read takes the wakes of a burst
        if publisher is not None:
            publisher.drain(60)
            spans.close()
    except Exception:
        log.exception("the publisher's process ends")
    finally:
        os._exit(0)
