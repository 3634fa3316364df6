"""What is said at the end of a run: what was counted, what does not hold, and how to look again."""

import json
from collections import Counter
from pathlib import Path

from tests.programs.chaos.promises.verdict import Verdict

_SHOWN = 40


def report(verdict: Verdict, *, directory: Path, again: str) -> str:
    """Text for people: the counts, then the violations, first those that are few of a kind."""
    run = json.loads((directory / "run.json").read_text())
    lines = [f"chaos: seed {run['seed']}: {_took(run)}"]
    lines.append("  faults: " + ", ".join(f"{count} {name}" for name, count in sorted(run["faults"].items())))
    width = max(map(len, verdict.counts), default=0)
    lines += [f"  {name:<{width}} {count:>8,}" for name, count in verdict.counts.items()]
    if not verdict.violations:
        return "\n".join([*lines, "  0 lost, 0 double, 0 out of order, 0 left behind"])
    kinds = Counter(violation.promise for violation in verdict.violations)
    lines.append("BROKEN: " + ", ".join(f"{count} {promise}" for promise, count in kinds.items()))
    for violation in sorted(verdict.violations, key=lambda each: kinds[each.promise])[:_SHOWN]:
        lines.append(f"  {violation.promise}: {violation.about}: {violation.detail}")
    if len(verdict.violations) > _SHOWN:
        lines.append(f"  and {len(verdict.violations) - _SHOWN} more")
    return "\n".join([*lines, f"seed {run['seed']}; again: {again}", f"the history: {directory}"])


def _took(run: dict[str, float]) -> str:
    chaos, rest = run["peace"] - run["started"], run["settling_took"]
    return f"{run['commands']:,} commands in {chaos:.0f} s of chaos, at rest after {rest:.0f} s"
