"""Retention: delete expired rows in batches, so that no transaction is long. By real time."""

from collections.abc import Callable

from taskmaster import log
from taskmaster.database.store import Database
from taskmaster.database.system_transaction import SystemTransaction

_BATCH = 5_000
_MOST_BATCHES = 100  # of one run; the next run goes on
_PURGES = (
    SystemTransaction.purge_inbox,
    SystemTransaction.purge_reminders,
    SystemTransaction.purge_deleted_tasks,
    SystemTransaction.purge_history,
)


def purge(database: Database) -> int:
    """Delete expired inbox rows, closed reminders, old deletions and old history. Returns how many."""
    gone = sum(_in_batches(database, purge_some) for purge_some in _PURGES)
    if gone:
        log.note(purged_rows=gone)
    return gone


def _in_batches(database: Database, purge_some: Callable[[SystemTransaction, int], int]) -> int:
    gone = 0
    for _ in range(_MOST_BATCHES):
        with database.as_system() as transaction:
            count = purge_some(transaction, _BATCH)
        gone += count
        if count < _BATCH:
            break
    return gone
