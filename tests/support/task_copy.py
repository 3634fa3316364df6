"""A client's own copy of its tasks, kept by the change feed as docs/changes.md says."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class TaskCopy:
    """`ask` is given a cursor, or None, and returns the answer of GET /tasks/changes."""

    ask: Callable[[str | None], Json]
    cursor: str | None = None
    tasks: dict[int, Json] = field(default_factory=dict)
    told: Counter[tuple[int, int]] = field(default_factory=Counter)  # how often each version of a task was told
    _deleted: dict[int, int] = field(default_factory=dict)

    def read_page(self) -> bool:
        """Apply one page; whether there are more."""
        page = self.ask(self.cursor)
        for task in page["tasks"]:
            self._apply(task["task_id"], task["version"], task)
        for gone in page["deleted"]:
            self._apply(gone["task_id"], gone["version"], None)
        self.cursor = page["cursor"]
        return bool(page["more"])

    def catch_up(self) -> dict[int, Json]:
        while self.read_page():
            pass
        return self.tasks

    def _apply(self, task_id: int, version: int, task: Json | None) -> None:
        self.told[task_id, version] += 1
        known = self.tasks[task_id]["version"] if task_id in self.tasks else self._deleted.get(task_id, 0)
        if version <= known:
            return
        if task is None:
            self.tasks.pop(task_id, None)
            self._deleted[task_id] = version
        else:
            self.tasks[task_id] = task
