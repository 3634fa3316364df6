"""Lines of finished invocations in logs that somebody collected: what each try of an event took, and how it ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskmaster.log import FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One invocation. `at` is when it ended, real time."""

    function: str
    event_id: str
    correlation: str
    at: datetime
    outcome: str
    duration_ms: float
    round_trips: int
    from_zero: bool
    attempt: int | None

    @property
    def text(self) -> str:
        zero = ", from zero" if self.from_zero else ""
        return f"{self.outcome} after {self.duration_ms:g} ms, {self.round_trips} round trips to the database{zero}"

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "duration_ms": self.duration_ms,
            "round_trips": self.round_trips,
            "from_zero": self.from_zero,
            "attempt": self.attempt,
        }


def read_logs(lines: Iterable[str]) -> list[Tried]:
    """The lines of ours, with whatever stands before each (`kubectl logs --prefix`); every other line is left out."""
    found = []
    for line in lines:
        if FINISHED not in line or "{" not in line:
            continue
        try:
            said = json.loads(line[line.index("{") :])
            tried = Tried(
                function=str(said["faas.name"]),
                event_id=str(said.get("cloudevents.event_id", "")),
                correlation=str(said.get("messaging.message.conversation_id", "")),
                at=datetime.fromisoformat(said["time"]),
                outcome=str(said["outcome"]),
                duration_ms=float(said["duration_ms"]),
                round_trips=int(said.get("db.round_trips", 0)),
                from_zero=bool(said.get("faas.coldstart")),
                attempt=said.get("attempt"),
            )
        except (ValueError, KeyError, TypeError):
            continue
        found.append(tried)
    return found
