"""The topics of each event type. KafkaSource cannot filter, so every operation has a mailbox topic of its own."""

from collections.abc import Iterator

TASK_EVENTS = "task-events"
TASK_UPDATES = "task-updates"
REMINDERS = "reminders"
DEAD_LETTERS = "dead-letters"
SET_PREFERENCES = "set-preferences"
SCHEDULE_NEXT_RECURRENCE = "schedule-next-recurrence"
DISPATCH_DUE_REMINDERS = "dispatch-due-reminders"

# A mailbox carries the commands of one operation, keyed by user; facts are keyed by task.
MAILBOXES = (
    "create-task",
    "update-task",
    "complete-task",
    "reopen-task",
    "delete-task",
    SCHEDULE_NEXT_RECURRENCE,
    SET_PREFERENCES,
    "snooze-reminder",
    DISPATCH_DUE_REMINDERS,
)
FACTS = (TASK_EVENTS, TASK_UPDATES, REMINDERS)
TOPICS = (*MAILBOXES, *FACTS, DEAD_LETTERS)

_TASK_FACT = (TASK_EVENTS, TASK_UPDATES)
_ROUTES = {
    "task.created": _TASK_FACT,
    "task.updated": _TASK_FACT,
    "task.completed": _TASK_FACT,
    "task.deleted": _TASK_FACT,
    "task.recurring.next": _TASK_FACT,
    "task.recurring.ended": _TASK_FACT,
    "task.command.rejected": (TASK_UPDATES,),
    "preferences.updated": (TASK_UPDATES,),
    "reminders.move": (SET_PREFERENCES,),
    "reminder.armed": (DISPATCH_DUE_REMINDERS,),
    "reminder.soon": (REMINDERS,),
    "reminder.due": (REMINDERS,),
    "reminder.sent": (TASK_UPDATES,),
    "reminder.failed": (TASK_UPDATES,),
}


def topics_of(event_type: str, *, recurs: bool = False) -> tuple[str, ...]:
    """The topics of an event, by its type and by whether its task recurs.

    Raises KeyError for a type that this pack never emits: a route is part of defining an event.
    """
    topics = _ROUTES[event_type]
    if event_type == "task.completed" and recurs:
        return (*topics, SCHEDULE_NEXT_RECURRENCE)
    return topics


def mailbox_of(function: str) -> str:
    """The topic whose records wake a function: that of its name, except for send-reminder."""
    return REMINDERS if function == "send-reminder" else function


def types() -> Iterator[str]:
    """Every event type the pack emits."""
    return iter(_ROUTES)
