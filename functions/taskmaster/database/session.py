"""Transactions of PostgreSQL in as few messages as they allow, from a pool that opens connections when needed.

Statements are queued until the next read or the commit, and then sent together in one message of the simple query
protocol: one round trip. So a create is one and an update two. Nothing is prepared on the server and no session state
is kept, as a pooler in transaction mode (PgBouncer, Neon) requires. The client binds parameters as literals. A
statement with a secret is sent separately, with parameters of the protocol: the server may log a statement that fails.
"""

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg import ClientCursor, Connection, errors, sql
from psycopg.rows import RowFactory
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from taskmaster.errors import TaskmasterError
from taskmaster.log import count_round_trip
from taskmaster.telemetry import spans

Parameters = Mapping[str, Any]
_Row = TypeVar("_Row")
Query = LiteralString | sql.Composed


class Unavailable(TaskmasterError):
    """The database is away, starting, overloaded or out of connections. Try again later."""


class TooSlow(Unavailable):
    """A statement ran into its time limit."""


class Busy(TaskmasterError):
    """Another transaction holds a lock that this one needs. Try again at once."""


class StatementFailed(TaskmasterError):
    """The database refused a statement, which is an error in this code. The message has the kind and no value."""


class _Receiver(NamedTuple):
    """The callback that takes the rows of a queued query."""

    rows: RowFactory[Any]
    receive: Callable[[list[Any]], None]


