"""relay-outbox: what no function published is published, and what is past its time is purged. Woken by the hour."""

from taskmaster.door import tick
from taskmaster.outbox import publish
from taskmaster.retention import purge
from taskmaster.runtime import Runtime


@tick
def relay_outbox(here: Runtime) -> None:
    publish(here.database, here.broker)
    purge(here.database)
