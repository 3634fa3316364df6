"""Published: every committed event is on each of its topics, unchanged, in commit order per task; nothing else is."""

from collections import defaultdict

from tests.programs.chaos.facts import Event, History, once
from tests.programs.chaos.promises.verdict import Verdict

# Which topics an event belongs on, as docs/architecture.md tells it.
_FACT = {"task-events", "task-updates"}
_TOPICS = {
    "task.created": _FACT,
    "task.updated": _FACT,
    "task.completed": _FACT,
    "task.deleted": _FACT,
    "task.recurring.next": _FACT,
    "task.recurring.ended": _FACT,
    "task.command.rejected": {"task-updates"},
    "preferences.updated": {"task-updates"},
    "reminder.armed": {"dispatch-due-reminders"},
    "reminder.soon": {"reminders"},
    "reminder.due": {"reminders"},
    "reminder.sent": {"task-updates"},
    "reminder.failed": {"task-updates"},
}
_VERSIONED = ("task.created", "task.updated", "task.completed")
# What the dispatcher says to itself or to its reader: losing it in a crash after it went out costs nothing.
_UNFLUSHED = ("reminder.armed", "reminder.soon")


def check(history: History, verdict: Verdict) -> None:
    published = {topic: {event.id: event for event in once(events)} for topic, events in history.topics.items()}
    _check_route(history, verdict)
    _check_presence(history, published, verdict)
    _check_order(history, verdict)
    for topic in sorted(_FACT):
        _check_versions(topic, history, verdict)


def _check_route(history: History, verdict: Verdict) -> None:
    for event in history.committed:
        if event.type not in _TOPICS:
            continue  # a dead letter keeps its own type
        expected = set(_TOPICS[event.type])
        if event.type == "task.completed" and event.data.get("recurrence_pattern"):
            expected.add("schedule-next-recurrence")
        if (given := set(history.topics_of[event.id])) != expected and given != {"dead-letters"}:
            verdict.broken("published", event.id, f"{event.type} was committed for {sorted(given)}")


def _check_presence(history: History, published: dict[str, dict[str, Event]], verdict: Verdict) -> None:
    for event in history.committed:
        for topic in history.topics_of[event.id]:
            verdict.count("committed events on their topics")
            found = published.get(topic, {}).get(event.id)
            if found is None:
                verdict.broken("published", event.id, f"{event.type} of key {event.key} is not on {topic}: lost")
            elif (found.key, found.value) != (event.key, event.value):
                verdict.broken("published", event.id, f"{event.type} on {topic} is not what was committed")
    committed = set(history.topics_of)
    for topic, events in published.items():
        for event in events.values():
            ours = event.source.startswith("/taskmaster/") and topic != "dead-letters"
            if ours and event.id not in committed and event.type not in _UNFLUSHED:
                verdict.broken("published", event.id, f"{event.type} on {topic} was never committed")


def _check_order(history: History, verdict: Verdict) -> None:
    """The order of the outbox, per key. A key of digits is a task's or series'; nobody orders those of users."""
    order = {event.id: event.place[2] for event in history.committed}
    for topic, events in history.topics.items():
        verdict.count("records", len(events))
        unique = once(events)
        verdict.count("repeats of records, removed by id", len(events) - len(unique))
        latest: dict[str, Event] = {}
        for event in unique:
            if event.id not in order or not (event.key or "").isdigit():
                continue
            assert event.key is not None
            before = latest.get(event.key)
            if before and order[before.id] > order[event.id]:
                detail = f"{event.type} on {topic} came behind {before.type} {before.id}, committed after it"
                verdict.broken("order", event.id, detail)
            latest[event.key] = event


def _check_versions(topic: str, history: History, verdict: Verdict) -> None:
    """A task's versions rise by one from 1, without the outbox being asked: a gap is a loss, a repeat a double."""
    by_task: dict[int, list[Event]] = defaultdict(list)
    for event in once(history.topics.get(topic, ())):
        if event.task is not None and event.type.startswith("task.") and event.type != "task.command.rejected":
            by_task[event.task].append(event)
    places: dict[int, set[int]] = defaultdict(set)
    for task, events in by_task.items():
        places[task] = {event.place[1] for event in events}
        if len(places[task]) > 1:
            verdict.broken("order", f"task {task}", f"its events lie in partitions {sorted(places[task])} of {topic}")
        version = 0
        deleted = False
        for event in events:
            if deleted:
                verdict.broken("order", f"task {task}", f"{event.type} {event.id} on {topic} behind its deletion")
            elif event.type in _VERSIONED:
                verdict.count("versions of tasks in sequence")
                if event.version != version + 1:
                    what = "lost" if (event.version or 0) > version + 1 else "doubled or out of order"
                    detail = f"version {event.version} follows {version} on {topic}: {what}"
                    verdict.broken("order", f"task {task}", detail)
                if (event.type == "task.created") != (event.version == 1):
                    verdict.broken("order", f"task {task}", f"{event.type} has version {event.version}")
                version = max(version, event.version or 0)
            elif event.type == "task.deleted":
                deleted = True
                if event.version != version:
                    detail = f"deleted at version {event.version}, behind version {version} on {topic}"
                    verdict.broken("order", f"task {task}", detail)
