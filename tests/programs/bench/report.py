"""What one benchmark found: figures beside their goals, and how something grows.

A benchmark is a module of this package with `measure(step) -> Section`; `__main__.py` has the list. It calls `step`
with what it does next, which is shown as progress, and raises Wrong when something answered wrongly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.programs.bench.figures import Comparison

Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure with its unit. `goal` bounds it, from above if `less`; it fails when it is missed by more than
    `margin`, a share of the goal that covers what differs from run to run."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    less: bool = True
    margin: float = 0.1

    @property
    def met(self) -> bool:
        return self.goal is None or (self.value <= self.goal if self.less else self.value >= self.goal)

    @property
    def failed(self) -> bool:
        if self.goal is None or self.met:
            return False
        return abs(self.value - self.goal) > self.margin * self.goal


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
    """One benchmark's part of docs/benchmarks.md. `how` is a sentence or two: what was asked for, and of what."""

    title: str
    how: str
    compared: Sequence[Compared] = ()
    figures: Sequence[Figure] = ()
    curves: Sequence[Curve] = ()

    @property
    def failed(self) -> list[str]:
        """What missed its goal by more than its margin."""
        comparisons = [each for table in self.compared for each in table.comparisons]
        return [each.what for each in [*comparisons, *self.figures] if each.failed]
