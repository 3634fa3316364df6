"""A session sends statements together: what its reads return, and when a transaction has committed."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import tuple_row

from taskmaster.database.session import Busy, Login, StatementFailed


@pytest.fixture
def login(environment: dict[str, str]) -> Iterator[Login]:
    url = environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE noted (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    one = Login(url, size=1, timeout=5)
    try:
        yield one
    finally:
        one.close()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE noted")


def noted(login: Login) -> list[int]:
    with login.transaction() as session:
        return [n for (n,) in session.fetch("SELECT n FROM noted ORDER BY n", {}, tuple_row)]


def test_rows_go_to_the_read_that_asked_for_them(login: Login) -> None:
    first: list[tuple[int]] = []
    with login.transaction() as session:
        session.later("INSERT INTO noted VALUES (1)")
        session.fetch_later("SELECT n FROM noted", {}, tuple_row, first.extend)
        session.later("INSERT INTO noted VALUES (2), (3)")
        assert first == []
        assert session.fetch("SELECT count(*) FROM noted", {}, tuple_row) == [(3,)]
        assert first == [(1,)]
        second: list[tuple[int]] = []
        session.fetch_later("SELECT max(n) FROM noted", {}, tuple_row, second.extend)
        assert session.count("DELETE FROM noted WHERE n < %(n)s", {"n": 3}) == 2
        assert second == [(3,)]
        session.fetch_later("SELECT min(n) FROM noted", {}, tuple_row, second.extend)
    assert second == [(3,), (3,)]
    assert noted(login) == [3]


def test_what_is_fetched_with_the_commit_has_committed(login: Login, environment: dict[str, str]) -> None:
    with login.transaction() as session:
        session.later("INSERT INTO noted VALUES (1)")
        rows = session.fetch_and_commit("INSERT INTO noted VALUES (%(n)s) RETURNING n", {"n": 2}, tuple_row)
        with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as another:
            assert another.execute("SELECT count(*) FROM noted").fetchone() == (2,)
    assert rows == [(2,)]


def test_a_commit_that_fails_returns_no_rows(login: Login) -> None:
    found = []

    def note_one_twice() -> None:
        with login.transaction() as session:
            session.later("INSERT INTO noted VALUES (1)")
            found.extend(session.fetch_and_commit("INSERT INTO noted VALUES (1) RETURNING n", {}, tuple_row))

    with pytest.raises(Busy):  # the key is checked at the commit
        note_one_twice()
    assert found == []
    assert noted(login) == []


def test_a_statement_that_fails_takes_the_commit_behind_it_along(login: Login) -> None:
    def fail() -> None:
        with login.transaction() as session:
            session.later("INSERT INTO noted VALUES (1)")
            session.fetch_and_commit("SELECT 1 / 0", {}, tuple_row)

    with pytest.raises(StatementFailed):
        fail()
    assert noted(login) == []


@pytest.mark.parametrize("is_read", [True, False])
def test_a_check_that_raises_rolls_back(login: Login, is_read: bool) -> None:
    found = []

    def refuse(rows: list[tuple[int]]) -> None:
        raise LookupError(rows)

    def write() -> None:
        with login.transaction() as session:
            session.check_later("SELECT 1", {}, tuple_row, refuse)
            session.later("INSERT INTO noted VALUES (1)")
            if is_read:
                found.extend(session.fetch("SELECT n FROM noted", {}, tuple_row))

    with pytest.raises(LookupError):
        write()
    assert found == []
    assert noted(login) == []
