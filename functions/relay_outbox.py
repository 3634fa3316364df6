"""relay-outbox: every hour it finishes what other functions left. An hour without work is one call and one session.

It has an overdue reminder dispatched, publishes events that no function published, and purges expired rows.
"""

from taskmaster.broker.outbox import publish
from taskmaster.database.retention import purge
from taskmaster.runtime import Runtime
from taskmaster.web.door import tick

_PUBLISHING = 30.0  # seconds, so that the purge has its turn however much one user writes; others publish too


@tick
def relay_outbox(runtime: Runtime) -> None:
    runtime.due_reminders.request_overdue_dispatch()
    publish(runtime.database, runtime.broker, seconds=_PUBLISHING)
    purge(runtime.database)
