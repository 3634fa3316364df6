"""Spans: what one process did in a trace, from when to when. Recorded only where telemetry is on.

A span is a small record while a request waits for its answer. The SDK of OpenTelemetry is imported by what exports,
behind the first answer: its import takes about a quarter of a second, and to encode a span ten times as long as to
record one here. Where telemetry is off, nothing of it is imported, and a span only passes on what it was caused by.
"""

import os
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

from taskmaster.telemetry.trace_context import TraceContext

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | bool | int | float


class EndedSpan(NamedTuple):
    """What is exported of a span. `error` is '' where nothing went wrong; times are nanoseconds of Unix time."""

    name: str
    kind: Kind
    context: TraceContext
    parent: TraceContext | None
    links: list[TraceContext]
    attributes: dict[str, Value]
    error: str
    began: int
    ended: int
    is_recorded: bool


class _Exporting(Protocol):
    def add(self, span: EndedSpan) -> None: ...
    def close(self, seconds: float) -> None: ...


_exporting: _Exporting | None = None
_listening_since = 0  # nanoseconds of Unix time; 0 where nobody said


class Span:
    """One span under way; as a context manager, that of the block. `context` is what follows from it is told."""

    __slots__ = (
        "_token",
        "attributes",
        "began",
        "context",
        "error",
        "is_leaf",
        "is_recorded",
        "kind",
        "links",
        "name",
        "parent",
    )

    def __init__(self, name: str, kind: Kind, *, parent: TraceContext | None, began: int | None = None) -> None:
        """Of the trace of `parent`, or of a new one. `began` is in nanoseconds of Unix time."""
        self.name = name
        self.kind = kind
        self.parent = parent
        self.is_recorded = parent is None or parent.is_sampled
        self.context = _child_of(parent)
        self.attributes: dict[str, Value] = {}
        self.links: list[TraceContext] = []
        self.error = ""
        self.is_leaf = False  # nothing is in it: what is noted meanwhile is of the span around it
        self.began = began or time.time_ns()
        self._token: Token[Span | None] | None = None

    def set(self, attributes: Mapping[str, Value]) -> None:
        self.attributes.update(attributes)

    def fail(self, kind: str) -> None:
        """Say what went wrong in a word: the name of an exception, or an outcome. Never a text of somebody."""
        self.error = kind

    def end(self, *, ended: int | None = None) -> None:
        """Hand it over for export. Its attributes are not to change any more."""
        if _exporting is not None:
            at = max(ended or time.time_ns(), self.began)  # the machine's clock may be set back
            _exporting.add(
                EndedSpan(
                    self.name,
                    self.kind,
                    self.context,
                    self.parent,
                    self.links,
                    self.attributes,
                    self.error,
                    self.began,
                    at,
                    self.is_recorded,
                )
            )

    def __enter__(self) -> Self:
        if not self.is_leaf:
            self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if kind is not None:
            if not issubclass(kind, Exception):
                return  # no failure: the request was postponed, and this is recorded when it comes again
            self.error = self.error or kind.__name__
        self.end()


class NoSpan:
    """What stands for a span where none is recorded: it passes on the context that it was given."""

    __slots__ = ("context",)

    def __init__(self, context: TraceContext | None = None) -> None:
        self.context = context

    def set(self, attributes: Mapping[str, Value]) -> None:
        pass

    def fail(self, kind: str) -> None:
        pass

    def end(self, *, ended: int | None = None) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_NO_SPAN = NoSpan()


def start(
    name: str,
    kind: Kind,
    *,
    parent: TraceContext | None = None,
    links: Iterable[TraceContext | None] = (),
    began: int | None = None,
) -> Span | NoSpan:
    """A span in the trace of `parent`; without one, of the span under way; without either, of a new trace."""
    if _exporting is None:
        return NoSpan(parent) if parent else _NO_SPAN
    span = Span(name, kind, parent=parent or current(), began=began)
    span.links += [each for each in links if each]
    return span


def inner(name: str, kind: Kind) -> Span | NoSpan:
    """A leaf of the span under way. Where there is none, nothing is recorded: it would be a trace of its own."""
    if _exporting is None or (around := _current.get()) is None:
        return _NO_SPAN
    span = Span(name, kind, parent=around.context)
    span.is_leaf = True
    return span


def current() -> TraceContext | None:
    """What follows from the span under way is told this; None where there is none."""
    span = _current.get()
    return span.context if span else None


def continued(given: TraceContext | None) -> TraceContext | None:
    """What follows from a request is told this: the span under way, or, without one, what the request was told."""
    return current() or given


def note(attributes: Mapping[str, Value]) -> None:
    """Put attributes into the span under way, if there is one."""
    if span := _current.get():
        span.set(attributes)


def rename(name: str) -> None:
    """Name the span under way, now that it is known what is asked for. Never by what a person chose."""
    if span := _current.get():
        span.name = name


def link(traceparent: str | None) -> None:
    """Link the span under way to another trace that it has to do with, unless it is of that trace itself."""
    span = _current.get()
    if span and (to := TraceContext.read(traceparent)) and to.trace_id != span.context.trace_id:
        span.links.append(to)


# The process ------------------------------------------------------------------------------------------------------


def is_on() -> bool:
    return _exporting is not None


def configure(endpoint: str, *, service: str) -> None:
    """Record spans from here on, for `endpoint`, as `service`. An empty endpoint: telemetry stays off.

    A thread exports, unless a process does: no thread survives a fork.
    """
    global _exporting
    if endpoint and _exporting is None:
        from taskmaster.telemetry.export import Exporting

        _exporting = Exporting(service)


def fork_exporter(endpoint: str, *, service: str) -> None:
    """The same, and a process exports. To be called while there are no threads."""
    global _exporting
    if endpoint and _exporting is None:
        from taskmaster.telemetry.forked import ForkedExporting

        _exporting = ForkedExporting(service)


def close(seconds: float = 3.0) -> None:
    """Export what is recorded, within so many seconds, and record no more."""
    global _exporting
    exporting, _exporting = _exporting, None
    if exporting is not None:
        exporting.close(seconds)


def note_listening() -> None:
    """The process listens from now on: its start is over."""
    global _listening_since
    _listening_since = time.time_ns()


def record_start(first: "Span | NoSpan") -> None:
    """Record how long the start of this process took, until it listened, as a span of its first request."""
    from taskmaster.telemetry.process import started_at

    if not isinstance(first, Span) or not _listening_since or not (began := started_at()):
        return
    first.set({"faas.init_duration": (_listening_since - began) / 1e9})
    Span("start", "internal", parent=first.context, began=began).end(ended=_listening_since)


def _child_of(parent: TraceContext | None) -> TraceContext:
    span_id = os.urandom(8).hex()
    if parent is None:
        return TraceContext(f"00-{os.urandom(16).hex()}-{span_id}-01")
    return TraceContext(f"00-{parent.trace_id}-{span_id}-0{int(parent.is_sampled)}", parent.tracestate)
