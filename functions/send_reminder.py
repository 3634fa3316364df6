"""send-reminder: a reminder that is due is checked again and delivered by the channels of its user.

Quiet hours and a snooze hold it back. Where a channel does not accept it now, it is due again later, under the same id.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from taskmaster.domain.reminder_rows import after_delivery
from taskmaster.domain.task import Fact, TaskId
from taskmaster.domain.user_channels import AnyChannel, name_of
from taskmaster.handling.operation import SideEffect
from taskmaster.handling.unit_of_work import Work
from taskmaster.reminding import delivery
from taskmaster.reminding.call_limits import CallLimits
from taskmaster.reminding.delivery import Delivered, deliver
from taskmaster.settings import Settings
from taskmaster.web.door import function, handles

ReminderId = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


_limits = CallLimits()  # of this process, for all its requests
_LONG_SECONDS = 5.0
_AHEAD_SECONDS = 15.0  # due so soon, a reminder has no better luck; one that is due later may have another channel


class ReminderToSend(Fact):
    task_id: TaskId
    reminder_id: ReminderId
    late: bool = False


class ReminderSoon(Fact):
    pass


@handles("reminder.due")
def send(fact: ReminderToSend, work: Work) -> SideEffect | None:
    found = work.reminders.in_delivery(fact.task_id, fact.reminder_id)
    if found is None:
        return None
    task, reminder = found
    quiet_until = work.preferences.quiet_until(work.now)
    if task.snoozed_until and task.snoozed_until > (quiet_until or work.now):
        work.reminders.hold_back(reminder, task, until=task.snoozed_until)
        return None
    if quiet_until:
        work.reminders.hold_back(reminder, task, until=quiet_until, others_due_by=work.now)
        return None
    of_user = _by_name(work)
    channels = {name: channel for name, channel in of_user.items() if not reminder.is_settled(name)}
    again = {name: reminder.due_again(name) or work.now for name in channels}
    if channels and (soonest := min(again.values())) > work.now:
        work.reminders.hold_back(reminder, task, until=soonest)
        return None
    due = {name: channel for name, channel in channels.items() if again[name] <= work.now}
    if held := _limits.seconds_held(due, user_id=work.user_id, age=work.now - reminder.moment):
        # A receiver in trouble, or with much to do for long, makes every reminder of its user wait: each of them would
        # come here to be told the same. Those that come again then are few at once, as many as a user may have.
        others_due_by = None
        if len(due) == len(of_user):
            if _limits.are_in_trouble(due, user_id=work.user_id):
                others_due_by = work.now + timedelta(seconds=min(held, _AHEAD_SECONDS))
            elif held >= _LONG_SECONDS:
                others_due_by = work.now
        until = work.now + timedelta(seconds=held)
        work.reminders.hold_back(reminder, task, until=until, others_due_by=others_due_by)
        return None
    user_id, trace = work.user_id, work.trace

    def run(settings: Settings) -> Delivered:
        return deliver(
            task, reminder, due, user_id=user_id, late=fact.late, limits=_limits, settings=settings, trace=trace
        )

    def conclude(sent: Delivered, work: Work) -> None:
        found = work.reminders.in_delivery(fact.task_id, fact.reminder_id)
        if found is None:
            return  # completed, moved or snoozed during the delivery
        task, reminder = found
        reminder, event = after_delivery(reminder, sent.outcomes, now=work.now, channels=_by_name(work))
        work.reminders.save(reminder, task)
        if event:
            outcome = reminder.outcome_record(late=fact.late, called_at=sent.called_at)
            work.emit(event, task, data=outcome)

    return SideEffect(run=run, conclude=conclude)


def _by_name(work: Work) -> dict[str, AnyChannel]:
    return {name_of(channel): channel for channel in work.preferences.channels}


@handles("reminder.soon")
def warm_up(fact: ReminderSoon, work: Work) -> None:
    """Import and connect before the reminder comes."""
    delivery.warm_up()


send_reminder = function("send_reminder", send, warm_up)
