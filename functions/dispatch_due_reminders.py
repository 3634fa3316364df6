"""dispatch-due-reminders: at its moment every armed reminder becomes reminder.due; until then this function sleeps.

Woken by the alarm it set, and by reminder.armed: where a reminder comes before that, or relay-outbox found one missed.
"""

from taskmaster.reminding.dispatcher import Dispatcher
from taskmaster.runtime import Runtime
from taskmaster.web.door import woken_by

_dispatcher = Dispatcher()  # of this process; whoever comes while somebody is on duty makes him look again


@woken_by("reminder.armed")
def dispatch_due_reminders(here: Runtime) -> None:
    _dispatcher.serve(here)
