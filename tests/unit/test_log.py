"""What a line of the log is made of, and what it costs."""

import io
import json
import logging
import sys
import time
from collections.abc import Iterator

import pytest

from taskmaster import log


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written, as log.configure has it written."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", written)
    log.configure("INFO")
    yield written
    root.handlers[:], root.level = before


def invoke(outcome: str = "done") -> None:
    line = log.Invocation(**{"faas.coldstart": False})
    in_context, counting = log.context.set({log.FUNCTION: "create-task"}), log.invocation.set(line)
    log.bind_context(correlation_id="c")
    log.count_round_trip()
    log.note(attempt=2)
    line.finish(outcome)
    log.invocation.reset(counting)
    log.context.reset(in_context)


def test_the_line_of_an_invocation_has_what_was_noted_and_counted(lines: io.StringIO) -> None:
    invoke()
    written = json.loads(lines.getvalue())
    assert written.pop("time").endswith("+00:00")
    assert written.pop("duration_ms") >= 0
    assert written == {
        "message": log.FINISHED,
        "severity": "INFO",
        "logger": "taskmaster.invocation",
        "outcome": "done",
        "db.round_trips": 1,
        "faas.coldstart": False,
        "attempt": 2,
        "faas.name": "create-task",
        "messaging.message.conversation_id": "c",
    }


def test_an_exception_is_text_in_its_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("x\ny")
    except ValueError:
        logging.getLogger("taskmaster.x").exception("it failed")
    written = json.loads(lines.getvalue())
    assert (written["message"], written["severity"]) == ("it failed", "ERROR")
    assert written["exc_info"].endswith("ValueError: x\ny")


def test_outside_an_invocation_nothing_is_noted(lines: io.StringIO) -> None:
    log.note(attempt=1)
    log.count_round_trip()
    assert lines.getvalue() == ""


def test_the_line_is_left_out_by_its_level(lines: io.StringIO) -> None:
    logging.getLogger().setLevel("WARNING")
    invoke()
    assert lines.getvalue() == ""


def test_a_line_costs_microseconds(lines: io.StringIO) -> None:
    """Processor time, the lowest of several rounds: some 15 microseconds, of a create that takes milliseconds."""
    lowest = min(_seconds_of(200) for _ in range(10)) / 200
    assert lowest < 200e-6


def _seconds_of(count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        invoke()
    return time.process_time() - began
