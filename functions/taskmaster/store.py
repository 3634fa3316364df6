"""PostgreSQL: the two logins, and what a transaction of each may do. SQL is in sql/queries, rules are elsewhere.

A transaction is a pipeline: statements are sent without waiting, a read waits, and the commit goes out with the last
writes. Nothing is prepared on the server and no session state is kept, so that a pooler in transaction mode will do.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import Connection, errors, sql
from psycopg.rows import kwargs_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from taskmaster.events import Outgoing
from taskmaster.pages import Mark, Sort
from taskmaster.queries import named
from taskmaster.series import Series
from taskmaster.tasks import Task

_TASKS, _INBOX, _OUTBOX = named("tasks.sql"), named("inbox.sql"), named("outbox.sql")
_IDS_AHEAD = 16
_SORT_KEYS: dict[str, LiteralString] = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "due": "coalesce(deadline, 'infinity')",
    "priority": "array_position(ARRAY['low', 'medium', 'high', 'urgent'], priority) - 1",
    "title": "title",
}


class Unavailable(Exception):
    """The database cannot be had right now: away, starting, overloaded or out of connections. Try again later."""


class Busy(Exception):
    """Somebody else holds what this transaction needs. Try again at once."""


class InboxKey(NamedTuple):
    """What makes two deliveries the same command."""

    function: str
    user_id: str
    source: str
    id: str


class Receipt(NamedTuple):
    """What the inbox knows of a command. `status` is None until it is answered."""

    attempts: int
    status: int | None
    answer: dict[str, Any] | None
    digest: bytes


class Claimed(NamedTuple):
    """One outbox row in a publisher's hands."""

    id: int
    key: str
    topics: list[str]
    headers: dict[str, str]
    value: bytes


class UserTransaction:
    """One transaction on behalf of one user, who sees and changes nobody else's rows."""

    def __init__(self, connection: Connection[Any], user_id: str) -> None:
        self._connection = connection
        self._user_id = user_id
        connection.execute(_TASKS["as_user"], {"user_id": user_id})

    def read_task(self, task_id: int) -> Task | None:
        return self._task("read_task", task_id=task_id)

    def lock_task(self, task_id: int) -> Task | None:
        return self._task("lock_task", task_id=task_id)

    def lock_latest_after(self, series_id: int, occurrence: int) -> Task | None:
        return self._task("lock_latest_after", series_id=series_id, occurrence=occurrence)

    def list_tasks(self, filters: Mapping[str, Any], sort: Sort, beyond: Mark | None, limit: int) -> list[Task]:
        descending = sort.startswith("-")
        query = sql.SQL(_TASKS["list_tasks"]).format(
            key=sql.SQL(_SORT_KEYS[sort.lstrip("-")]),
            direction=sql.SQL("DESC" if descending else "ASC"),
            beyond=sql.SQL("<" if descending else ">"),
        )
        mark = {"mark_key": beyond.key if beyond else None, "mark_id": beyond.task_id if beyond else None}
        rows = self._connection.cursor(row_factory=kwargs_row(Task.model_construct))
        return rows.execute(query, {**filters, **mark, "limit": limit}).fetchall()

    def lock_series(self, series_id: int) -> Series | None:
        """Take a series. Lock order: the task first, then its series."""
        rows = self._connection.cursor(row_factory=kwargs_row(Series.model_construct))
        return rows.execute(_TASKS["lock_series"], {"series_id": series_id}).fetchone()

    def insert_task(self, task: Task) -> None:
        self._connection.execute(_TASKS["insert_task"], self._row(task))

    def update_task(self, task: Task) -> None:
        self._connection.execute(_TASKS["update_task"], self._row(task))

    def delete_task(self, task: Task) -> None:
        self._connection.execute(_TASKS["delete_task"], {"task_id": task.task_id})
        if task.series_id is not None:
            self._connection.execute(_TASKS["delete_empty_series"], {"series_id": task.series_id})

    def insert_series(self, series: Series) -> None:
        self._connection.execute(_TASKS["insert_series"], self._series_row(series))

    def update_series(self, series: Series) -> None:
        self._connection.execute(_TASKS["update_series"], self._series_row(series))

    def insert_outbox(self, event: Outgoing) -> None:
        _insert_outbox(self._connection, event)

    def claim_inbox(self, key: InboxKey, digest: bytes, keep: timedelta) -> Receipt:
        """Count an HTTP command in, waiting for another delivery of it. Raises Busy when that takes too long."""
        return _count_attempt(self._connection, key, digest, keep)

    def lock_inbox(self, key: InboxKey) -> Receipt | None:
        row = self._connection.execute(_INBOX["lock_inbox"], key._asdict()).fetchone()
        return Receipt._make(row) if row else None

    def answer_inbox(self, key: InboxKey, status: int, answer: dict[str, Any] | None) -> None:
        _answer_inbox(self._connection, key, status, answer)

    def _task(self, name: str, **parameters: Any) -> Task | None:
        rows = self._connection.cursor(row_factory=kwargs_row(Task.model_construct))
        return rows.execute(_TASKS[name], parameters).fetchone()

    def _row(self, task: Task) -> dict[str, Any]:
        return {**task.__dict__, "user_id": self._user_id, "deadline": task.deadline}

    def _series_row(self, series: Series) -> dict[str, Any]:
        return {**series.__dict__, "user_id": self._user_id, "template": Jsonb(series.template)}


