"""The plans of lists of a user with many tasks: never through the whole table, never by sorting all of the tasks.

The tasks are those of the benchmark (tests/programs/bench/seeding.py), in a database of their own.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor

from taskmaster.database import lists
from taskmaster.domain.paging import ListTasks, PagePosition, Sort, position_of
from tests.programs.bench import seeding
from tests.programs.bench.list_shapes import FILTERS, SORTS, cursor_at
from tests.support.command_line import taskmaster
from tests.support.own_database import own_database

TASKS = 20_000
OF_THE_CALLER = 10_000


@pytest.fixture(scope="module")
def seeded(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with own_database(environment) as own:
        taskmaster(own, "migrate")
        seeding.seed(
            own["MIGRATION_DATABASE_URL"], seeding.Seeding(tasks=TASKS, share=OF_THE_CALLER / TASKS, others=20)
        )
        yield own


class Explaining:
    """A transaction as lists.py needs it, which explains each query as it runs it."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self.plans: list[dict[str, Any]] = []

    def later(self, query: Any, parameters: Any = None) -> None:
        self._connection.execute(query, parameters)

    def fetch(self, query: Any, parameters: Any, rows: Any) -> list[Any]:
        bound = ClientCursor(self._connection).mogrify(query, parameters)
        [(plan,)] = self._connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {bound}".encode()).fetchall()
        self.plans.append((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
        return self._connection.cursor(row_factory=rows).execute(query, parameters).fetchall()

    fetch_bound = fetch


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def explained(environment: dict[str, str], asked: dict[str, Any], beyond: PagePosition | None = None) -> Explaining:
    command = ListTasks.model_validate(asked)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("SELECT set_config('taskmaster.user_id', %s, true)", [seeding.CALLER])
        explaining = Explaining(connection)
        lists.read_page(
            explaining,  # type: ignore[arg-type]  # all of a session that it uses
            command.filters(now=seeding.NOW),
            command.sort,
            beyond,
            command.limit + 1,
        )
        connection.rollback()
    return explaining


def middle(environment: dict[str, str], sort: Sort) -> PagePosition | None:
    """The place in the middle of an order, as a cursor that leads there says it."""
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        cursor = cursor_at(connection, sort, OF_THE_CALLER // 2)
    return position_of(ListTasks.model_validate({"sort": sort, "cursor": cursor}))


@pytest.mark.parametrize("sort", SORTS)
def test_no_list_reads_the_whole_table_or_sorts_all_tasks(seeded: dict[str, str], sort: Sort) -> None:
    for beyond in (None, middle(seeded, sort)):
        for name, filters in FILTERS.items():
            explaining = explained(seeded, {"sort": sort, **filters}, beyond)
            for step, plan in enumerate(explaining.plans):
                for node in nodes(plan):
                    shown = f"{name}, {sort}, step {step}: {json.dumps(node)[:3000]}"
                    assert not (node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "task"), shown
                    if node["Node Type"] in ("Sort", "Incremental Sort"):
                        # The walk sorts nothing; the search sorts what passes the filters.
                        assert step == 1, shown
                        assert node["Plans"][0]["Actual Rows"] < OF_THE_CALLER / 2, shown


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_without_filters_reads_no_more_than_it_shows(seeded: dict[str, str], sort: Sort) -> None:
    for status in ("open", "completed", "all"):
        [plan] = explained(seeded, {"sort": sort, "status": status}, middle(seeded, sort)).plans
        scans = [node for node in nodes(plan) if node["Node Type"] == "Index Scan"]
        assert sum(scan["Actual Rows"] for scan in scans) <= 21 + 2
        assert not any(scan.get("Rows Removed by Filter") for scan in scans), scans


@pytest.mark.parametrize("filters", [{"text": seeding.ABSENT_WORD}, {"tag": [seeding.ABSENT_TAG]}])
def test_what_is_absent_is_looked_up_in_the_index(seeded: dict[str, str], filters: dict[str, Any]) -> None:
    walk, search = explained(seeded, {"sort": "-created_at", **filters}).plans
    assert sum(node["Actual Rows"] for node in nodes(walk) if node["Node Type"] == "Index Scan") < 1100
    assert not any(node["Actual Rows"] for node in nodes(search) if node.get("Relation Name") == "task")
