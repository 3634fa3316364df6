"""Export in a process of its own: no answer waits for a span to be encoded.

That process is forked before there are threads, and before the publisher, which writes to it too. It has the lowest
priority and reads ten times a second, not at each span: a request would wait for a process that is woken. It ends when
all who write to it have ended.
"""

import contextlib
import fcntl
import logging
import os
import select
import signal
import time
from collections.abc import Iterator

from pydantic_core import from_json, to_json

from taskmaster.telemetry.export import Exporting
from taskmaster.telemetry.spans import EndedSpan
from taskmaster.telemetry.trace_context import TraceContext

log = logging.getLogger(__name__)

_NICE = 19
_PIPE_BYTES = 1_048_576  # some 1,500 spans
_PAUSE_SECONDS = 0.1  # in which the pipe cannot become full
_PIPE_BUF = select.PIPE_BUF  # bytes that one write puts into a pipe undivided, whoever else writes
_LAST_SECONDS = 10.0


class ForkedExporting:
    """Spans are written to the process that exports, a line each. One that finds the pipe full is lost."""

    def __init__(self, service: str) -> None:
        """Fork."""
        reader, self._writer = os.pipe()
        pause = _PAUSE_SECONDS if _is_enlarged(reader) else 0.0
        self._owner = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            _be_the_child(reader, service, pause)
        os.close(reader)
        os.set_blocking(self._writer, False)

    def add(self, span: EndedSpan) -> None:
        """Have an ended span exported. Returns at once."""
        line = written(span)
        if len(line) > _PIPE_BUF:
            line = written(span._replace(attributes={}, links=[]))
        with contextlib.suppress(OSError):  # full, or nobody reads any more
            os.write(self._writer, line)

    def close(self, seconds: float) -> None:
        """Wait, for so many seconds, until everything is exported. Another process that writes only stops doing so."""
        os.close(self._writer)
        deadline = time.monotonic() + seconds
        while os.getpid() == self._owner and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                    time.sleep(0.01)
                    continue
            return


def written(span: EndedSpan) -> bytes:
    """A span as one line of JSON."""
    return to_json(span) + b"\n"


def read(line: bytes) -> EndedSpan:
    """The span that `written` wrote."""
    name, kind, context, parent, links, *others = from_json(line)
    parent = TraceContext(*parent) if parent else None
    return EndedSpan(name, kind, TraceContext(*context), parent, [TraceContext(*each) for each in links], *others)


def _is_enlarged(pipe: int) -> bool:
    """Whether the pipe holds what is recorded between two looks. Linux alone lets it grow."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES) >= _PIPE_BYTES
    except (AttributeError, OSError):
        return False


def _be_the_child(reader: int, service: str, pause: float) -> None:
    """Export what is read until nobody can write any more. Never returns."""
    # All processes of a pod get SIGTERM at once; this one ends behind those that write to it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with contextlib.suppress(OSError):
            os.nice(_NICE)
        exporting = Exporting(service)
        for line in _lines(reader, pause):
            exporting.add(read(line))
        exporting.close(_LAST_SECONDS)
    except Exception:
        log.exception("the process that exports ends")
    finally:
        os._exit(0)


def _lines(reader: int, pause: float) -> Iterator[bytes]:
    rest = b""
    while data := os.read(reader, _PIPE_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        time.sleep(pause)
