"""What each part of a story is shown as: a sentence for people, and its values for programs."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.rfc3339 import to_the_second
from taskmaster.story.event import Event
from taskmaster.story.logs import Tried
from taskmaster.story.node import Node
from taskmaster.story.rows import Handling, Reminder

DISPATCH = "dispatch-due-reminders"  # a tick is not remembered: the inbox has no row of it


def of_event(event: Event) -> Node:
    """With its places, and what an event about a delivery says of each channel. Nothing else of its data is shown."""
    where = ", ".join(map(str, event.places)) or "waits in the outbox"
    by = "" if event.function else f" from {event.source or 'somebody'} as {event.user_id or 'nobody'}"
    outcome = _outcome(event)
    return Node(
        kind="event",
        at=event.at,
        what=f"{event.type or 'a record'} {event.id}{by}, {where}",
        about={
            "id": event.id,
            "type": event.type,
            "source": event.source,
            "user": event.user_id,
            "correlation": event.correlation,
            "subject": event.subject or None,
            "traceparent": event.traceparent or None,
            "places": [str(place) for place in event.places],
            **outcome,
        },
        children=list(_channels(event.at, outcome)),
    )


def _outcome(event: Event) -> dict[str, Any]:
    """What an event about a delivery says of it."""
    if event.type not in ("reminder.sent", "reminder.failed"):
        return {}
    try:
        data = json.loads(event.data)
        return {"channels": data.get("channels") or {}, "reason": data.get("reason")}
    except ValueError:
        return {}


def _channels(at: datetime | None, outcome: dict[str, Any]) -> Iterator[Node]:
    for name, each in outcome.get("channels", {}).items():
        yield _channel(at, name, str(each.get("outcome")), each.get("detail"))
    if outcome.get("reason"):
        yield Node(kind="channel", at=at, what=f"failed as a whole: {outcome['reason']}")


def _channel(at: datetime | None, name: str, outcome: str, detail: str | None) -> Node:
    return Node(
        kind="channel",
        at=at,
        what=f"{name}: {outcome}" + (f", {detail}" if detail else ""),
        about={"channel": name, "outcome": outcome, "detail": detail},
    )


def of_handling(function: str, handling: Handling | None, *, is_known: bool) -> Node:
    """What became of an event at a function. `is_known` says whether the inbox could be asked."""
    if handling is None:
        said = "not handled yet, or longer ago than the inbox remembers"
        if not is_known:
            said = "the inbox was not asked: SYSTEM_DATABASE_URL is not set"
        elif function == DISPATCH:
            said = "woken, of which the inbox keeps nothing"
        return Node(
            kind="handling", at=None, what=f"{function}: {said}", about={"function": function, "attempts": None}
        )
    attempts = f"{handling.attempts} attempt{'s' if handling.attempts != 1 else ''}"
    if handling.status is None:
        said = f"not done after {attempts}"
    elif handling.reason:
        said = f"given up after {attempts}, answered {handling.status}: {handling.reason}"
    else:
        said = f"done after {attempts}, answered {handling.status}"
    return Node(
        kind="handling",
        at=handling.received_at,
        what=f"{function}: {said}",
        about={
            "function": function,
            "attempts": handling.attempts,
            "status": handling.status,
            "reason": handling.reason or None,
        },
    )


def of_invocation(tried: Tried) -> Node:
    """One try, as a line of the log has it."""
    return Node(kind="invocation", at=tried.at, what=tried.text, about=tried.as_json())


def of_call(event: Event) -> Node:
    """What made an event without handling one: a call by HTTP, which leaves nothing else behind."""
    who = f"{event.user_id} called" if event.function != DISPATCH else "its alarm woke"
    return Node(
        kind="call",
        at=event.at,
        what=f"{who} {event.function}, correlation {event.correlation}",
        about={"function": event.function, "user": event.user_id, "correlation": event.correlation},
    )


def of_letter(letter: DeadLetter) -> Node:
    """Where it lies on dead-letters, and why; `taskmaster dead-letters show` takes its position."""
    return Node(
        kind="dead letter",
        at=letter.parked_at,
        what=f"dead letter {letter.position} of {letter.function or 'a function'}: {letter.reason}",
        about={"letter": letter.position, "function": letter.function, "reason": letter.reason, "code": letter.code},
    )


def of_reminder(reminder: Reminder) -> Node:
    """Its moments are business time. What each channel said last stands below it."""
    if reminder.closed_at is not None:
        said = "sent or failed for good"
    elif reminder.fired_at is not None:
        said = "fired, in delivery"
    elif reminder.due_at > reminder.moment:
        said = f"held back or to be tried again at {to_the_second(reminder.due_at)}"
    else:
        said = "armed"
    return Node(
        kind="reminder",
        at=reminder.fired_at or reminder.due_at,
        what=f"reminder {reminder.id} of task {reminder.task_id}, due {to_the_second(reminder.moment)}: {said}",
        about={
            "id": reminder.id,
            "task": reminder.task_id,
            "due": reminder.moment.isoformat(),
            "state": said,
            "attempts": reminder.attempts,
        },
        children=[_channel(None, *outcome) for outcome in reminder.outcomes],
    )
