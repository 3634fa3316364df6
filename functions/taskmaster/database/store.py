"""The store: PostgreSQL behind the two logins. Rules are elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskmaster.database.session import Login
from taskmaster.database.system_transaction import SystemTransaction
from taskmaster.database.user_transaction import UserTransaction


class Database:
    """The two logins: the user's, under row-level security, and the system's."""

    def __init__(self, *, user_url: str, system_url: str, pool_size: int, timeout: float) -> None:
        self._user = Login(user_url, name="user transaction", size=pool_size, timeout=timeout)
        self._system = Login(system_url, name="system transaction", size=pool_size, timeout=timeout)
        self._ids_ahead: list[int] = []

    @contextmanager
    def as_user(self, user_id: str) -> Iterator[UserTransaction]:
        """A transaction for this user. Raises Unavailable or Busy."""
        with self._user.transaction() as session:
            yield UserTransaction(session, user_id, self._ids_ahead)

    @contextmanager
    def as_system(self) -> Iterator[SystemTransaction]:
        """A transaction for the pack itself. Raises Unavailable or Busy."""
        with self._system.transaction() as session:
            yield SystemTransaction(session)

    def connect_ahead(self) -> None:
        """Have a thread open a connection for the first transaction of a user. Returns at once, and never raises."""
        self._user.connect_ahead()

    def user_of_calendar(self, digest: bytes) -> str | None:
        """Whose feed the secret with this digest opens; None for none. Raises Unavailable or Busy."""
        from taskmaster.database.calendar import user_of_calendar

        with self._user.transaction() as session:
            return user_of_calendar(session, digest)

    def close(self) -> None:
        self._user.close()
        self._system.close()
