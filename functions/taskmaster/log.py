"""Logs: one JSON object a line on standard error, with what ties an invocation together and nothing personal.

At INFO there is one line for each finished invocation and nothing else. Fields have the names of OpenTelemetry's
semantic conventions where these have one.
"""

import json
import logging
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

FINISHED = "invocation finished"

FUNCTION = "faas.name"
EVENT_ID = "cloudevents.event_id"
CORRELATION_ID = "messaging.message.conversation_id"

# What every line of an invocation carries, by those names. Never titles, tokens or addresses.
context: ContextVar[dict[str, str]] = ContextVar("log context", default={})  # noqa: B039, never mutated

_finished = logging.getLogger("taskmaster.invocation")


class Invocation:
    """What the line of one invocation says: counted and noted on the way, written at the end."""

    def __init__(self, **fields: Any) -> None:
        self.round_trips = 0  # to the database
        self._fields = fields
        self._began = time.perf_counter()

    def note(self, **fields: Any) -> None:
        self._fields |= fields

    def waited(self, seconds: float) -> None:
        """It began so many seconds earlier, and waited for its turn since."""
        self._began -= seconds
        self.note(waited_ms=round(seconds * 1000, 1))

    @property
    def fields(self) -> dict[str, Any]:
        """What was counted and noted by now."""
        return {"db.round_trips": self.round_trips, **self._fields}

    def finish(self, outcome: str) -> None:
        """Write the line. `outcome` is a word: done, refused, parked, busy, unavailable or failed."""
        took = (time.perf_counter() - self._began) * 1000
        if not _finished.isEnabledFor(logging.INFO):
            return
        fields = {"outcome": outcome, "duration_ms": round(took, 1), **self.fields}
        _finished.info(FINISHED, extra={"fields": fields})


invocation: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


@contextmanager
def invoked(function: str, *, from_zero: bool) -> Iterator[Invocation]:
    """Around one invocation of this function: every line in it names the function, and it has a line of its own."""
    line = Invocation(**{"faas.coldstart": from_zero})
    tokens = context.set({FUNCTION: function}), invocation.set(line)
    try:
        yield line
    finally:
        context.reset(tokens[0])
        invocation.reset(tokens[1])


def note(**fields: Any) -> None:
    """Put fields into the line of this invocation, if there is one: numbers and words of our own alone."""
    if current := invocation.get():
        current.note(**fields)


def count_round_trip() -> None:
    """Count a message to the database that was waited for."""
    if current := invocation.get():
        current.round_trips += 1


def bind_context(*, event_id: str = "", correlation_id: str = "") -> None:
    """Put ids into every further line of this invocation."""
    ids = {name: value for name, value in ((EVENT_ID, event_id), (CORRELATION_ID, correlation_id)) if value}
    context.set({**context.get(), **ids})


_encode = json.JSONEncoder(default=str).encode
_LONGEST = select.PIPE_BUF - 1  # bytes that one write puts into a pipe undivided, whoever else writes; and a line feed


class _Json(logging.Formatter):
    """A record as one JSON object: its message, its fields, and its exception as text."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "message": record.getMessage(),
            "severity": record.levelname,
            "logger": record.name,
            **getattr(record, "fields", {}),
            **context.get(),
        }
        if record.exc_info:
            said["exc_info"] = self.formatException(record.exc_info)
        said["time"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = _encode(said)
        for name in ("exc_info", "message"):  # the publisher's process, and the exporter's, write to the same pipe
            if (beyond := len(line) - _LONGEST) > 0 and name in said:
                said[name] = "..." + said[name][beyond + 3 :]  # of a traceback, the end says most
                line = _encode(said)
        return line


class _Handler(logging.StreamHandler[TextIO]):
    """To standard error. What is wrong with a record itself is one line too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, as logging names it
        if isinstance(sys.exc_info()[1], OSError):
            return  # nobody reads
        about = logging.LogRecord(record.name, logging.ERROR, "", 0, "a line could not be written", (), sys.exc_info())
        self.stream.write(self.format(about) + self.terminator)


def configure(level: str) -> None:
    """Write the root logger's lines as JSON."""
    # Nobody reads in which line, thread and process a record was made, and finding out is half of what it costs.
    logging._srcfile = None  # as the HOWTO of logging has it, under Optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Json())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("waitress", "psycopg.pool", "yoyo"):
        logging.getLogger(noisy).setLevel("WARNING" if level != "DEBUG" else "DEBUG")
    # Errors of the broker are raised, and logged once a try; its client logs them many times a second.
    logging.getLogger("kafka").setLevel("CRITICAL" if level != "DEBUG" else "INFO")  # its debug lines quote records
    logging.getLogger("waitress.queue").setLevel("ERROR")  # it logs every call that waits for a thread
    logging.getLogger("urllib3").setLevel("WARNING")  # its debug lines quote addresses of webhooks


def configure_process(level: str) -> None:
    """The same in a process of our own: what Python itself would print to standard error is a line of the log, too."""
    configure(level)
    log = logging.getLogger("taskmaster.process")
    logging.captureWarnings(True)

    def thread_failed(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not SystemExit:
            _say(log, "a thread ended", failed)

    def failed_unseen(failed: "sys.UnraisableHookArgs") -> None:
        _say(log, failed.err_msg or "an exception nobody could catch", failed)

    def failed_altogether(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        log.critical("the process ends", exc_info=(kind, error, traceback))

    threading.excepthook, sys.unraisablehook, sys.excepthook = thread_failed, failed_unseen, failed_altogether


def _say(log: logging.Logger, what: str, failed: Any) -> None:
    error = failed.exc_value or failed.exc_type()
    log.error(what, exc_info=(failed.exc_type, error, failed.exc_traceback))
