"""One story as a tree: who asked, each event, what each function made of it, and what followed.

An event names the event that was being handled when it was made (causationid), so what follows from what is not
guessed. What was made in a call has no such cause: it stands under the call.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskmaster.broker.groups import functions
from taskmaster.database.inbox_rows import InboxKey
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.events.routes import mailbox_of
from taskmaster.settings import Settings
from taskmaster.story.logs import Tried
from taskmaster.story.records import Event, Names, made_at, read_events, waiting
from taskmaster.story.rows import Handling, Reminder, Rows

_DISPATCH = "dispatch-due-reminders"  # a tick is not remembered: the inbox has no row of it


@dataclass(slots=True, kw_only=True)
class Node:
    """One part of a story. `at` is real time where it is known, else business time; `about` is for programs."""

    kind: str  # call, event, handling, invocation, reminder, channel, dead letter
    at: datetime | None
    what: str
    about: dict[str, Any] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "at": self.at.isoformat() if self.at else None,
            "what": self.what,
            **self.about,
            "children": [each.as_json() for each in self.children],
        }

    def walk(self) -> Iterator["Node"]:
        yield self
        for each in self.children:
            yield from each.walk()


@dataclass(slots=True, kw_only=True)
class Story:
    """The parts that nothing of this story caused, by time."""

    names: Names
    nodes: list[Node]

    def walk(self) -> Iterator[Node]:
        for each in self.nodes:
            yield from each.walk()


def tell(
    settings: Settings,
    identifier: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    logs: Sequence[Tried] = (),
) -> Story:
    """The story of a correlation id, a task, an event or a reminder. Raises Unavailable, kafka's errors and OSError."""
    rows = Rows(settings)
    try:
        names = Names()
        reminders: dict[str, Reminder] = {}
        if identifier.isascii() and identifier.isdigit():
            names.subjects.add(f"tasks/{identifier}")
            reminders = {each.id: each for each in rows.reminders(tasks=[int(identifier)])}
        else:
            names.correlations.add(identifier)
            names.events.add(identifier)
            since = since or made_at(identifier)
            reminders = {each.id: each for each in rows.reminders(reminders=[identifier])}
        names.correlations |= reminders.keys()
        events = read_events(settings, names, since=since, until=until)
        events = _with_those_that_wait(events, rows, names)
        if not names.subjects:  # what was armed for the tasks of this story, and has not rung yet, belongs to it
            tasks = {int(each.subject.partition("/")[2]) for each in events if each.type == "task.created"}
            reminders |= {each.id: each for each in rows.reminders(tasks=tasks)}
        return Story(names=names, nodes=_tree(settings, events, reminders, rows, logs))
    finally:
        rows.close()


def _with_those_that_wait(events: list[Event], rows: Rows, names: Names) -> list[Event]:
    known = {(each.source, each.id) for each in events}
    more = waiting(rows.waiting(names.correlations, names.subjects))
    return [*events, *(each for each in more if (each.source, each.id) not in known)]


def _tree(
    settings: Settings,
    events: Sequence[Event],
    reminders: Mapping[str, Reminder],
    rows: Rows,
    logs: Sequence[Tried],
) -> list[Node]:
    nodes = {each.id: _event_node(each) for each in events}
    handled = _handlings(settings, events, rows)
    at_function: dict[tuple[str, str], Node] = {}  # by event and function
    for event in events:
        for function, handling in handled[event.id]:
            node = _handling_node(function, handling, is_known=rows.can_be_asked)
            node.children += [
                _tried_node(each) for each in logs if (each.function, each.event_id) == (function, event.id)
            ]
            at_function[event.id, function] = node
            nodes[event.id].children.append(node)
        nodes[event.id].children += [_letter_node(letter) for letter in event.letters]
    roots: list[Node] = []
    calls: dict[tuple[str, str], Node] = {}
    rings = {each.id: _reminder_node(each) for each in reminders.values()}
    for event in events:
        node = nodes[event.id]
        parent = at_function.get((event.cause, event.function)) or nodes.get(event.cause)
        if parent is None and event.function == _DISPATCH and event.correlation in rings:
            parent = rings[event.correlation]
        if parent is None and event.function and not event.cause:
            key = event.correlation, event.function
            if key not in calls:
                calls[key] = _call_node(event)
                calls[key].children += [
                    _tried_node(each) for each in logs if (each.correlation, each.function) == key and not each.event_id
                ]
                roots.append(calls[key])
            parent = calls[key]
        (parent.children if parent else roots).append(node)
    roots += rings.values()
    for node in [each for root in roots for each in root.walk()]:
        node.children.sort(key=_time)
    return sorted(roots, key=_time)


