"""A connection is opened ahead of the first transaction, which waits for it instead of opening another one."""

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import scalar_row

from knative.local.embedded import Server
from knative.local.processes import free_port
from taskmaster.database.session import Login, Unavailable
from tests.support.database_relay import DatabaseRelay
from tests.support.function_process import FunctionProcess, eventually


class HeldDatabase(DatabaseRelay):
    """Lets clients through once it is told to, and counts them."""

    def __init__(self, url: str, *, port: int = 0) -> None:
        super().__init__(url, port=port)
        self.clients = 0
        self.let_through = threading.Event()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.clients += 1
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        assert self.let_through.wait(30)
        self._let_through(client)


def one(login: Login) -> Any:
    with login.transaction() as session:
        return session.fetch("SELECT 1", {}, scalar_row)


def test_the_first_transaction_waits_for_the_connection_on_its_way(database_server: Server) -> None:
    with HeldDatabase.before(database_server.url) as database, ThreadPoolExecutor() as others:
        login = Login(database.url(database_server.url), size=4, timeout=30)
        login.connect_ahead()
        eventually(lambda: database.clients == 1, "a client")
        asked = others.submit(one, login)
        database.let_through.set()
        assert asked.result(30) == one(login) == [1]
        assert database.clients == 1
        login.close()


def test_a_connection_that_cannot_be_opened_is_told_to_who_waits_for_it(database_server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        login = Login(at(silent.getsockname()[1], database_server.url), size=1, timeout=2)
        login.connect_ahead()
        with pytest.raises(Unavailable):
            one(login)
        login.close()


def test_one_that_could_not_be_opened_fails_no_later_transaction(database_server: Server) -> None:
    port = free_port()
    login = Login(at(port, database_server.url), size=1, timeout=2)
    login.connect_ahead()
    eventually(lambda: login._opening and login._opening.done(), "the end of the attempt")
    with HeldDatabase.before(database_server.url, port=port) as database:
        database.let_through.set()
        assert one(login) == [1]
        login.close()


def at(port: int, url: str) -> str:
    """The same login at another port."""
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


def test_a_function_connects_while_it_starts(database_server: Server, environment: dict[str, str]) -> None:
    named = {**environment, "PGAPPNAME": "connects ahead"}
    with (
        FunctionProcess("create-task", named),
        psycopg.connect(database_server.url, autocommit=True, row_factory=scalar_row) as asking,
    ):
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        eventually(lambda: asking.execute(count, (named["PGAPPNAME"],)).fetchall() == [1], "its session")
