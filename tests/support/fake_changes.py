"""The change feed of the store in memory: its transactions are counted, and come one behind the other."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskmaster.domain.changes import Change, ChangePosition, DeletedTask, Found, Snapshot
from taskmaster.domain.task import Task

EPOCH = "0" * 32


class Deletion(NamedTuple):
    """A task that is gone, and the transaction that it went in."""

    user_id: str
    in_transaction: int
    what: DeletedTask


def changes_behind(
    position: ChangePosition | None,
    limit: int,
    *,
    transaction: int,
    tasks: Sequence[Task],
    changed_in: Mapping[int, int],
    deletions: Sequence[Deletion],
) -> Found:
    """What the query read_changes finds; all that is given is of one user. `transaction` is the one that asks."""
    now = Snapshot(transaction, transaction)
    since, upto = (position.since, position.upto or now) if position else (None, now)
    beyond = position.beyond if position else (0, 0)
    everything = [Change(changed_in[task.task_id], task) for task in tasks]
    if since is not None:
        everything += [Change(each.in_transaction, each.what) for each in deletions]
    places = sorted((each.in_transaction, each.what.task_id, each) for each in everything)
    found = [
        each
        for *place, each in places
        if tuple(place) > beyond and place[0] < upto.xmax and (since is None or place[0] >= since.xmax)
    ]
    return Found(EPOCH, 0, now, transaction, found[:limit])
