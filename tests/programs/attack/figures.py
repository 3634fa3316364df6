"""What was measured of the bystander, and the verdict: how much worse an attack made it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.programs.bench.report import percentile

MORE_LATE = 2.0  # seconds that a reminder, or what follows an event, may be later than the latest one alone
TIMES = 3.0  # how many times as slow a call may be, by median and by 95th percentile
FLOOR = 0.05  # seconds: a call alone counts as no faster, or the noise of a shared processor would be judged


class Call(NamedTuple):
    """One call of hers: when it was to begin (Unix seconds), how long from then to its answer; status 0: none came."""

    kind: str
    at: float
    seconds: float
    status: int

    @property
    def failed(self) -> bool:
        return not 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Window:
    """What she saw between two moments. Lateness is in seconds; `missing` is what has not come yet."""

    calls: list[Call] = field(default_factory=list)
    unanswered: int = 0
    reminders: list[float] = field(default_factory=list)
    missing_reminders: int = 0
    repeated_reminders: int = 0
    successors: list[float] = field(default_factory=list)
    missing_successors: int = 0

    @property
    def is_complete(self) -> bool:
        return not (self.unanswered or self.missing_reminders or self.missing_successors)


@dataclass(frozen=True)
class Summary:
    """Of values in seconds; nan where there are none."""

    number: int
    p50: float
    p95: float
    most: float


def summary(values: Iterable[float]) -> Summary:
    """The count, the median, the 95th percentile and the largest."""
    ordered = sorted(values)
    if not ordered:
        return Summary(0, *[float("nan")] * 3)
    return Summary(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1])


class Fault(NamedTuple):
    """What does not hold: its kind, and a sentence. On a shared processor calls may be slow by chance alone."""

    kind: Literal["slow", "late", "lost"]
    text: str


def broken(alone: Window, attacked: Window) -> list[Fault]:
    """What does not hold under the attack. Too little measured is broken as well."""
    if not (alone.calls and alone.reminders and attacked.calls):
        return [Fault("lost", "nothing was measured")]
    return [
        *(Fault("lost", text) for text in _lost(attacked)),
        *(Fault("late", text) for text in _late(alone, attacked)),
        *(Fault("slow", text) for text in _slow(alone, attacked)),
    ]


def _lost(attacked: Window) -> Iterable[str]:
    if attacked.missing_reminders:
        yield f"{attacked.missing_reminders} reminders did not come"
    if attacked.missing_successors:
        yield f"{attacked.missing_successors} completions had no successor"
    failed = [call for call in attacked.calls if call.failed]
    if failed or attacked.unanswered:
        statuses = ", ".join(sorted({str(call.status or "no answer") for call in failed}))
        yield f"{len(failed) + attacked.unanswered} of {len(attacked.calls)} calls failed ({statuses or 'no answer'})"


def _late(alone: Window, attacked: Window) -> Iterable[str]:
    for what in ("reminders", "successors"):
        usual, now = summary(getattr(alone, what)), summary(getattr(attacked, what))
        limit = (usual.most if usual.number else 0.0) + MORE_LATE
        if now.number and now.most > limit:
            yield f"{what}: one was {now.most:.1f} s late, the limit is {limit:.1f} s"


def _slow(alone: Window, attacked: Window) -> Iterable[str]:
    usual, now = (summary(call.seconds for call in window.calls) for window in (alone, attacked))
    for name in ("p50", "p95"):
        limit = TIMES * max(getattr(usual, name), FLOOR)
        if getattr(now, name) > limit:
            yield f"calls: {name} was {getattr(now, name) * 1000:.0f} ms, the limit is {limit * 1000:.0f} ms"
    for kind in sorted({call.kind for call in alone.calls}):
        usual, now = (summary(c.seconds for c in window.calls if c.kind == kind) for window in (alone, attacked))
        limit = TIMES * max(usual.p50, FLOOR)
        if now.number and now.p50 > limit:
            yield f"{kind}: p50 was {now.p50 * 1000:.0f} ms, the limit is {limit * 1000:.0f} ms"
