"""A span as it goes to the process that exports."""

from taskmaster.telemetry.forked import read, written
from taskmaster.telemetry.spans import Span
from taskmaster.telemetry.trace_context import TraceContext

PARENT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1")


def test_a_span_is_read_as_it_was_written() -> None:
    for span in (Span("x", "client", parent=PARENT, began=1), Span("ü\n", "server", parent=None)):
        span.set({"text": "line\nbreak", "number": 1.5, "yes": True, "whole": 2**62})
        span.links.append(PARENT)
        span.fail("Busy")
        span.ended = 2
        line = written(span)
        assert line.count(b"\n") == 1
        again = read(line[:-1])
        for name in Span.__slots__:
            assert getattr(again, name) == getattr(span, name), name
