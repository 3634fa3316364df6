"""The change feed: pages of what changed since a cursor, and the cursors that lead from page to page.

A cursor holds two snapshots of the database. Its reader has everything that `since` shows, and is reading what `upto`
shows beyond that, in the order of the transactions that wrote it. A transaction that began early and commits late is in
no earlier snapshot, so its changes are returned as soon as they are committed.

A cursor says nothing of transactions whose numbers a crash of the database may take back and give out again: those that
left nothing on disk yet. `Found.kept` leaves them out.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import BeforeValidator, Field

from taskmaster.domain.task import MAX_ID, Command, FrozenModel, Refused, Task, number

_SNAPSHOT = re.compile(r"([0-9]{1,19}):([0-9]{1,19}):((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)")
_EPOCH = re.compile(r"[0-9a-f]{32}")
_MOST_RUNNING = 64  # transactions that a cursor names
_FIRST_NORMAL = 3  # PostgreSQL gives no transaction a number whose lower half is less


class ListChanges(Command):
    """A page of changes, as the query string asks for it."""

    cursor: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="`cursor` of the page before; without one, all tasks are returned"
    )
    limit: Annotated[int, Field(ge=1, le=200), BeforeValidator(number)] = Field(
        default=100, description="changes of a page, at most"
    )


class DeletedTask(FrozenModel):
    """A task that was deleted."""

    task_id: int
    version: int = Field(description="one more than the last that the task had")


class WatchTasks(Command):
    """A stream of changes, as the query string asks for it."""

    takes_last_event_id: ClassVar[bool] = True

    cursor: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None,
        description="a cursor of GET /tasks/changes or of an event; without one, changes from now on. The header "
        "Last-Event-ID takes its place",
    )


class Changes(FrozenModel):
    """Tasks that changed and tasks that were deleted. Of each task the highest version counts."""

    tasks: list[Task] = Field(description="tasks that were created or changed, as they are now")
    deleted: list[DeletedTask] = Field(description="tasks that were deleted")
    cursor: str = Field(description="where the next page begins")
    more: bool = Field(description="whether to read the next page at once; without more, the copy is complete")


class Snapshot(NamedTuple):
    """A pg_snapshot of PostgreSQL: shows what transactions below `xmin` wrote, and below `xmax` but for `running`."""

    xmin: int
    xmax: int
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a text that PostgreSQL would not write."""
        found = _SNAPSHOT.fullmatch(text)
        if found is None:
            raise ValueError("not a snapshot")
        xmin, xmax = int(found[1]), int(found[2])
        running = tuple(map(int, found[3].split(","))) if found[3] else ()
        is_ordered = list(running) == sorted(set(running)) and all(xmin <= each < xmax for each in running)
        # No transaction has a number whose lower half is 0, and PostgreSQL accepts no snapshot with such bounds.
        if not (is_ordered and xmin % 2**32 and xmax % 2**32 and xmin <= xmax <= MAX_ID):
            raise ValueError("not a snapshot")
        return cls(xmin, xmax, running)

    def shortened(self) -> Self:
        """The snapshot, or where it is long one that shows less: a change may be returned twice, none is missed."""
        return self if len(self.running) <= _MOST_RUNNING else self._replace(xmax=self.xmin, running=())

    def below(self, bound: int) -> Self:
        """What it shows of the transactions below a number."""
        bound = bound if bound % 2**32 else bound + _FIRST_NORMAL
        if bound >= self.xmax:
            return self
        running = tuple(each for each in self.running if each < bound)
        return type(self)(running[0] if running else bound, bound, running)

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"


class ChangePosition(NamedTuple):
    """Where a reader is. Without `since` it has nothing yet, without `upto` it has all that `since` shows.

    Of the changes between the two snapshots it has those up to `task_id` of the transaction `change`.
    """

    epoch: str
    since: Snapshot | None
    upto: Snapshot | None = None
    change: int = 0
    task_id: int = 0

    @property
    def beyond(self) -> tuple[int, int]:
        """The transaction and the task behind which the next page begins."""
        return (self.since.xmin, 0) if self.since and not self.upto else (self.change, self.task_id)

    def cursor(self) -> str:
        content = [self.epoch, *(str(each) if each else None for each in (self.since, self.upto))]
        place = [self.change, self.task_id] if self.upto else []
        return urlsafe_b64encode(json.dumps([*content, *place], separators=(",", ":")).encode()).decode().rstrip("=")


