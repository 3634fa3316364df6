"""send-reminder: a reminder that is due is looked at again, and goes out by the channels of its user.

Quiet hours and a snooze hold it back. What a channel does not take now is due again later, under the same id.
"""

from typing import Annotated

from pydantic import Field

from taskmaster.delivery import Delivered, deliver
from taskmaster.door import function, handles
from taskmaster.operation import Errand
from taskmaster.preferences import name_of
from taskmaster.reminders import concluded
from taskmaster.settings import Settings
from taskmaster.tasks import Fact, TaskId
from taskmaster.work import Work

ReminderId = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class ReminderDue(Fact):
    task_id: TaskId
    reminder_id: ReminderId
    late: bool = False


class ReminderSoon(Fact):
    pass


@handles("reminder.due")
def send(fact: ReminderDue, work: Work) -> Errand | None:
    found = work.ringing(fact.task_id, fact.reminder_id)
    if found is None:
        return None
    task, reminder = found
    silent = work.preferences.quiet_until(work.now)
    if task.snoozed_until and task.snoozed_until > work.now:
        silent = max(silent or work.now, task.snoozed_until)
    if silent:
        work.keep_reminder(reminder.held_back(until=silent), task)
        return None
    named = {name_of(channel): channel for channel in work.preferences.channels}
    channels = {name: channel for name, channel in named.items() if not reminder.is_settled(name)}

    def run(settings: Settings) -> Delivered:
        return deliver(task, reminder, channels, late=fact.late, settings=settings)

    def conclude(sent: Delivered, work: Work) -> None:
        found = work.ringing(fact.task_id, fact.reminder_id)
        if found is None:
            return  # gone while it went out
        task, reminder = found
        reminder, event = concluded(reminder, sent.outcomes, now=work.now)
        work.keep_reminder(reminder, task)
        if event:
            outcome = reminder.told(late=fact.late, called_at=sent.called_at)
            work.announce(event, task, data=outcome)

    return Errand(run=run, conclude=conclude)


@handles("reminder.soon")
def get_ready(fact: ReminderSoon, work: Work) -> None:
    """Be awake, with everything imported and connected, when the reminder comes."""
    import requests  # noqa: F401


send_reminder = function("send_reminder", send, get_ready)
