"""Reminders: what was due was delivered, under one webhook-id for each moment of a task, and nothing else was."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.programs.chaos.facts import Event, History
from tests.programs.chaos.promises.verdict import Verdict

_EARLY = timedelta(seconds=1)  # of tolerance between two clocks readings
_MOVING = timedelta(seconds=20)  # a change may wait so long for its locks, and a delivery be under way meanwhile
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
    """Of every task that stayed open, all moments that were ahead when they were asked for, and not moved since."""
    known = set()
    for task, events in history.facts_of_task.items():
        settings = _settings(events)
        known |= {(task, moment) for event in settings for moment in _moments(event)}
        _check_moved(task, settings, taken, verdict)
        if not settings or any(event.type in ("task.completed", "task.deleted") for event in events):
            continue  # it may have been silenced in time
        asked_at = _asked_at(settings[-1], history)
        for moment in _moments(settings[-1]):
            if moment > asked_at and moment < datetime.fromtimestamp(history.run["ended"], UTC):
                verdict.count("reminders that had to ring")
                if (task, moment) not in taken:
                    verdict.broken("reminders", f"task {task}", f"{moment} was due and not delivered: lost")
    for task, moment in taken - known:
        verdict.broken("reminders", f"task {task}", f"rang at {moment}, which nobody asked for")


def _check_moved(task: int, settings: list[Event], taken: set[tuple[int, datetime]], verdict: Verdict) -> None:
    """A moment that was moved away well before it came does not ring."""
    for before, moved in pairwise(settings):
        verdict.count("reminders that were moved")
        for moment in _moments(before):
            if _handled_at(moved) < moment - _MOVING and (task, moment) in taken:
                verdict.broken("reminders", f"task {task}", f"rang at {moment}, from which it was moved before")


def _settings(events: list[Event]) -> list[Event]:
    """Those that gave the task its due time, or another one."""
    found: list[Event] = []
    for event in events:
        due = event.data.get("due_at")
        if event.type in ("task.created", "task.updated") and due and (not found or found[-1].data["due_at"] != due):
            found.append(event)
    return found


def _moments(setting: Event) -> list[datetime]:
    due = datetime.fromisoformat(setting.data["due_at"]).astimezone(UTC)
    written = setting.data["reminders"] if setting.data["reminders"] is not None else ["PT0S"]
    return [due - _DURATIONS[text] for text in written]


def _asked_at(setting: Event, history: History) -> datetime:
    """By Kafka a command is as old as it says it is; by REST as old as its handling."""
    command = history.commands.get(setting.correlation)
    handled = _handled_at(setting)
    return handled if command is None or command.by_rest else min(handled, command.asked_at)


def _handled_at(setting: Event) -> datetime:
    return datetime.fromisoformat(setting.data["updated_at"]).astimezone(UTC)


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