class Change(NamedTuple):
    """A task that changed or was deleted, and the transaction that wrote it."""

    in_transaction: int
    what: Task | DeletedTask


class Found(NamedTuple):
    """Changes in order, the snapshot that shows them, and what decides whether a cursor is valid.

    `epoch` identifies the database; deletions by transactions up to `purged_up_to` may be purged. Transactions below
    `durable` survive a crash of the database, and all changes of this user are below it.
    """

    epoch: str
    purged_up_to: int
    now: Snapshot
    durable: int
    changes: Sequence[Change]

    @property
    def kept(self) -> Snapshot:
        """What a cursor keeps of the snapshot: all that it shows of this user, and nothing that a crash takes back."""
        return self.now.below(self.durable).shortened()


def change_position(cursor: str) -> ChangePosition:
    """The position that a cursor holds. Raises Refused (422) for one that we did not make."""
    try:
        epoch, since, upto, *place = json.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        position = ChangePosition(
            epoch,
            None if since is None else Snapshot.parse(since),
            None if upto is None else Snapshot.parse(upto),
            *place,
        )
    except (ValueError, TypeError, RecursionError):
        raise _no_cursor() from None
    numbers = (position.change, position.task_id)
    is_number = all(type(each) is int and 0 <= each <= MAX_ID for each in numbers)
    has_snapshot = position.since is not None or position.upto is not None
    if not (isinstance(epoch, str) and _EPOCH.fullmatch(epoch) and has_snapshot and is_number):
        raise _no_cursor()
    if len(place) != (0 if position.upto is None else len(numbers)):
        raise _no_cursor()
    return position


class ChangeStream(NamedTuple):
    """A stream to be opened: whose changes, and behind which position."""

    user_id: str
    position: ChangePosition

    @classmethod
    def begun(cls, user_id: str, position: ChangePosition | None, found: Found) -> Self:
        """A stream behind a position, or from now on. Raises Refused (410) for a position that is not valid."""
        if position is None:
            return cls(user_id, ChangePosition(found.epoch, found.kept))
        _expect_known(position, found)
        return cls(user_id, position)


def read_on(position: ChangePosition | None, found: Found, *, limit: int) -> tuple[list[Change], ChangePosition, bool]:
    """The changes of a page, where its reader is then, and whether there is more.

    `found` has one change more than `limit` where there is more. Whoever has come to the end of an earlier snapshot may
    have more to read too: what was committed since that one. Raises Refused (410) for a position that is not valid.
    """
    if position is not None:
        _expect_known(position, found)
    changes = list(found.changes[:limit])
    here = position or ChangePosition(found.epoch, None)
    upto = here.upto or found.kept
    if len(found.changes) <= limit:
        return changes, ChangePosition(found.epoch, upto), upto != found.kept
    last = changes[-1]
    return changes, here._replace(upto=upto, change=last.in_transaction, task_id=last.what.task_id), True


def page_of_changes(position: ChangePosition | None, found: Found, *, limit: int) -> Changes:
    """The same, as the answer of a call. Raises Refused (410)."""
    changes, then, more = read_on(position, found, limit=limit)
    return Changes(
        tasks=[change.what for change in changes if isinstance(change.what, Task)],
        deleted=[change.what for change in changes if isinstance(change.what, DeletedTask)],
        cursor=then.cursor(),
        more=more,
    )


def _expect_known(position: ChangePosition, found: Found) -> None:
    oldest = position.since or position.upto
    latest = position.upto or position.since
    if oldest is None or latest is None or position.epoch != found.epoch or latest.xmax > found.now.xmax:
        raise Refused(410, "Start anew", "This cursor is of another database. Drop what you have, and leave it out.")
    if oldest.xmin <= found.purged_up_to:
        raise Refused(410, "Start anew", "This cursor is too old. Drop what you have, and leave it out.")


def _no_cursor() -> Refused:
    return Refused(422, "Not a cursor", "Use cursor as it was returned, or leave it out to begin anew.")
