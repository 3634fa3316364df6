"""A story as it is shown: a tree of parts, each with its moment and one sentence."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class Node:
    """One part of a story. `at` is real time where it is known, else business time; `about` is for programs."""

    kind: str  # call, event, handling, invocation, reminder, channel, dead letter
    at: datetime | None
    what: str
    about: dict[str, Any] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`. Times are ISO 8601 with their offset."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat() if self.at else None,
            "what": self.what,
            **self.about,
            "children": [each.as_json() for each in self.children],
        }


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """By time, children too. What has no time comes last."""
    ordered = sorted(nodes, key=lambda node: (node.at is None, node.at.timestamp() if node.at else 0.0))
    for node in ordered:
        node.children = in_order(node.children)
    return ordered
