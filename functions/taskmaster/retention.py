"""Retention: what nobody needs any more goes, in batches, so that no transaction is long. By real time."""

import logging

from taskmaster.store import Database

log = logging.getLogger(__name__)

_BATCH = 5_000
_MOST_BATCHES = 100  # of one run; the next run goes on


def purge(database: Database) -> int:
    """Delete the inbox rows that are past their time; how many went."""
    gone = 0
    for _ in range(_MOST_BATCHES):
        with database.as_system() as transaction:
            count = transaction.purge_inbox(_BATCH)
        gone += count
        if count < _BATCH:
            break
    if gone:
        log.info("purged %d inbox rows", gone)
    return gone