def _time(node: Node) -> tuple[bool, float]:
    return node.at is None, node.at.timestamp() if node.at else 0.0


def _handlings(settings: Settings, events: Sequence[Event], rows: Rows) -> dict[str, list[tuple[str, Handling | None]]]:
    """By event, each function that its topics wake, with what the inbox knows of it there."""
    by_topic: dict[str, list[str]] = {}
    for function in functions():
        by_topic.setdefault(settings.topic(mailbox_of(function)), []).append(function)
    woken = {
        event.id: {function for place in event.places for function in by_topic.get(place.topic, ())} for event in events
    }
    keys = {
        (event.id, function): InboxKey(function, event.user_id, event.source, event.id)
        for event in events
        for function in woken[event.id]
    }
    found = rows.handlings(set(keys.values())) if keys else {}
    return {
        event.id: [(function, found.get(keys[event.id, function])) for function in sorted(woken[event.id])]
        for event in events
    }


def _event_node(event: Event) -> Node:
    where = ", ".join(map(str, event.places)) or "waits in the outbox"
    by = "" if event.function else f" from {event.source or 'somebody'} as {event.user_id or 'nobody'}"
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
            **_outcome(event),
        },
        children=_channels(event),
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


def _channels(event: Event) -> list[Node]:
    told = _outcome(event)
    nodes = [
        Node(
            kind="channel",
            at=event.at,
            what=f"{name}: {each.get('outcome')}" + (f", {each['detail']}" if each.get("detail") else ""),
            about={"channel": name, "outcome": each.get("outcome"), "detail": each.get("detail")},
        )
        for name, each in told.get("channels", {}).items()
    ]
    if told.get("reason"):
        nodes.append(Node(kind="channel", at=event.at, what=f"failed as a whole: {told['reason']}"))
    return nodes


def _handling_node(function: str, handling: Handling | None, *, is_known: bool) -> Node:
    if handling is None:
        said = "not handled yet, or longer ago than the inbox remembers"
        if not is_known:
            said = "the inbox was not asked: SYSTEM_DATABASE_URL is not set"
        elif function == _DISPATCH:
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


def _tried_node(tried: Tried) -> Node:
    return Node(kind="invocation", at=tried.at, what=tried.text, about=tried.as_json())


def _call_node(event: Event) -> Node:
    """What made events without handling one: a call by HTTP, which leaves nothing else behind."""
    who = f"{event.user_id} called" if event.function != _DISPATCH else "its alarm woke"
    return Node(
        kind="call",
        at=event.at,
        what=f"{who} {event.function}, correlation {event.correlation}",
        about={"function": event.function, "user": event.user_id, "correlation": event.correlation},
    )


def _letter_node(letter: DeadLetter) -> Node:
    return Node(
        kind="dead letter",
        at=letter.parked_at,
        what=f"dead letter {letter.position} of {letter.function or 'a function'}: {letter.reason}",
        about={"letter": letter.position, "function": letter.function, "reason": letter.reason, "code": letter.code},
    )


def _reminder_node(reminder: Reminder) -> Node:
    if reminder.closed_at is not None:
        said = "sent or failed for good"
    elif reminder.fired_at is not None:
        said = "fired, in delivery"
    elif reminder.due_at > reminder.moment:
        said = f"held back or to be tried again at {_text(reminder.due_at)}"
    else:
        said = "armed"
    return Node(
        kind="reminder",
        at=reminder.fired_at or reminder.due_at,
        what=f"reminder {reminder.id} of task {reminder.task_id}, due {_text(reminder.moment)}: {said}",
        about={
            "id": reminder.id,
            "task": reminder.task_id,
            "due": reminder.moment.isoformat(),
            "state": said,
            "attempts": reminder.attempts,
        },
        children=[
            Node(
                kind="channel",
                at=None,
                what=f"{name}: {outcome}" + (f", {detail}" if detail else ""),
                about={"channel": name, "outcome": outcome, "detail": detail},
            )
            for name, outcome, detail in reminder.outcomes
        ],
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
