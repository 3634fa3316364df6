"""Nothing left behind: at rest the outbox is empty, every inbox row is answered, and tables and events agree."""

from tests.programs.chaos.facts import History, moment
from tests.programs.chaos.promises.verdict import Verdict

_SAME = ("title", "description", "completed", "version", "priority", "series_id", "occurrence", "recurrence_pattern")
_DAY_SECONDS = 86_400  # what is due later is of another day; to come to rest, business time travelled an hour


def check(history: History, verdict: Verdict) -> None:
    if not history.run["settled"]:
        took = history.run["settling_took"]
        verdict.broken("left behind", "the run", f"did not come to rest within {took:.0f} s")
    for row in history.rows["outbox"]:
        verdict.broken("left behind", f"outbox row {row['id']}", f"of key {row['key']}, made at {row['created_at']}")
    for row in history.rows["inbox"]:
        verdict.count("inbox rows")
        if row["status"] is None:
            about = f"inbox row {row['function']} {row['id']}"
            verdict.broken("left behind", about, f"has no answer after {row['attempts']} attempts")
    for row in history.rows["reminder"]:
        verdict.count("reminder rows")
        due = moment(row["due_at"]).timestamp() < history.run["ended"] + _DAY_SECONDS
        if row["closed_at"] is None and (due or row["fired_at"] is not None):
            verdict.broken("left behind", f"reminder {row['reminder_id']}", "was due, and is not closed")
    for fault in history.faults:
        if fault["what"] == "orphans":
            verdict.broken("left behind", fault["whom"], f"processes {fault['pids']} outlived it")
    _check_tables(history, verdict)


def _check_tables(history: History, verdict: Verdict) -> None:
    """The last that was told of each task is what the database holds."""
    rows = {row["task_id"]: row for row in history.rows["task"]}
    verdict.count("tasks at the end", len(rows))
    for task, events in history.facts_of_task.items():
        last = events[-1]
        deleted = any(event.type == "task.deleted" for event in events)
        if deleted == (task in rows):
            where = "was deleted and is there" if deleted else "is not there, and nobody deleted it: lost"
            verdict.broken("tables", f"task {task}", where)
        elif not deleted:
            versions = [event for event in events if event.type in ("task.created", "task.updated", "task.completed")]
            last = versions[-1] if versions else last
            wrong = [name for name in _SAME if last.data.get(name) != rows[task][name]]
            if wrong:
                verdict.broken("tables", f"task {task}", f"{', '.join(wrong)}: the last event says something else")
    for task in rows.keys() - history.facts_of_task.keys():
        verdict.broken("tables", f"task {task}", "is there, and nobody heard of it")
