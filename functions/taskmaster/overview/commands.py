"""What the functions take up, as the inbox has it: which function, from where, how often, and what came of it."""

from datetime import timedelta
from typing import Literal

from taskmaster.database.store import Database
from taskmaster.database.system_transaction import NewestCommand
from taskmaster.events.outgoing import OURS
from taskmaster.handling.idempotency import CALLS, KEEP_CALLS, KEEP_EVENTS
from taskmaster.overview.functions import FUNCTIONS
from taskmaster.overview.shown import CommandShown

WITHIN = timedelta(minutes=10)
MOST = 50
# The inbox does not say the type of an event. These functions take one type from people and programs, and one from the
# pack itself.
ASKED = {
    "create-task": "task.create",
    "update-task": "task.update",
    "complete-task": "task.complete",
    "reopen-task": "task.reopen",
    "delete-task": "task.delete",
    "schedule-next-recurrence": "task.skip",
    "set-preferences": "preferences.set",
}
TOLD = {
    "schedule-next-recurrence": "task.completed",
    "set-preferences": "reminders.move",
}


def newest(database: Database) -> list[CommandShown]:
    """The newest of all users, the newest first. Raises Unavailable or Busy."""
    with database.as_system() as transaction:
        rows = transaction.newest_commands(
            MOST, within=WITHIN, calls=CALLS, keep_calls=KEEP_CALLS, keep_events=KEEP_EVENTS
        )
    return [shown(row) for row in rows if row.function in FUNCTIONS]


def shown(row: NewestCommand) -> CommandShown:
    """A row of the inbox, whose source is told where it is the pack's own."""
    is_ours = row.source.startswith(OURS)
    sender = row.source.removeprefix(OURS) if is_ours else "call" if row.source == CALLS else "outside"
    return CommandShown(
        at=row.received_at,
        sender=sender if sender in (*FUNCTIONS, "call") else "outside",
        function=row.function,
        type=(TOLD if is_ours else ASKED).get(row.function),
        attempts=row.attempts,
        outcome=_outcome(row),
    )


def _outcome(row: NewestCommand) -> Literal["under way", "handled", "refused", "parked"]:
    if row.status is None:
        return "under way"
    if row.status >= 400:
        return "refused"
    return "parked" if row.has_reason else "handled"
