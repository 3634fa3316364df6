"""Reminders that are due: each becomes reminder.due in the outbox, in the transaction that marks it dispatched."""

import logging
from datetime import datetime, timedelta
from typing import Any

from taskmaster import clock
from taskmaster.broker.publisher import Publisher
from taskmaster.database.store import Database
from taskmaster.database.system_transaction import DueReminder, Fired
from taskmaster.domain.reminder_rows import ReminderOutcome
from taskmaster.domain.task import FrozenModel
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from taskmaster.handling.announcements import ReminderArmed
from taskmaster.settings import Settings
from taskmaster.telemetry import spans

log = logging.getLogger(__name__)

LATE = timedelta(minutes=1)  # from here on an event says that it is late
RECHECK = timedelta(seconds=1)  # within which the dispatcher looks again at what is overdue and could not be dispatched
BATCH = 500  # reminders of one transaction
_CHARACTERS = 1_000_000  # of their tasks' descriptions: the next batch waits for this transaction

_FUNCTION = "dispatch-due-reminders"
_PACK = "taskmaster"  # the user of events that the pack sends to itself


class DueReminders:
    """What the dispatcher does in the database, and the events that follow. Every method raises Unavailable or Busy."""

    def __init__(self, settings: Settings, database: Database, publisher: Publisher) -> None:
        self._settings = settings
        self._database = database
        self._publisher = publisher

    def dispatch(self, *, now: datetime) -> int:
        """Dispatch a batch of what is due at `now`, business time; how many. 0 means that nothing can be dispatched.

        A task that another transaction has locked is left for the next batch. So is what is due of a user who has as
        many reminders in delivery as one may have (0009.under_way.sql). Users take turns, so that one who has a single
        reminder waits for no other's thousands. The task is locked before its outbox row is made, and its reminders
        are read under that lock: one that was completed or moved a moment ago is not sent.
        """
        stale = now - timedelta(hours=self._settings.reminder_stale_hours)
        with self._database.as_system() as transaction:
            found, dispatched = transaction.fire_due_reminders(now, BATCH, stale=stale, characters=_CHARACTERS)
            if not found:
                return 0
            due = {each.reminder_id: each for each in found}
            transaction.insert_outbox_rows(
                [self._event(reminder, due[reminder.reminder_id], now=now) for reminder in dispatched]
            )
        self._publisher.wake()
        return max(len(dispatched), 1)

    def schedule_next_wakeup(self, *, now: datetime, by: datetime | None) -> datetime | None:
        """The next moment of any reminder. When the dispatcher looks next is written for transactions that arm one.

        `by` is when it looks in any case.
        """
        with self._database.as_system() as transaction:
            return transaction.schedule_next_wakeup(by, now=now, recheck_by=now + RECHECK)

    def scheduled_wakeup(self) -> datetime | None:
        """The moment that was written last, by any process."""
        with self._database.as_system() as transaction:
            return transaction.scheduled_wakeup()

    def next_moment(self, *, after: datetime) -> datetime | None:
        """The next moment of any reminder after this one."""
        with self._database.as_system() as transaction:
            return transaction.next_moment(after)

    def request_dispatch(self) -> None:
        """Have dispatch-due-reminders called again, by an event to itself."""
        self._send_to_pack("reminder.armed")

    def request_overdue_dispatch(self) -> None:
        """Have dispatch-due-reminders called where a reminder is overdue: its wake-up was lost, or its process died."""
        now = clock.now()
        event = self._to_pack("reminder.armed", now)
        with self._database.as_system() as transaction:
            transaction.insert_outbox_if_missed(event, by=now - LATE)
            transaction.note_tick("relay-outbox")

    def warm_up_delivery(self) -> None:
        """Start a process of send-reminder ahead of time, and the way of an event to it."""
        self._send_to_pack("reminder.soon")

    def _send_to_pack(self, event_type: str) -> None:
        event = self._to_pack(event_type, clock.now())
        with self._database.as_system() as transaction:
            transaction.without_flush()
            transaction.insert_outbox(event)
        self._publisher.wake()

    def _to_pack(self, event_type: str, now: datetime) -> Outgoing:
        """An event that only wakes a function of this pack."""
        return outgoing(
            event_type,
            ReminderArmed(moment=now),
            origin=Origin(function=_FUNCTION, user_id=_PACK, correlation_id=_PACK),
            at=now,
            key=event_type,
            topic=self._settings.topic,
        )

    def _event(self, reminder: Fired, due: DueReminder, *, now: datetime) -> Outgoing:
        """reminder.due with the task, or reminder.failed for a reminder that is stale."""
        task = due.task
        about: dict[str, Any] = {
            "reminder_id": reminder.reminder_id,
            "remind_at": reminder.moment,
            "late": now - reminder.due_at > LATE,
        }
        data: FrozenModel
        if reminder.is_stale:
            log.warning("a reminder is stale: %s", reminder.reminder_id)
            event_type = "reminder.failed"
            data = ReminderOutcome(task_id=task.task_id, reason="stale", channels={}, **about)
        else:
            event_type, data = "reminder.due", task.model_copy(update=about)
        # In the trace that armed it, and linked with that of the dispatcher, which may dispatch many.
        with spans.start(f"create {event_type}", "producer", parent=reminder.trace, links=[spans.current()]) as span:
            return outgoing(
                event_type,
                data,
                origin=Origin(
                    function=_FUNCTION,
                    user_id=due.user_id,
                    correlation_id=reminder.reminder_id,
                    trace=span.context,
                ),
                at=now,
                key=task.partition_key,
                topic=self._settings.topic,
                subject=f"tasks/{task.task_id}",
            )
