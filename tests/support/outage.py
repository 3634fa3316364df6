"""A hand on the database that functions use: it ends, comes back, is locked, crowded and cut off."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import requests

from knative.local.embedded import Server, postgres
from tests.support.command_line import prepare
from tests.support.function_process import FunctionProcess


@dataclass
class Around:
    """Functions on one database, and a hand on that database."""

    environment: dict[str, str]
    user: str = field(default_factory=lambda: f"user-{uuid4()}")

    def function(self, name: str, **settings: str) -> FunctionProcess:
        return FunctionProcess(name, self.environment | settings)

    def task(self) -> int:
        """A task of the user."""
        with self.function("create-task") as function:
            return int(function.call("POST", "/tasks", {"title": "a task"}, user=self.user).json()["task_id"])

    def title(self, task_id: int) -> str:
        [(title,)] = self.sql("SELECT title FROM task WHERE task_id = %s", task_id)
        return str(title)

    def attempts(self, event_id: str) -> list[tuple[int, int | None]]:
        """Attempts and status of an event in the inbox, if it was ever counted."""
        rows = self.sql("SELECT attempts, status FROM inbox WHERE id = %s AND user_id = %s", event_id, self.user)
        return [(int(attempts), status) for attempts, status in rows]

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def locked(self, task_id: int) -> Iterator[None]:
        """Somebody else has the task in hand."""
        with psycopg.connect(self.environment["MIGRATION_DATABASE_URL"]) as connection:
            connection.execute("SELECT FROM task WHERE task_id = %s FOR UPDATE", [task_id])
            yield
            connection.rollback()

    def waiting(self) -> list[int]:
        """The server processes that wait for what is locked."""
        return [pid for (pid,) in self.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")]

    def cut_off(self, condition: str) -> int:
        """End the functions' connections, as an administrator or a failover does; how many there were."""
        ended = self.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE usename LIKE 'taskmaster_%%' AND {condition}"
        )
        return len(ended)


def in_background(call: Any) -> "Future[requests.Response]":
    pool = ThreadPoolExecutor(1)
    future: Future[requests.Response] = pool.submit(call)
    pool.shutdown(wait=False)
    return future


class MortalDatabase:
    """A PostgreSQL that ends and comes back, with what it had, under its address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running = contextlib.ExitStack()
        self._port = 0

    def start(self) -> Server:
        server = self._running.enter_context(postgres(self._directory, port=self._port, durable=False))
        self._port = server.port
        return server

    def stop(self) -> None:
        self._running.close()

    @classmethod
    @contextlib.contextmanager
    def around(cls, environment: Mapping[str, str]) -> Iterator[tuple["MortalDatabase", dict[str, str]]]:
        """One with the schema in it, started, and what functions on it are configured with."""
        with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
            Path(name).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
            database = cls(Path(name) / "database")
            try:
                server = database.start()
                logins = {
                    "MIGRATION_DATABASE_URL": server.url,
                    "DATABASE_URL": server.login("taskmaster_user", "secret", "postgres"),
                    "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", "postgres"),
                }
                prepare({**environment, **logins}, "migrate")
                yield database, {**environment, **logins}
            finally:
                database.stop()
