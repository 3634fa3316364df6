"""What was measured, as ratios, and the table that shows them against the goals.

Machines differ and are busy with other things, so every figure that counts is a ratio of two measurements taken one
after the other; the report gives the median of those ratios and how far they spread.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One figure, with its unit, of both contenders in every round. `goal` bounds the ratio, from above if `less`; it
    fails when it is missed by more than `margin`, a share of the goal that covers what differs from run to run."""

    what: str
    base: Sequence[float]
    ours: Sequence[float]
    goal: float | None = None
    less: bool = True
    margin: float = 0.1

    @property
    def ratios(self) -> list[float]:
        return [ours / base for base, ours in zip(self.base, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        return self.goal is None or (self.ratio <= self.goal if self.less else self.ratio >= self.goal)

    @property
    def failed(self) -> bool:
        return self.goal is not None and not self.met and abs(self.ratio - self.goal) > self.margin * self.goal


def table(title: str, base: str, ours: str, comparisons: Sequence[Comparison]) -> Table:
    """A row for each comparison: both medians, their ratio and how far it spreads, and the goal."""
    drawn = Table(
        title=title, padding=(0, 1, 0, 0), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    drawn.add_column("", no_wrap=True)
    for name in (base, ours, "ratio", "", "goal"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for each in comparisons:
        drawn.add_row(
            each.what,
            _median(each.base),
            _median(each.ours),
            f"[bold]{each.ratio:.2f}[/]",
            f"{min(each.ratios):.2f}-{max(each.ratios):.2f}",
            _verdict(each),
        )
    return drawn


def _median(values: Sequence[float]) -> str:
    median = statistics.median(values)
    return f"{median:,.{1 if median < 10 else 0}f}"


def _verdict(comparison: Comparison) -> str:
    if comparison.goal is None:
        return ""
    goal = f"{'≤' if comparison.less else '≥'} {comparison.goal:g}"
    return f"{goal} [green]met[/]" if comparison.met else f"{goal} [red]missed[/]"
