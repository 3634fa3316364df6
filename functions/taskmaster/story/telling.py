"""The story of an id: what is known of it is collected from topics and database, and put in order."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime

from taskmaster import clock
from taskmaster.broker.groups import functions
from taskmaster.database.inbox_rows import InboxKey
from taskmaster.events.routes import DEAD_LETTERS, mailbox_of
from taskmaster.settings import Settings
from taskmaster.story.event import Event
from taskmaster.story.logs import Tried
from taskmaster.story.looks import Reader
from taskmaster.story.names import Names
from taskmaster.story.node import Node
from taskmaster.story.records import every_topic, find_events
from taskmaster.story.rows import Reminder, Rows
from taskmaster.story.tree import Handled, tree

_DIGITS = 18  # of the number of a task; a longer one is an id of somebody else's


def tell(
    settings: Settings,
    identifier: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    logs: Sequence[Tried] = (),
    topics: Reader | None = None,
) -> list[Node]:
    """The story of a correlation id, a task, an event or a reminder: what nothing of it caused, with what followed.

    `since` and `until` are real time. `topics` are read instead of the broker's, by whoever tells many stories.
    Raises Unavailable, Busy, StatementFailed, Unreadable and OSError.
    """
    names = Names()
    is_task = identifier.isascii() and identifier.isdigit() and len(identifier) <= _DIGITS
    if is_task:
        names.subjects.add(f"tasks/{identifier}")
    else:
        names.correlations.add(identifier)
        names.events.add(identifier)
    rows = Rows(settings)
    try:
        with ThreadPoolExecutor(1) as beside:
            # The database is asked while Kafka's client is imported and connects: each is a quarter of a short story.
            asked = beside.submit(
                rows.reminders, tasks=[int(identifier)] if is_task else [], reminders=[] if is_task else [identifier]
            )
            with nullcontext(topics) if topics else every_topic(settings) as reader:
                reminders = asked.result()
                names.correlations |= {each.id for each in reminders}
                events = find_events(
                    reader,
                    names,
                    letters=settings.topic(DEAD_LETTERS),
                    moments=[] if is_task else [moment for each in reminders for moment in _moments(each)],
                    since=since,
                    until=until,
                )
        events += _waiting(events, rows, names)
        if not names.subjects:  # what was armed for the tasks of this story, and has not rung yet, belongs to it
            tasks = {each.task_id for each in events if each.type == "task.created" and each.task_id is not None}
            known = {each.id for each in reminders}
            reminders += [each for each in rows.reminders(tasks=tasks) if each.id not in known]
        handled = _handled(settings, events, rows)
        return tree(events, handled, reminders, logs, is_inbox_known=rows.can_be_asked)
    finally:
        rows.close()


def _moments(reminder: Reminder) -> list[datetime]:
    """When it was fired and when its delivery ended, in real time."""
    moved = clock.now() - datetime.now(UTC)  # business time, by which it was fired, against real time
    fired = [reminder.fired_at - moved] if reminder.fired_at else []
    return [*fired, reminder.closed_at] if reminder.closed_at else fired


def _waiting(events: Sequence[Event], rows: Rows, names: Names) -> list[Event]:
    """Events of the story that are in the outbox and on no topic yet."""
    known = {each.key for each in events}
    return [each for each in rows.waiting(names.correlations, names.subjects) if each.key not in known]


def _handled(settings: Settings, events: Sequence[Event], rows: Rows) -> Handled:
    """By event, each function that its topics wake, with what the inbox knows of it there."""
    by_topic: dict[str, list[str]] = {}
    for function in functions():
        by_topic.setdefault(settings.topic(mailbox_of(function)), []).append(function)
    woken = {
        event.key: sorted({function for place in event.places for function in by_topic.get(place.topic, ())})
        for event in events
    }
    keys = {
        (event.key, function): InboxKey(function, event.user_id, event.source, event.id)
        for event in events
        for function in woken[event.key]
    }
    found = rows.handlings(set(keys.values()))
    return {
        event: [(function, found.get(keys[event, function])) for function in names] for event, names in woken.items()
    }
