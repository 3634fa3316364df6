"""snooze-reminder: a task is not reminded of until a later moment; or its reminders in delivery are dismissed."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from taskmaster.domain.reminders import DurationText, after_duration
from taskmaster.domain.task import Refused, Task, TaskCommand, Timestamp, is_kept
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import function, handles

_LONGEST = timedelta(days=3660)


class SnoozeReminder(TaskCommand):
    duration: DurationText | None = Field(default=None, description="how long from now; either this or until")
    until: Timestamp | None = Field(default=None, description="until which moment, within ten years")


class DismissReminder(TaskCommand):
    pass


@handles("reminder.snooze", http=["POST /{task_id}", "POST /tasks/{task_id}/snooze"], idempotent=False)
def snooze_task(command: SnoozeReminder, work: Work) -> Task:
    """The task keeps silent for a duration, or until a moment, and reminds then."""
    task = work.task(command.task_id, expecting=command.expected_version)
    if task.completed:
        raise Refused(409, "Completed", "A completed task does not remind. Reopen it first.")
    if (command.duration is None) == (command.until is None):
        raise Refused(422, "Until when", "Give either a duration, such as PT10M, or until, a moment.")
    until = command.until
    if command.duration:
        until = after_duration(work.now, command.duration, zone=ZoneInfo(task.time_zone))
    assert until is not None
    if not (work.now < until < work.now + _LONGEST and is_kept(until)):
        raise Refused(422, "Not ahead", "A snooze ends at a moment ahead, within ten years and before the year 9001.")
    return work.save_task(task.changed(at=work.now, snoozed_until=until))


@handles("reminder.dismiss", http=["POST /tasks/{task_id}/dismiss"])
def dismiss_task(command: DismissReminder, work: Work) -> Task:
    """What rings stops ringing; reminders still to come stay, and a snooze ends."""
    task = work.task(command.task_id, expecting=command.expected_version)
    dismissed = task.changed(at=work.now, snoozed_until=None)
    work.reminders.dismiss(dismissed)
    return work.save_task(dismissed)


snooze_reminder = function("snooze_reminder", snooze_task, dismiss_task)
