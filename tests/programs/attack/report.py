"""The table at the end: each attack, what the other user saw alone and under it, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.programs.attack.figures import Fault, Window, summary


@dataclass(frozen=True, kw_only=True)
class Round:
    """One attack, or several at once: the quiet before, the attack, and what does not hold."""

    name: str
    alone: Window
    attacked: Window
    drained_seconds: float
    broken: list[Fault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def may_be_chance(self) -> bool:
        """Whether calls were slow, and all else is well."""
        return bool(self.broken) and all(fault.kind == "slow" for fault in self.broken)


def failed(rounds: Sequence[Round]) -> list[str]:
    """The names of those that fail: what was measured again counts as it was measured then."""
    last = {each.name.removesuffix(" again"): each for each in rounds}
    return [name for name, each in last.items() if each.broken]


_HEADINGS = (
    "attack",
    "reminders",
    "alone p50/max s",
    "attacked p50/max s",
    "successors max s",
    "calls",
    "alone p50/p95 ms",
    "attacked p50/p95 ms",
    "drained s",
    "verdict",
)


def table(rounds: list[Round]) -> str:
    """Text for people, in columns of Markdown."""
    rows = [_HEADINGS, tuple("---" if n in (0, 9) else "--:" for n in range(len(_HEADINGS))), *map(_row, rounds)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    for each in rounds:
        lines += [f"{each.name}: {fault.text}" for fault in each.broken]
    return "\n".join(lines)


def _row(each: Round) -> tuple[str, ...]:
    alone, attacked = summary(each.alone.reminders), summary(each.attacked.reminders)
    usual, slow = (summary(call.seconds for call in window.calls) for window in (each.alone, each.attacked))
    followed = [summary(window.successors) for window in (each.alone, each.attacked)]
    return (
        each.name,
        str(attacked.number + each.attacked.missing_reminders),
        f"{alone.p50:.2f}/{alone.most:.2f}",
        f"{attacked.p50:.2f}/{attacked.most:.2f}",
        f"{followed[0].most:.2f} -> {followed[1].most:.2f}",
        str(slow.number),
        f"{usual.p50 * 1000:.0f}/{usual.p95 * 1000:.0f}",
        f"{slow.p50 * 1000:.0f}/{slow.p95 * 1000:.0f}",
        f"{each.drained_seconds:.0f}",
        "holds" if not each.broken else "FAILS",
    )
