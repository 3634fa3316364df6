"""A finding: what is wrong, why it matters, and the command that mends it."""

import enum
from dataclasses import dataclass
from typing import Any


class Severity(enum.IntEnum):
    """How bad it is; the worst one is the exit status of `taskmaster doctor`."""

    NOTE = 0  # worth knowing, or could not be looked at
    WARNING = 1  # something is late, or will go wrong
    CRITICAL = 2  # something does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding. `code` is a stable name for programs; texts hold no secret and nothing that a user wrote."""

    code: str
    severity: Severity
    area: str
    what: str
    why: str
    mend: str = ""  # a command, or a sentence where no command does it

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity.name.lower(),
            "area": self.area,
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
        }


def not_looked_at(area: str, reason: str, mend: str) -> Finding:
    """An area, or a part of one, that could not be asked."""
    return Finding(
        code="not-looked-at",
        severity=Severity.NOTE,
        area=area,
        what=f"not looked at: {reason}",
        why="what is wrong there is not among these findings",
        mend=mend,
    )
