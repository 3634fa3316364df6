"""Which part of a story stands under which.

An event names the event that was being handled when it was made (causationid), so what follows from what is not
guessed. What was made in a call has no such cause: it stands under the call.
"""

from collections.abc import Iterable, Mapping, Sequence

from taskmaster.story import parts
from taskmaster.story.event import Event
from taskmaster.story.logs import Tried
from taskmaster.story.node import Node, in_order
from taskmaster.story.rows import Handling, Reminder

Handled = Mapping[tuple[str, str], Sequence[tuple[str, Handling | None]]]
"""By event: each function that it woke, with what the inbox knows of it there."""


def tree(
    events: Sequence[Event],
    handled: Handled,
    reminders: Iterable[Reminder],
    logs: Sequence[Tried],
    *,
    is_inbox_known: bool,
) -> list[Node]:
    """The parts that nothing of this story caused, by time, with what followed below them."""
    nodes = {event.key: parts.of_event(event) for event in events}
    causes: dict[str, Node] = {}  # by the id of an event, which is all that an event that follows from it says
    at_function: dict[tuple[str, str], Node] = {}  # the same, and the function
    for event in events:
        causes.setdefault(event.id, nodes[event.key])
        for function, handling in handled[event.key]:
            node = parts.of_handling(function, handling, is_known=is_inbox_known)
            node.children += [
                parts.of_invocation(each) for each in logs if (each.function, each.event_id) == (function, event.id)
            ]
            at_function.setdefault((event.id, function), node)
            nodes[event.key].children.append(node)
        nodes[event.key].children += map(parts.of_letter, event.letters)
    reminded = {each.id: parts.of_reminder(each) for each in reminders}
    calls: dict[tuple[str, str], Node] = {}
    roots: list[Node] = []
    for event in events:
        parent = at_function.get((event.cause, event.function)) or causes.get(event.cause)
        if parent is None and event.function == parts.DISPATCH:
            parent = reminded.get(event.correlation)
        if parent is None and event.function and not event.cause:
            key = event.correlation, event.function
            if key not in calls:
                calls[key] = _call(event, logs)
            parent = calls[key]
        (parent.children if parent else roots).append(nodes[event.key])
    return in_order([*roots, *calls.values(), *reminded.values()])


def _call(event: Event, logs: Sequence[Tried]) -> Node:
    """The call that made an event, with the lines of the log about it."""
    node = parts.of_call(event)
    node.children += [
        parts.of_invocation(each)
        for each in logs
        if (each.correlation, each.function, each.event_id) == (event.correlation, event.function, "")
    ]
    return node
