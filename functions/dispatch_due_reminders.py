"""dispatch-due-reminders: at its moment every armed reminder becomes reminder.due; until then there is no process.

It is called by the wake-up that it scheduled, by reminder.armed where a reminder comes before that wake-up, and by
relay-outbox where a reminder is overdue.
"""

from taskmaster.runtime import Runtime
from taskmaster.web.door import woken_by


@woken_by("reminder.armed")
def dispatch_due_reminders(runtime: Runtime) -> None:
    runtime.dispatcher.run_until_idle()
