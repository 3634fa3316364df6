"""One stream for the logs of all functions: a coloured line each for people, or JSON lines for programs."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_LOUD = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}


class LogStream:
    """Takes whole lines from many threads; a function's own JSON lines are taken apart, any other text is kept."""

    def __init__(self, out: TextIO | None = None, *, as_json: bool = False) -> None:
        self._out = out or sys.stderr
        self._as_json = as_json
        self._coloured = not as_json and self._out.isatty()
        self._colours: dict[str, int] = {}
        self._width = 8
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """Write one line that `name` has said."""
        entry = _entry(text)
        written = self._json(name, entry) if self._as_json else self._readable(name, entry)
        with self._lock:
            # A closed terminal must not stop what is served.
            try:
                self._out.write(written + "\n")
                self._out.flush()
            except (OSError, ValueError):
                pass

    def _json(self, name: str, entry: dict[str, Any]) -> str:
        time = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        return json.dumps({**time, **entry, "function": name}, ensure_ascii=False, default=str)

    def _readable(self, name: str, entry: dict[str, Any]) -> str:
        level = str(entry.pop("severity", ""))
        message = str(entry.pop("message", ""))
        trace = entry.pop("exc_info", None)
        fields = " ".join(f"{key}={value}" for key, value in entry.items() if key not in {"time", "logger"})
        self._width = max(self._width, len(name))
        text = " ".join(part for part in (level if level in _LOUD else "", message, fields) if part)
        if trace:
            text += "\n" + str(trace)
        time = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        if not self._coloured:
            return f"{time} {name:<{self._width}} {text}"
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        body = f"\x1b[{_LOUD[level]}m{text}\x1b[0m" if level in _LOUD else text
        return f"\x1b[2m{time}\x1b[0m \x1b[{colour}m{name:<{self._width}}\x1b[0m {body}"


class StreamHandler(logging.Handler):
    """Puts the stand-in's own log records into the stream, under the name `knative`."""

    def __init__(self, stream: LogStream) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        entry = {"severity": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            entry["exc_info"] = logging.Formatter().formatException(record.exc_info)
        self._stream.line("knative", json.dumps(entry))


def _entry(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            return entry
    return {"message": text}
