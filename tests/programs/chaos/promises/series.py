"""One successor per completion, and never two open occurrences: each series retold from its events, in their order."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.programs.chaos.facts import Event, History, once
from tests.programs.chaos.promises.verdict import Verdict


@dataclass
class _Series:
    """A series as far as its events have told it."""

    id: int
    open: set[int] = field(default_factory=set)
    occurrence: dict[int, int] = field(default_factory=dict)  # of each task that is not deleted
    awaiting: dict[int, str] = field(default_factory=dict)  # completed tasks that no successor has followed: the event
    ended: bool = False


def check(history: History, verdict: Verdict) -> None:
    told: dict[int, list[Event]] = defaultdict(list)
    for event in once(history.topics.get("task-events", ())):
        if (series := event.data.get("series_id")) is not None:
            told[series].append(event)
    in_tables = {row["series_id"]: row for row in history.rows["series"]}
    for number, events in told.items():
        verdict.count("series retold")
        series = _Series(number)
        for event in events:
            _tell(series, event, verdict)
        row = in_tables.get(number)
        over = series.ended or row is None or row["ended_at"] is not None or row["paused_at"] is not None
        for task, event_id in series.awaiting.items():
            if not over:
                detail = f"task {task} was completed ({event_id}) and has no successor"
                verdict.broken("successors", f"series {number}", detail)
    _check_open_rows(history, verdict)


def _tell(series: _Series, event: Event, verdict: Verdict) -> None:
    task, about = event.task, f"series {series.id}"
    assert task is not None
    match event.type:
        case "task.created":
            occurrence = event.data["occurrence"]
            if occurrence > 1:
                verdict.count("successors")
                _follow(series, occurrence, event, verdict)
            if series.open:
                verdict.broken("successors", about, f"task {task} was made while {sorted(series.open)} is open")
            series.open.add(task)
            series.occurrence[task] = occurrence
        case "task.updated" if event.data["completed"] is False and task not in series.open:
            series.awaiting.pop(task, None)  # reopened: what follows it does so no more
            series.ended = False
            if series.open:
                verdict.broken("successors", about, f"task {task} was reopened while {sorted(series.open)} is open")
            series.open.add(task)
        case "task.completed":
            verdict.count("completions in series")
            series.open.discard(task)
            series.awaiting[task] = event.id
        case "task.deleted":
            series.open.discard(task)
            series.awaiting.pop(task, None)
            series.occurrence.pop(task, None)
        case "task.recurring.ended":
            series.ended = True
            series.awaiting.clear()


def _follow(series: _Series, occurrence: int, event: Event, verdict: Verdict) -> None:
    """A successor answers the completion of the occurrence before it, and no other has."""
    before = [task for task, number in series.occurrence.items() if number == occurrence - 1]
    waiting = [task for task in before if series.awaiting.pop(task, None)]
    if not waiting:
        detail = f"task {event.task}, occurrence {occurrence}, follows no completion that stands: a second successor"
        verdict.broken("successors", f"series {series.id}", detail)


def _check_open_rows(history: History, verdict: Verdict) -> None:
    in_use: dict[int, list[int]] = defaultdict(list)
    for row in history.rows["task"]:
        if row["series_id"] is not None and not row["completed"]:
            in_use[row["series_id"]].append(row["task_id"])
    for series, tasks in in_use.items():
        if len(tasks) > 1:
            verdict.broken("successors", f"series {series}", f"tasks {tasks} are open at once")
