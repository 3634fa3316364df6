"""Delivery of one reminder to the channels of its user, in parallel and outside of any transaction.

Each channel is a call in a thread of its own, under a deadline, with an outcome of its own. A call above the limits
(call_limits.py) is not made: its reminder is due again later, as a row, so that a slow receiver delays only the
reminders that go to it.
"""

import logging
import time
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskmaster import clock
from taskmaster.domain.outcome import Outcome, failed, held_back, later
from taskmaster.domain.reminder_rows import ReminderRow
from taskmaster.domain.task import Task
from taskmaster.domain.user_channels import AnyChannel, Mail, Webhook
from taskmaster.outbound import http_session
from taskmaster.outbound.deadline import Call, Deadline, DeadlineExceeded, begin
from taskmaster.reminding import apprise_channel, mail, webhook
from taskmaster.reminding.breaker import SLOW_SECONDS
from taskmaster.reminding.call_limits import LONGEST_HELD, CallLimits, Slot
from taskmaster.settings import Settings
from taskmaster.telemetry import spans
from taskmaster.telemetry.trace_context import TraceContext

log = logging.getLogger(__name__)

_NO_THREAD_SECONDS = 5.0  # until a call is tried again for which the process has no thread


class Delivered(NamedTuple):
    """The outcome of each channel, and when the first one was called, in business time."""

    called_at: datetime
    outcomes: Mapping[str, Outcome]


class _Message(NamedTuple):
    """A reminder as it is sent, by any channel."""

    task: Task
    reminder: ReminderRow
    called_at: datetime
    late: bool
    settings: Settings
    trace: TraceContext | None

    def begin(self, channel: AnyChannel, slot: Slot) -> Call[Outcome] | None:
        """Begin the call of a channel, for which `slot` is taken. None where the process has no thread left."""
        since = time.monotonic()
        answered = False

        def work(deadline: Deadline) -> Outcome:
            nonlocal answered
            by_mail = isinstance(channel, Mail)
            # Without the receiver's address: it is its user's, and may hold a secret.
            with spans.start("send mail" if by_mail else "POST", "client", parent=self.trace) as span:
                if not by_mail:
                    span.set({"http.request.method": "POST"})
                outcome = self._send(channel, deadline, span.context)
                span.set({"taskmaster.outcome": outcome.outcome})
                if outcome.outcome != "delivered":
                    span.fail(outcome.outcome)
            answered = outcome.outcome == "delivered"
            return outcome

        def release() -> None:  # when its thread has ended, which a silent name server may keep beyond the deadline
            slot.release(slow=time.monotonic() - since > SLOW_SECONDS, in_vain=not answered)

        total = mail.TOTAL_SECONDS if isinstance(channel, Mail) else webhook.TOTAL_SECONDS
        try:
            return begin(total, work, at_end=release)
        except RuntimeError:  # no thread can be started: nothing was called
            slot.release(slow=None, in_vain=False)
            return None

    def _send(self, channel: AnyChannel, deadline: Deadline, trace: TraceContext | None) -> Outcome:
        if isinstance(channel, Mail):
            return self._by_mail(channel, deadline, trace)
        if isinstance(channel, Webhook):
            return self._by_webhook(channel, deadline, trace)
        title, words = self._title, text(self.task, late=self.late)
        allowed = self.settings.webhook_allow
        return apprise_channel.send(channel.url or "", title, words, deadline=deadline, allowed=allowed)

    @property
    def _title(self) -> str:
        return f"Reminder: {self.task.title}"

    def _by_mail(self, channel: Mail, deadline: Deadline, trace: TraceContext | None) -> Outcome:
        return mail.send(
            channel.address,
            self._title,
            text(self.task, late=self.late),
            self.reminder.reminder_id,
            smtp_url=self.settings.smtp_url.get_secret_value(),
            sender=self.settings.mail_from,
            deadline=deadline,
            trace=trace,
        )

    def _by_webhook(self, channel: Webhook, deadline: Deadline, trace: TraceContext | None) -> Outcome:
        return webhook.post(
            channel.url,
            channel.secret or "",
            self.reminder.reminder_id,
            {"type": "reminder.due", "timestamp": self.called_at.isoformat(), "data": self._data()},
            deadline=deadline,
            allowed=self.settings.webhook_allow,
            trace=trace,
        )

    def _data(self) -> dict[str, object]:
        """The task and the reminder, as a webhook gets them."""
        task = self.task.model_dump(
            mode="json",
            include={"task_id", "title", "description", "priority", "tags", "due_at", "due_on", "time_zone"},
        )
        reminder = self.reminder
        return {
            **task,
            "reminder_id": reminder.reminder_id,
            "remind_at": reminder.moment.isoformat(),
            "late": self.late,
        }


def deliver(
    task: Task,
    reminder: ReminderRow,
    channels: Mapping[str, AnyChannel],
    *,
    user_id: str,
    late: bool,
    limits: CallLimits,
    settings: Settings,
    trace: TraceContext | None = None,
) -> Delivered:
    """Deliver a reminder by these channels, named as their outcomes will be. Never raises for what a channel does.

    `trace` is the one that the reminder belongs to: a receiver is told.
    """
    called_at = clock.now()
    is_held_too_long = called_at - reminder.moment > timedelta(hours=settings.reminder_stale_hours) + LONGEST_HELD
    message = _Message(task, reminder, called_at, late, settings, trace)
    outcomes: dict[str, Outcome] = {}
    calls: dict[str, Call[Outcome]] = {}
    for name, channel in channels.items():
        slot = limits.slot(user_id, channel)
        wait = slot.take()
        if wait is None:
            if call := message.begin(channel, slot):
                calls[name] = call
                continue
            wait = _NO_THREAD_SECONDS
        if is_held_too_long:
            outcomes[name] = failed("held back for too long: its receiver is too slow, or too much is due at once")
        else:
            outcomes[name] = held_back("held back: too much is under way", seconds=wait)
    return Delivered(called_at, {name: outcomes.get(name) or _outcome(calls[name]) for name in channels})


def warm_up() -> None:
    """Import now what the first call of a channel imports."""
    http_session.trusting()  # imports requests as well


def text(task: Task, *, late: bool) -> str:
    """The reminder as a person reads it, times in the task's zone."""
    lines = [task.title]
    if task.due_at:
        lines.append(f"Due {task.due_at.astimezone(ZoneInfo(task.time_zone)):%Y-%m-%d %H:%M} ({task.time_zone})")
    elif task.due_on:
        lines.append(f"Due {task.due_on.isoformat()}")
    if late:
        lines.append("This reminder comes late: the service was not there at its time.")
    if task.description:
        lines += ["", task.description]
    return "\n".join(lines) + "\n"


def _outcome(call: Call[Outcome]) -> Outcome:
    try:
        return call.result()
    except DeadlineExceeded:
        return later("no answer in time", seconds=None)
    except Exception as error:  # of ours, or of a library: no reason to try the other channels again
        at = traceback.extract_tb(error.__traceback__)[-1]
        log.error("a channel failed: %s at %s:%s", type(error).__name__, at.filename, at.lineno)  # its text may quote
        return failed(f"it cannot be sent: {type(error).__name__}")
