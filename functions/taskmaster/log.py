"""Logs: one JSON object a line on standard error, with the ids of the invocation and no personal data."""

import logging
import sys
from contextvars import ContextVar

# What every line of an invocation carries: function, correlation_id, event_id. Never titles, tokens or addresses.
context: ContextVar[dict[str, str]] = ContextVar("log context", default={})  # noqa: B039, never mutated


def bind_context(**ids: str) -> None:
    """Put ids into every further line of this invocation."""
    context.set({**context.get(), **ids})


class _WithContext(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in context.get().items():
            setattr(record, name, value)
        return True


def configure(level: str) -> None:
    """Write the root logger's lines as JSON."""
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{message}{levelname}{name}",
            style="{",
            rename_fields={"levelname": "severity", "name": "logger"},
            timestamp="time",
        )
    )
    handler.addFilter(_WithContext())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("waitress", "psycopg.pool", "yoyo"):
        logging.getLogger(noisy).setLevel("WARNING" if level != "DEBUG" else "DEBUG")
    # Errors of the broker are raised, and logged once a try; its client logs them many times a second.
    logging.getLogger("kafka").setLevel("CRITICAL" if level != "DEBUG" else "INFO")  # its debug lines quote records
    logging.getLogger("waitress.queue").setLevel("ERROR")  # it logs every call that waits for a thread
    logging.getLogger("urllib3").setLevel("WARNING")  # its debug lines quote addresses of webhooks