class Session:
    """One transaction. Queued statements are sent with the next read, or with the commit."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._binder = ClientCursor(connection)
        self._beginning = ["BEGIN"]  # of each transaction: behind fetch_each_and_end there is a second one
        self._waiting = [*self._beginning]
        self._receivers: dict[int, _Receiver] = {}  # by the index of their statement in the queue
        self._has_checks = False  # whether a receiver may refuse the commit
        self.round_trips = 0

    def begin_with(self, query: Query, parameters: Parameters) -> None:
        """Begin with a statement without a result. To be called before any other."""
        self._beginning.append(self._binder.mogrify(query, parameters))
        self._waiting = [*self._beginning]

    def later(self, query: Query, parameters: Parameters | None = None) -> None:
        """Queue a statement without a result."""
        self._waiting.append(self._binder.mogrify(query, parameters))

    def fetch_later(
        self, query: Query, parameters: Parameters, rows: RowFactory[_Row], receive: Callable[[list[_Row]], None]
    ) -> None:
        """Queue a query. `receive` is called with its rows when they arrive: with the next read, or with the commit."""
        self._receivers[len(self._waiting)] = _Receiver(rows, receive)
        self.later(query, parameters)

    def check_later(
        self, query: Query, parameters: Parameters, rows: RowFactory[_Row], check: Callable[[list[_Row]], None]
    ) -> None:
        """The same, and the transaction does not commit before `check` has returned. What it raises rolls back."""
        self.fetch_later(query, parameters, rows, check)
        self._has_checks = True

    def fetch(self, query: Query, parameters: Parameters, rows: RowFactory[_Row]) -> list[_Row]:
        """The rows of a query, which is sent behind all that is queued."""
        [found] = self.fetch_each([(query, parameters, rows)])
        return found

    def fetch_each(self, reads: Sequence[tuple[Query, Parameters, RowFactory[Any]]]) -> list[list[Any]]:
        """The rows of each of several queries, in one round trip, sent behind all that is queued."""
        found = self._fetch_each_later(reads)
        self._send()
        return found

    def fetch_each_and_end(self, reads: Sequence[tuple[Query, Parameters, RowFactory[Any]]]) -> list[list[Any]]:
        """The same, and the end of a transaction that writes nothing, in one round trip: no check holds it up.

        What follows is another transaction, and sees what others have committed meanwhile.
        """
        found = self._fetch_each_later(reads)
        self._commit()
        return found

    def _fetch_each_later(self, reads: Sequence[tuple[Query, Parameters, RowFactory[Any]]]) -> list[list[Any]]:
        """A list that has the rows of each query once they have arrived."""
        found: list[list[Any]] = []
        for query, parameters, rows in reads:
            self.fetch_later(query, parameters, rows, found.append)
        return found

    def count(self, query: Query, parameters: Parameters) -> int:
        """How many rows a statement changed."""
        self.later(query, parameters)
        return self._send().rowcount

    def fetch_bound(self, query: Query, parameters: Parameters, rows: RowFactory[_Row]) -> list[_Row]:
        """The rows of a query that is sent separately, with protocol parameters, which the server does not log."""
        if self._waiting:
            self._send()
        self._count_round_trip()
        cursor = self._connection.cursor(row_factory=rows).execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def fetch_and_commit(self, query: Query, parameters: Parameters, rows: RowFactory[_Row]) -> list[_Row]:
        """The rows of a query that ends the transaction, in one round trip. They are returned once it has committed."""
        found: list[list[_Row]] = []
        self._send_checks()
        self.fetch_later(query, parameters, rows, found.append)
        self._commit()
        return found[0]

    def commit(self) -> None:
        self._send_checks()
        if self._waiting != self._beginning:
            self._commit()

    def _commit(self) -> None:
        self._waiting.append("COMMIT")
        self._send()
        self._waiting = [*self._beginning]  # a statement that follows is another transaction

    def _send_checks(self) -> None:
        """Send the queue where it has a check, which decides whether the transaction commits."""
        if self._has_checks:
            self._send()

    def _send(self) -> psycopg.Cursor[Any]:
        """Send the queue and pass the rows to their receivers. The cursor is at the result of the last statement."""
        statements, self._waiting = self._waiting, []
        receivers, self._receivers = self._receivers, {}
        self._has_checks = False
        self._count_round_trip()
        cursor = ClientCursor(self._connection).execute(";\n".join(statements).encode())
        for index in range(len(statements)):
            if index:
                cursor.nextset()
            if receiver := receivers.get(index):
                cursor.row_factory = receiver.rows
                receiver.receive(cursor.fetchall())
        return cursor

    def _count_round_trip(self) -> None:
        self.round_trips += 1
        count_round_trip()


class Login:
    """The connections of one database login."""

    def __init__(self, url: str, *, name: str = "transaction", size: int, timeout: float) -> None:
        """Connects when a transaction needs it, not before.

        A transaction is a span of this name. `timeout` in seconds bounds the wait for a connection.
        """
        self._name = name
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            url,
            min_size=0,
            max_size=size,
            timeout=timeout,
            max_idle=60,
            reconnect_timeout=timeout,
            num_workers=1,
            kwargs={"autocommit": True, "prepare_threshold": None, "connect_timeout": max(2, int(timeout))},
            open=True,
        )
        self._opening: Future[None] | None = None

    def connect_ahead(self) -> None:
        """Have a thread open the first connection. Returns at once; where it fails, a transaction tries again."""
        self._opening = opening = Future[None]()

        def connect() -> None:
            try:
                with self._pool.connection():
                    pass
            except Exception as error:
                opening.set_exception(error)
            else:
                opening.set_result(None)

        Thread(target=connect, name="connecting", daemon=True).start()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction that commits at the end of the block and rolls back on an exception.

        Raises Unavailable, Busy, and StatementFailed for an error in this code.
        """
        try:
            with spans.inner(self._name, "client") as span, self._connection() as connection:
                session = Session(connection)
                try:
                    yield session
                    session.commit()
                finally:
                    span.set({"db.system.name": "postgresql", "taskmaster.db.round_trips": session.round_trips})
        except errors.QueryCanceled as error:
            raise TooSlow(type(error).__name__) from error
        except (
            errors.LockNotAvailable,
            errors.DeadlockDetected,
            errors.SerializationFailure,
            errors.UniqueViolation,  # of keys that only two at once can both choose
        ) as error:
            raise Busy(type(error).__name__) from error
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests) as error:
            raise Unavailable(type(error).__name__) from error
        except psycopg.Error as error:  # its message quotes the statement, and with it what a user wrote
            raise StatementFailed(_without_values(error)) from None

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        """A connection that is open. The pool's own check waits ever longer, and after a failover all are closed."""
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.result()  # the pool would open another one beside it
        while True:
            with self._pool.connection() as connection:
                if _is_open(connection):
                    yield connection
                    return
                connection.close()  # so that the pool discards it

    def close(self) -> None:
        self._pool.close()


def _without_values(error: psycopg.Error) -> str:
    names = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    return " ".join([type(error).__name__, error.sqlstate or "", *filter(None, names)])


def _is_open(connection: Connection[Any]) -> bool:
    """Whether the server has not closed the idle connection, which would be readable. Takes no round trip."""
    return not select.select([connection.fileno()], [], [], 0)[0]
