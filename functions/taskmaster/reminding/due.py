"""Firing: reminders that are due become reminder.due in the outbox, each in the transaction that marks it fired."""

import logging
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from taskmaster import clock
from taskmaster.database.system_transaction import DueReminder, Fired
from taskmaster.domain.reminder_rows import ReminderDue, ReminderOutcome
from taskmaster.domain.task import FrozenModel
from taskmaster.events.cloudevent import Origin, Outgoing, outgoing
from taskmaster.events.routes import topics_of
from taskmaster.handling.announcements import ReminderArmed
from taskmaster.runtime import Runtime

log = logging.getLogger(__name__)

LATE = timedelta(minutes=1)  # from here on an event says that it is late
BATCH = 200  # reminders of one transaction
_CHARACTERS = 1_000_000  # of their tasks' descriptions: whoever is due next waits for this transaction

_FUNCTION = "dispatch-due-reminders"
_NOBODY = "taskmaster"  # the user of what the pack says to itself


def fire(here: Runtime, *, now: datetime) -> int:
    """Fire a batch of what is due at `now`, business time; how many. Tasks in other hands are left for the next time.

    So is what is due of a user who has as many reminders under way as one may have (0009.under_way.sql). Users take
    turns, so that one who has a single reminder waits for no other's thousands. The task is locked before its outbox
    row is made, and its reminders are read under that lock: one that was completed or moved a moment ago does not
    ring. Raises Unavailable or Busy.
    """
    stale = now - timedelta(hours=here.settings.reminder_stale_hours)
    with here.database.as_system() as transaction:
        due = {each.reminder_id: each for each in _some(transaction.lock_due_reminders(now, BATCH, stale=stale))}
        if not due:
            return 0
        fired = transaction.fire_reminders(list(due), now=now, stale=stale)
        for reminder in fired:
            of = due[reminder.reminder_id]
            transaction.insert_outbox(_event(here, reminder, of.task, of.user_id, now=now))
    here.publisher.wake()
    return max(len(fired), 1)


def _some(due: list[DueReminder]) -> list[DueReminder]:
    """The first of them, as many as a short transaction can carry."""
    lengths = accumulate(len(each.task.description or "") for each in due)
    return [each for each, length in zip(due, lengths, strict=True) if each is due[0] or length <= _CHARACTERS]


def schedule_next_wakeup(here: Runtime, *, by: datetime | None) -> datetime | None:
    """The next moment of any reminder, now known to all who arm one. `by` is when somebody looks in any case."""
    with here.database.as_system() as transaction:
        return transaction.schedule_next_wakeup(by)


def next_moment(here: Runtime, *, after: datetime) -> datetime | None:
    """The next moment of any reminder behind this one."""
    with here.database.as_system() as transaction:
        return transaction.next_moment(after)


def scheduled_wakeup(here: Runtime) -> datetime | None:
    """The moment that was last seen to, by whomever."""
    with here.database.as_system() as transaction:
        return transaction.scheduled_wakeup()


def request_overdue_dispatch(here: Runtime) -> None:
    """Have dispatch called where a reminder is overdue: whoever was to fire it was not called, or died."""
    now = clock.now()
    event = _call_for_dispatch(here, now)
    with here.database.as_system() as transaction:
        transaction.insert_outbox_if_missed(event, by=now - LATE)


def request_dispatch(here: Runtime) -> None:
    """Have this function called again, by an event to itself."""
    _say(here, _call_for_dispatch(here, clock.now()))


def warm_up_delivery(here: Runtime) -> None:
    """Wake send-reminder and the way to it: what comes next is worth a start ahead of time."""
    _say(here, _to_itself(here, "reminder.soon", clock.now()))


def _call_for_dispatch(here: Runtime, now: datetime) -> Outgoing:
    return _to_itself(here, "reminder.armed", now)


def _to_itself(here: Runtime, event_type: str, now: datetime) -> Outgoing:
    """What the pack says to itself."""
    data = ReminderArmed(moment=now)
    return _outgoing(here, event_type, data, key=event_type, user_id=_NOBODY, correlation_id=_NOBODY, at=now)


def _say(here: Runtime, event: Outgoing) -> None:
    with here.database.as_system() as transaction:
        transaction.without_flush()
        transaction.insert_outbox(event)
    here.publisher.wake()


def _event(here: Runtime, reminder: Fired, task: ReminderDue, user_id: str, *, now: datetime) -> Outgoing:
    late = now - reminder.due_at > LATE
    about: dict[str, Any] = {"reminder_id": reminder.reminder_id, "remind_at": reminder.moment, "late": late}
    data: FrozenModel
    if reminder.is_stale:
        log.warning("a reminder is stale: %s", reminder.reminder_id)
        event_type, data = (
            "reminder.failed",
            ReminderOutcome(task_id=task.task_id, reason="stale", channels={}, **about),
        )
    else:
        event_type, data = "reminder.due", task.model_copy(update=about)
    return _outgoing(
        here,
        event_type,
        data,
        key=task.partition_key,
        user_id=user_id,
        correlation_id=reminder.reminder_id,
        at=now,
        subject=f"tasks/{task.task_id}",
    )


def _outgoing(
    here: Runtime,
    event_type: str,
    data: FrozenModel,
    *,
    key: str,
    user_id: str,
    correlation_id: str,
    at: datetime,
    subject: str | None = None,
) -> Outgoing:
    return outgoing(
        event_type,
        data.model_dump_json().encode(),
        origin=Origin(function=_FUNCTION, user_id=user_id, correlation_id=correlation_id),
        at=at,
        key=key,
        topics=tuple(map(here.settings.topic, topics_of(event_type))),
        subject=subject,
    )
