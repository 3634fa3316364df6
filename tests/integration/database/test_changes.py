"""The change feed on PostgreSQL: transactions that overlap, and code that knows nothing of it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.change_feed import INSERT, asked
from tests.support.command_line import migrate
from tests.support.function_pack import Pack
from tests.support.sizes import size
from tests.support.task_copy import TaskCopy

SESSIONS, TASKS = 4, 5

# Transactions that overlap ------------------------------------------------------------------------------------------


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SESSIONS - 1), st.integers(0, TASKS - 1)),
        st.tuples(st.just("delete"), st.integers(0, SESSIONS - 1), st.integers(0, TASKS - 1)),
        st.tuples(st.sampled_from(["commit", "roll back", "take an id"]), st.integers(0, SESSIONS - 1), st.just(0)),
        st.tuples(st.sampled_from(["read a page", "catch up"]), st.just(0), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


class Schedule:
    """Sessions that write tasks while a reader reads: each step is taken where no session would wait for another."""

    def __init__(self, sessions: list["psycopg.Connection[Any]"], user: str) -> None:
        self._sessions, self._user = sessions, user
        self._holder: dict[int, int] = {}  # of which task which session holds the row
        self._ids: dict[int, int] = {}

    def take(self, step: str, number: int, task: int) -> None:
        session = self._sessions[number]
        match step:
            case "commit":
                session.commit()
                self._let_go(number)
            case "roll back":
                session.rollback()
                self._let_go(number)
            case "take an id":  # of a transaction: so it begins before others that commit before it
                session.execute("SELECT pg_current_xact_id()")
            case "write" | "delete" if self._holder.setdefault(task, number) == number:
                self._change(session, step, task)

    def _change(self, session: "psycopg.Connection[Any]", step: str, task: int) -> None:
        known = self._ids.get(task)
        if step == "delete":
            session.execute("DELETE FROM task WHERE task_id = %s", [known or 0])
            return
        changed = session.execute("UPDATE task SET version = version + 1 WHERE task_id = %s", [known or 0]).rowcount
        if not changed:
            [(self._ids[task],)] = session.execute(
                INSERT + " RETURNING task_id", {"user": self._user, "count": 1}
            ).fetchall()

    def _let_go(self, number: int) -> None:
        self._holder = {task: holder for task, holder in self._holder.items() if holder != number}

    def end(self) -> None:
        for session in self._sessions:
            session.commit()


@pytest.fixture
def sessions(environment: dict[str, str]) -> Iterator[list["psycopg.Connection[Any]"]]:
    opened: list[psycopg.Connection[Any]] = []
    try:
        for _ in range(SESSIONS):
            opened.append(psycopg.connect(environment["MIGRATION_DATABASE_URL"]))
        yield opened
    finally:
        for each in opened:
            each.close()


@pytest.mark.thorough
@pytest.mark.parametrize("limit", [1, 3])
def test_nothing_is_missed_or_told_twice_in_any_order_of_commits(
    environment: dict[str, str], sessions: list["psycopg.Connection[Any]"], limit: int
) -> None:
    user = ""
    ask = None

    @settings(max_examples=size(30, 120), suppress_health_check=list(HealthCheck), database=None)
    @given(steps=STEPS)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        nonlocal user, ask
        user = f"user-{uuid4()}"
        ask = asked(environment, user, limit)
        schedule, copy = Schedule(sessions, user), TaskCopy(ask)
        copy.read_page()
        for step in steps:
            if step[0] == "read a page":
                copy.read_page()
            elif step[0] == "catch up":
                copy.catch_up()
            else:
                schedule.take(*step)
        schedule.end()
        kept = {task_id: task["version"] for task_id, task in copy.catch_up().items()}
        there = sessions[0].execute("SELECT task_id, version FROM task WHERE user_id = %s", [user]).fetchall()
        sessions[0].rollback()
        assert kept == dict(there)
        assert all(times == 1 for times in copy.told.values()), "told twice"

    holds()


def test_a_transaction_that_is_open_hides_no_later_one(
    environment: dict[str, str], sessions: list["psycopg.Connection[Any]"]
) -> None:
    user = f"user-{uuid4()}"
    copy = TaskCopy(asked(environment, user, 100))
    copy.catch_up()
    sessions[0].execute(INSERT, {"user": user, "count": 1})
    sessions[1].execute(INSERT, {"user": user, "count": 1})
    sessions[1].commit()
    assert len(copy.catch_up()) == 1, "at once, though an earlier transaction is not over"
    sessions[0].commit()
    assert len(copy.catch_up()) == 2
    assert set(copy.told.values()) == {1}


def test_many_open_transactions_may_tell_a_change_twice_and_miss_none(environment: dict[str, str]) -> None:
    user = f"user-{uuid4()}"
    copy = TaskCopy(asked(environment, user, 100))
    copy.catch_up()
    opened = [psycopg.connect(environment["MIGRATION_DATABASE_URL"]) for _ in range(70)]
    try:
        for each in opened:
            each.execute(INSERT, {"user": user, "count": 1})
        for number in (69, *range(69)):
            opened[number].commit()
            copy.catch_up()
    finally:
        for each in opened:
            each.close()
    assert len(copy.catch_up()) == 70


# What was there before, and who knows nothing of it -----------------------------------------------------------------


def test_what_the_release_before_writes_is_told(pack: Pack, environment: dict[str, str]) -> None:
    copy = TaskCopy(asked(environment, pack.user, 2))
    old = pack.create(title="old")
    copy.catch_up()
    pack.sql("UPDATE task SET title = 'other', version = version + 1 WHERE task_id = %(id)s", id=old["task_id"])
    assert copy.catch_up()[old["task_id"]]["title"] == "other"
    pack.sql("DELETE FROM task WHERE task_id = %(id)s", id=old["task_id"])
    assert copy.catch_up() == {}


def test_a_text_that_is_folded_is_no_change(pack: Pack, environment: dict[str, str]) -> None:
    pack.create(title="Äpfel")
    copy = TaskCopy(asked(environment, pack.user, 2))
    copy.catch_up()
    pack.sql("UPDATE task SET search_version = NULL, search_title = NULL WHERE user_id = %(user)s", user=pack.user)
    migrate(environment)
    copy.catch_up()
    assert list(copy.told.values()) == [1]
