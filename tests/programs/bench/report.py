"""What one benchmark found: figures beside their goals, and how something grows.

A benchmark is a module of this package with `measure(step, **sizes) -> Section`; `__main__.py` has the list. It calls
`step` with what it does next, which is shown as progress, raises Wrong when something answered wrongly, and Absent when
it cannot run here. Sizes are keyword arguments with whole numbers as defaults.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Step = Callable[[str], None]


class Absent(Exception):
    """A benchmark needs what is not on this machine: it is left out. The text says what, and how to get it."""


@dataclass(frozen=True, kw_only=True)
class _Bounded:
    """`goal` bounds a figure, from above if `less`. `margin` is a share of the goal, for what differs from run to run:
    a goal that is missed by more fails."""

    what: str
    goal: float | None = None
    less: bool = True
    margin: float = 0.1

    @property
    def figure(self) -> float:
        raise NotImplementedError

    @property
    def met(self) -> bool:
        return self.goal is None or (self.figure <= self.goal if self.less else self.figure >= self.goal)

    @property
    def failed(self) -> bool:
        return self.goal is not None and not self.met and abs(self.figure - self.goal) > self.margin * self.goal

    @property
    def bound(self) -> str:
        return "" if self.goal is None else f"{'≤' if self.less else '≥'} {self.goal:,g}"

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.met else "missed" if self.failed else "within its margin"


@dataclass(frozen=True, kw_only=True)
class Figure(_Bounded):
    """One figure with its unit."""

    value: float
    unit: str

    @property
    def figure(self) -> float:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Comparison(_Bounded):
    """One figure of two contenders in every round. Its own figure is the median of the rounds' ratios.

    Machines differ and are busy with other things: a ratio of two measurements taken one after the other says more.
    """

    base: Sequence[float]
    ours: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        return [ours / base for base, ours in zip(self.base, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def figure(self) -> float:
        return self.ratio

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.base), statistics.median(self.ours)

    @property
    def spread(self) -> str:
        return f"{min(self.ratios):.2f}-{max(self.ratios):.2f}"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two contenders in alternating rounds, `base` and `ours` their names."""

    title: str
    base: str
    ours: str
    comparisons: Sequence[Comparison]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How something grows: points (x, y) of each line. Both axes are logarithmic. `name` is the file in docs/images."""

    name: str
    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One benchmark's part of docs/benchmarks.md. `how` is a paragraph: what was asked for, and of what."""

    title: str
    how: str
    compared: Sequence[Compared] = ()
    figures: Sequence[Figure] = ()
    curves: Sequence[Curve] = ()

    @property
    def failed(self) -> list[str]:
        """What missed its goal by more than its margin."""
        comparisons = [each for table in self.compared for each in table.comparisons]
        return [each.what for each in (*comparisons, *self.figures) if each.failed]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them is, 0 to 1; they may be in any order."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def number(value: float) -> str:
    """With as many digits as say something."""
    return f"{value:,.{0 if value >= 100 or not value else 1 if value >= 10 else 2}f}"
