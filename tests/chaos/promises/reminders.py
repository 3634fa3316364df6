"""Reminders: what was due was delivered, under one webhook-id for each moment of a task, and nothing else was."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from tests.chaos.facts import Event, History
from tests.chaos.promises.verdict import Verdict

_EARLY = timedelta(seconds=1)  # of tolerance between two clocks readings
_DURATIONS = {"PT0S": timedelta(0), "PT2S": timedelta(seconds=2)}  # what the generator writes


def check(history: History, verdict: Verdict) -> None:
    ids: dict[tuple[int, datetime], set[str]] = defaultdict(set)
    meant: dict[str, set[tuple[int, datetime]]] = defaultdict(set)
    taken: set[tuple[int, datetime]] = set()
    for delivery in history.deliveries:
        ring = (delivery.task, delivery.moment)
        verdict.count("webhook calls")
        ids[ring].add(delivery.webhook_id)
        meant[delivery.webhook_id].add(ring)
        if delivery.taken:
            taken.add(ring)
        if not delivery.signed:
            verdict.broken("reminders", delivery.webhook_id, "its signature does not hold")
        if datetime.fromtimestamp(delivery.at, UTC) < delivery.moment - _EARLY and delivery.at < history.run["peace"]:
            verdict.broken("reminders", f"task {delivery.task}", f"rang before its moment {delivery.moment}")
    for ring, used in ids.items():
        verdict.count("reminders delivered")
        if len(used) > 1:
            verdict.broken("reminders", f"task {ring[0]}", f"{ring[1]} came under {len(used)} webhook-ids")
    for webhook_id, rings in meant.items():
        if len(rings) > 1:
            verdict.broken("reminders", webhook_id, f"one webhook-id for {len(rings)} reminders")
    _check_due(history, taken, verdict)
    _check_outcomes(history, verdict)


def _check_due(history: History, taken: set[tuple[int, datetime]], verdict: Verdict) -> None:
    """Of every task that stayed open, all moments that were ahead when it was asked for."""
    known = set()
    for task, events in history.facts_of_task.items():
        created = events[0]
        if created.type != "task.created" or created.data.get("due_at") is None:
            continue
        moments = _moments(created)
        known |= {(task, moment) for moment in moments}
        if any(event.type in ("task.completed", "task.deleted") for event in events):
            continue  # it may have been silenced in time
        asked_at = _asked_at(created, history)
        for moment in moments:
            if moment > asked_at and moment < datetime.fromtimestamp(history.run["ended"], UTC):
                verdict.count("reminders that had to ring")
                if (task, moment) not in taken:
                    verdict.broken("reminders", f"task {task}", f"{moment} was due and not delivered: lost")
    for task, moment in taken - known:
        verdict.broken("reminders", f"task {task}", f"rang at {moment}, which nobody asked for")


def _moments(created: Event) -> list[datetime]:
    due = datetime.fromisoformat(created.data["due_at"]).astimezone(UTC)
    written = created.data["reminders"] if created.data["reminders"] is not None else ["PT0S"]
    return [due - _DURATIONS[text] for text in written]


def _asked_at(created: Event, history: History) -> datetime:
    """By Kafka a command is as old as it says it is; by REST as old as its handling."""
    handled = datetime.fromisoformat(created.data["created_at"]).astimezone(UTC)
    command = history.commands.get(created.correlation)
    return handled if command is None or command.by_rest else min(handled, command.asked_at)


def _check_outcomes(history: History, verdict: Verdict) -> None:
    """One reminder.sent for each reminder that was delivered, and none that failed."""
    sent: dict[str, int] = defaultdict(int)
    for event in history.facts:
        if event.type == "reminder.sent":
            sent[event.data["reminder_id"]] += 1
        elif event.type == "reminder.failed":
            verdict.broken("reminders", f"task {event.task}", f"failed: {event.data.get('reason')}")
    for reminder, number in sent.items():
        if number > 1:
            verdict.broken("reminders", reminder, f"reminder.sent was told {number} times")
