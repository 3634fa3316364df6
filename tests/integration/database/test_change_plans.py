"""The plans of the change feed, of histories and of a series: each reads what it returns by an index."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from taskmaster.database import history, lists
from taskmaster.database.changes import read_changes
from taskmaster.domain.changes import ChangePosition, Found, read_on
from taskmaster.domain.paging import ListTasks
from tests.support.change_feed import INSERT, written
from tests.support.explaining import Explaining, Plan, nodes
from tests.support.own_database import migrated_database

pytestmark = pytest.mark.long  # what is set up for this file takes seconds, and one worker does it once

USER, STRANGERS = "ada", 20
LIMIT = 100
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT_ONCE = 500  # tasks that one transaction writes
SERIES, ALONE = 1, 2  # of many occurrences, and of one


@pytest.fixture(scope="module")
def crowded(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Most tasks, deletions and entries are of one user, for whom the planner would rather read whole tables."""
    with migrated_database(environment) as own:
        for number in range(40):
            written(own, INSERT, user=USER, count=AT_ONCE)
            written(own, INSERT, user=f"stranger-{number % STRANGERS}", count=50)
            written(own, f"DELETE FROM task WHERE mod(task_id, 4) = 0 AND task_id > {number} * 550")
        written(
            own,
            "INSERT INTO task_history (user_id, task_id, version, at, action, door, changed)"
            " SELECT CASE WHEN mod(n, 10) = 0 THEN 'bob' ELSE 'ada' END, mod(n, 30) + 1, n, now(), 'task.updated',"
            " 'call', '{}'"
            " FROM generate_series(1, 30000) n",
        )
        written(
            own,
            "INSERT INTO series (series_id, user_id, recurrence_pattern, recurrence_from, time_zone, starts_on, anchor,"
            " template, head, position, previous_position)"
            " SELECT n, 'ada', 'daily', 'due', 'UTC', '2026-01-01', 0, '{}', 1, 1, 0 FROM generate_series(1, 2) n",
        )
        written(
            own,
            "UPDATE task SET series_id = 1, occurrence = task_id, completed = true, completed_at = now()"
            " WHERE user_id = 'ada' AND mod(task_id, 20) = 1",
        )
        written(own, "UPDATE task SET series_id = 2, occurrence = 1 WHERE task_id = 2")
        written(own, "VACUUM ANALYZE")
        yield own


@contextmanager
def explaining(environment: dict[str, str], user: str = USER) -> Iterator[Explaining]:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("SELECT set_config('taskmaster.user_id', %s, true)", [user])
        yield Explaining(connection)
        connection.rollback()


def read_rows(plan: Plan, table: str) -> float:
    """How many rows of a table it read, those that a filter dropped included."""
    found = 0.0
    for node in nodes(plan):
        if node.get("Relation Name") == table:
            assert node["Node Type"] in ("Index Scan", "Index Only Scan"), node
            found += node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    return found


def page(environment: dict[str, str], position: ChangePosition | None, user: str = USER) -> tuple[Found, Plan]:
    with explaining(environment, user) as session:
        found = read_changes(session, position, LIMIT + 1)  # type: ignore[arg-type]  # all of a session that it uses
    return found, session.plans[0]


def beginning(environment: dict[str, str]) -> ChangePosition:
    """Before all but the first transaction: so far behind that everything is returned."""
    found, _ = page(environment, None)
    first = found.changes[0].in_transaction
    return ChangePosition(found.epoch, found.now.below(first + 1))


def at_once(environment: dict[str, str]) -> None:
    return None


@pytest.mark.parametrize("begin", [at_once, beginning])
@pytest.mark.parametrize("pages", [1, 2, 60])
def test_a_page_reads_about_as_many_rows_as_it_returns(
    crowded: dict[str, str], begin: Callable[[dict[str, str]], ChangePosition | None], pages: int
) -> None:
    position = begin(crowded)
    for _ in range(pages):
        found, plan = page(crowded, position)
        assert len(found.changes) == LIMIT + 1
        _, position, more = read_on(position, found, limit=LIMIT)
        assert more
    assert read_rows(plan, "task") <= 2 * (LIMIT + 1) + 1 + AT_ONCE, "found, read whole, and what one transaction wrote"
    assert read_rows(plan, "deleted_task") <= LIMIT + 2 + AT_ONCE


@pytest.mark.parametrize("user", [USER, "stranger-1", "nobody"])
def test_a_look_that_finds_nothing_reads_next_to_nothing(crowded: dict[str, str], user: str) -> None:
    found, _ = page(crowded, None, user)
    found, plan = page(crowded, ChangePosition(found.epoch, found.kept), user)
    assert found.changes == []
    assert read_rows(plan, "task") + read_rows(plan, "deleted_task") <= 4


def test_a_page_of_a_history_reads_what_it_returns(crowded: dict[str, str]) -> None:
    for before in (2**31, 15_000):
        with explaining(crowded) as session:
            found = history.read_history(session, 7, before, LIMIT)  # type: ignore[arg-type]
        assert len(found) == LIMIT
        assert read_rows(session.plans[0], "task_history") == LIMIT
        assert "Sort" not in {node["Node Type"] for node in nodes(session.plans[0])}


@pytest.mark.parametrize(("series_id", "most"), [(SERIES, 2_000), (ALONE, 2)])
def test_the_tasks_of_a_series_are_found_by_its_index(crowded: dict[str, str], series_id: int, most: int) -> None:
    command = ListTasks.model_validate({"series_id": series_id, "status": "all"})
    with explaining(crowded) as session:
        found = lists.read_page(session, command.filters(now=NOW), command.sort, None, 20)  # type: ignore[arg-type]
    assert found
    [plan] = session.plans
    scans = [node for node in nodes(plan) if "Scan" in node["Node Type"] and node.get("Index Name")]
    assert "task_of_series" in {node["Index Name"] for node in scans}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= most
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}


def test_who_has_news_is_looked_up_by_the_index(crowded: dict[str, str]) -> None:
    """The body of users_with_changes, as its owner runs it."""
    users = [USER, "nobody", *(f"stranger-{number}" for number in range(STRANGERS))]
    position = beginning(crowded)
    for since, expected in ((position.since, STRANGERS + 1), (page(crowded, None)[0].now, 0)):
        with psycopg.connect(crowded["MIGRATION_DATABASE_URL"]) as owner:
            [(body,)] = owner.execute("SELECT prosrc FROM pg_proc WHERE proname = 'users_with_changes'").fetchall()
            for setting in ("enable_seqscan", "enable_bitmapscan", "jit"):
                owner.execute(f"SET {setting} = off".encode())
            session = Explaining(owner)
            asked = body.replace("unnest(user_ids, snapshots)", "unnest(%(users)s::text[], %(snapshots)s::text[])")
            parameters = {"users": users, "snapshots": [str(since)] * len(users)}
            found = session.fetch(asked, parameters, psycopg.rows.tuple_row)
            owner.rollback()
        assert len(found) == expected
        rows = read_rows(session.plans[0], "task") + read_rows(session.plans[0], "deleted_task")
        assert rows <= len(users), "at most one change of each"
