"""relay-outbox: what others left undone. Woken by the hour, the one call and the one session of an hour without work.

A reminder that nobody fired wakes the dispatcher, what no function published is published, what is past its time is
purged.
"""

from taskmaster.broker.outbox import publish
from taskmaster.database.retention import purge
from taskmaster.reminding.due import request_overdue_dispatch
from taskmaster.runtime import Runtime
from taskmaster.web.door import tick

_PUBLISHING = 30.0  # seconds: others publish too, and however much one user writes, the purge has its turn


@tick
def relay_outbox(here: Runtime) -> None:
    request_overdue_dispatch(here)
    publish(here.database, here.broker, seconds=_PUBLISHING)
    purge(here.database)
