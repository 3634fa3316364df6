"""Logs: one JSON object a line on standard error, with what ties an invocation together and nothing personal."""

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
    # What is wrong at the broker is raised and said once a try; its client says it many times a second.
    logging.getLogger("kafka").setLevel("CRITICAL" if level != "DEBUG" else "INFO")  # its debug lines quote records
    logging.getLogger("waitress.queue").setLevel("ERROR")  # a call that waits for a thread is no news
    logging.getLogger("urllib3").setLevel("WARNING")  # its debug lines quote addresses of webhooks
