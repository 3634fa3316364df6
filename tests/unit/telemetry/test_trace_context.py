"""W3C Trace Context as it is read and passed on."""

import pytest

from taskmaster.telemetry import spans
from taskmaster.telemetry.spans import NoSpan, Span
from taskmaster.telemetry.trace_context import TraceContext

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_trace_is_read_and_passed_on() -> None:
    context = TraceContext.read(PARENT, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert context is not None
    assert (context.trace_id, context.span_id, context.is_sampled) == (TRACE, "b7ad6b7169203331", True)
    assert context.headers("ce_") == {
        "ce_traceparent": PARENT,
        "ce_tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "abc", PARENT.upper(), PARENT + "-00", PARENT.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-b7ad6b7169203331-1",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_no_trace(text: str) -> None:
    assert TraceContext.read(text, "a=b") is None
    assert TraceContext.read(None) is None


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a=1", "a=1"),
        (" a=1 ,\tb=2,, ", "a=1,b=2"),
        ("tenant@system=x y", "tenant@system=x y"),
        ("a=1,a=2", ""),  # a name twice
        ("A=1", ""),
        ("a=1=2", ""),
        ("a=ä", ""),
        ("a", ""),
        ("a=b\r\nX: y", ""),
        (",".join(f"k{each}=v" for each in range(32)), ",".join(f"k{each}=v" for each in range(32))),
        (",".join(f"k{each}=v" for each in range(33)), ""),
        ("a=" + "x" * 256 + ",b=" + "x" * 256, ""),  # longer than everybody passes on
    ],
)
def test_a_tracestate_that_is_not_valid_is_left_out(sent: str, kept: str) -> None:
    context = TraceContext.read(PARENT, sent)
    assert context is not None
    assert context.traceparent == PARENT
    assert context.tracestate == kept


def test_a_span_is_of_the_trace_of_its_parent() -> None:
    span = Span("x", "internal", parent=TraceContext(PARENT, "a=1"))
    assert span.context.trace_id == TRACE
    assert span.context.span_id != "b7ad6b7169203331"
    assert span.context.tracestate == "a=1"
    assert span.is_recorded
    assert TraceContext.read(*span.context) == span.context


def test_what_the_caller_does_not_record_is_passed_on_and_not_recorded() -> None:
    span = Span("x", "internal", parent=TraceContext(PARENT[:-1] + "0"))
    assert not span.is_recorded
    assert span.context.traceparent.endswith("-00")


def test_without_telemetry_a_span_passes_on_what_it_was_given() -> None:
    given = TraceContext(PARENT)
    with spans.start("x", "client", parent=given) as span:
        assert isinstance(span, NoSpan)
        assert span.context == given
        assert spans.current() is None
        assert spans.continued(given) == given
        with spans.inner("y", "client") as inner:
            assert inner.context is None
