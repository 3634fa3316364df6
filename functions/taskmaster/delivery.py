"""Delivery: one reminder to the channels of its user, side by side. Outside any transaction."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskmaster import clock, mail, webhook
from taskmaster.outcome import Outcome
from taskmaster.preferences import Mail, Webhook
from taskmaster.reminders import ReminderRow
from taskmaster.settings import Settings
from taskmaster.tasks import Task


class Delivered(NamedTuple):
    """What came of it by channel, and when the first one was called, in business time."""

    called_at: datetime
    outcomes: Mapping[str, Outcome]


def deliver(
    task: Task, reminder: ReminderRow, channels: Mapping[str, Webhook | Mail], *, late: bool, settings: Settings
) -> Delivered:
    """Send a reminder by these channels, named as their outcomes will be."""
    called_at = clock.now()

    def send(channel: Webhook | Mail) -> Outcome:
        if isinstance(channel, Mail):
            return mail.deliver(
                channel.address,
                f"Reminder: {task.title}",
                text(task, late=late),
                reminder.reminder_id,
                smtp_url=settings.smtp_url.get_secret_value(),
                sender=settings.mail_from,
            )
        payload = {"type": "reminder.due", "timestamp": called_at.isoformat(), "data": _told(task, reminder, late)}
        return webhook.deliver(
            channel.url, channel.secret or "", reminder.reminder_id, payload, allowed=settings.webhook_allow
        )

    if len(channels) < 2:
        return Delivered(called_at, {name: send(channel) for name, channel in channels.items()})
    with ThreadPoolExecutor(len(channels)) as side_by_side:
        sent = list(side_by_side.map(send, channels.values()))
    return Delivered(called_at, dict(zip(channels, sent, strict=True)))


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


def _told(task: Task, reminder: ReminderRow, late: bool) -> dict[str, object]:
    told = task.model_dump(
        mode="json", include={"task_id", "title", "description", "priority", "tags", "due_at", "due_on", "time_zone"}
    )
    return {**told, "reminder_id": reminder.reminder_id, "remind_at": reminder.moment.isoformat(), "late": late}