class SystemTransaction:
    """One transaction on behalf of the pack itself: attempts, publishing, purging. No task is visible here."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def without_flush(self) -> None:
        """Losing this transaction in a crash of the database costs a repeat, no more."""
        self._connection.execute("SELECT set_config('synchronous_commit', 'off', true)")

    def count_attempt(self, key: InboxKey, digest: bytes, keep: timedelta) -> Receipt:
        return _count_attempt(self._connection, key, digest, keep)

    def uncount_attempt(self, key: InboxKey) -> None:
        self._connection.execute(_INBOX["uncount_attempt"], key._asdict())

    def answer_inbox(self, key: InboxKey, status: int, answer: dict[str, Any] | None) -> None:
        _answer_inbox(self._connection, key, status, answer)

    def forget_inbox(self, key: InboxKey) -> None:
        self._connection.execute(_INBOX["forget_inbox"], key._asdict())

    def purge_inbox(self, batch: int) -> int:
        """Delete up to `batch` rows that are past their time; how many there were."""
        return self._connection.execute(_INBOX["purge_inbox"], {"batch": batch}).rowcount

    def insert_outbox(self, event: Outgoing) -> None:
        _insert_outbox(self._connection, event)

    def claim_outbox(self, limit: int, failed: Sequence[int]) -> list[Claimed]:
        """The oldest row of each key, locked until this transaction ends, without those in other hands."""
        self._connection.execute(_OUTBOX["prepare_publishing"])
        rows = self._connection.execute(_OUTBOX["claim_outbox"], {"limit": limit, "failed": list(failed)})
        return [Claimed._make(row) for row in rows.fetchall()]

    def delete_outbox(self, ids: Sequence[int]) -> None:
        self._connection.execute(_OUTBOX["delete_outbox"], {"ids": list(ids)})


class Database:
    """The two logins, each with a pool that opens its first connection when one is needed."""

    def __init__(self, *, user_url: str, system_url: str, pool_size: int, timeout: float) -> None:
        self._user = _pool(user_url, pool_size, timeout)
        self._system = _pool(system_url, pool_size, timeout)
        self._ids: list[int] = []
        self._ids_lock = Lock()

    @contextmanager
    def as_user(self, user_id: str) -> Iterator[UserTransaction]:
        """A transaction for this user; commits at the end, rolls back on an exception.

        Raises Unavailable or Busy, and nothing else of the driver's for reasons outside this code.
        """
        with _transaction(self._user) as connection:
            yield UserTransaction(connection, user_id)

    @contextmanager
    def as_system(self) -> Iterator[SystemTransaction]:
        with _transaction(self._system) as connection:
            yield SystemTransaction(connection)

    def new_task_id(self) -> int:
        """An id for a task to be created, from a few that were reserved in one round trip."""
        with self._ids_lock:
            if not self._ids:
                with _transaction(self._user) as connection:
                    rows = connection.execute(_TASKS["reserve_task_ids"], {"count": _IDS_AHEAD}).fetchall()
                self._ids = sorted((row[0] for row in rows), reverse=True)
            return self._ids.pop()

    def close(self) -> None:
        self._user.close()
        self._system.close()


def _pool(url: str, size: int, timeout: float) -> ConnectionPool[Connection[Any]]:
    return ConnectionPool(
        url,
        min_size=0,
        max_size=size,
        timeout=timeout,
        max_waiting=0,
        max_idle=60,
        reconnect_timeout=timeout,
        num_workers=1,
        check=_not_hung_up,
        kwargs={"prepare_threshold": None, "connect_timeout": max(2, int(timeout))},
        open=True,
    )


def _not_hung_up(connection: Connection[Any]) -> None:
    """A server that closed an idle connection has left an end-of-file to read. Costs no round trip."""
    if select.select([connection.fileno()], [], [], 0)[0]:
        raise psycopg.OperationalError("the server closed the connection")


@contextmanager
def _transaction(pool: ConnectionPool[Connection[Any]]) -> Iterator[Connection[Any]]:
    try:
        with pool.connection() as connection, connection.pipeline():
            yield connection
            connection.commit()
    except (
        errors.LockNotAvailable,
        errors.DeadlockDetected,
        errors.SerializationFailure,
        errors.UniqueViolation,
    ) as error:
        raise Busy(type(error).__name__) from error
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        PoolTimeout,
        PoolClosed,
        TooManyRequests,
    ) as error:
        raise Unavailable(type(error).__name__) from error


def _count_attempt(connection: Connection[Any], key: InboxKey, digest: bytes, keep: timedelta) -> Receipt:
    parameters = {**key._asdict(), "digest": digest, "keep": keep}
    row = connection.execute(_INBOX["count_attempt"], parameters).fetchone()
    assert row is not None
    return Receipt._make(row)


def _answer_inbox(connection: Connection[Any], key: InboxKey, status: int, answer: dict[str, Any] | None) -> None:
    parameters = {**key._asdict(), "status": status, "answer": Jsonb(answer) if answer is not None else None}
    connection.execute(_INBOX["answer_inbox"], parameters)


def _insert_outbox(connection: Connection[Any], event: Outgoing) -> None:
    connection.execute(
        _OUTBOX["insert_outbox"],
        {
            "key": event.key,
            "topics": list(event.topics),
            "headers": Jsonb(event.headers),
            "value": event.value,
        },
    )
