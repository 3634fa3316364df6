"""What a check says: how much it looked at, and what does not hold."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Violation:
    """One thing that must not be. `promise` is one of a few words; `about` is the command, task or event."""

    promise: str
    about: str
    detail: str


@dataclass
class Verdict:
    """Collected by all checks: what was counted, by a name for people, and every violation."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def broken(self, promise: str, about: object, detail: str) -> None:
        self.violations.append(Violation(promise, str(about), detail))
