"""A span as it goes to the process that exports."""

from taskmaster.telemetry.forked import read, written
from taskmaster.telemetry.spans import EndedSpan
from taskmaster.telemetry.trace_context import TraceContext

PARENT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1")
CONTEXT = TraceContext("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")


def test_a_span_is_read_as_it_was_written() -> None:
    said: dict[str, str | bool | int | float] = {"text": "line\nbreak", "number": 1.5, "yes": True, "whole": 2**62}
    for span in (
        EndedSpan("x", "client", CONTEXT, PARENT, [PARENT], said, "Busy", began=1, ended=2, is_recorded=True),
        EndedSpan("ü\n", "server", CONTEXT, None, [], {}, "", began=1, ended=1, is_recorded=False),
    ):
        line = written(span)
        assert line.count(b"\n") == 1
        again = read(line[:-1])
        assert again == span
        assert [*map(type, again.attributes.values())] == [*map(type, span.attributes.values())]
