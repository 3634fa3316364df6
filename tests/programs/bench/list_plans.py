"""The plans of a list: what PostgreSQL does for each of its queries, and what of that grows with the user's tasks."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import ClientCursor

from taskmaster.database import lists
from taskmaster.domain.paging import ListTasks, position_of
from tests.programs.bench import seeding

Plan = dict[str, Any]


class _Explaining:
    """A transaction as lists.py needs it, which explains each query before it runs it."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self.plans: list[Plan] = []

    def later(self, query: Any, parameters: Any = None) -> None:
        self._connection.execute(query, parameters)

    def fetch(self, query: Any, parameters: Any, rows: Any) -> list[Any]:
        bound = ClientCursor(self._connection).mogrify(query, parameters)
        [(plan,)] = self._connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {bound}".encode()).fetchall()
        self.plans.append((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
        return self._connection.cursor(row_factory=rows).execute(query, parameters).fetchall()

    fetch_bound = fetch


def plans(environment: Mapping[str, str], asked: Mapping[str, Any]) -> list[Plan]:
    """Of the walk, and of the search if there was one, for the seeded caller."""
    command = ListTasks.model_validate(asked)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("SELECT set_config('taskmaster.user_id', %s, true)", [seeding.CALLER])
        explaining = _Explaining(connection)
        lists.read_page(
            explaining,  # type: ignore[arg-type]  # all of a session that it uses
            command.filters(now=seeding.NOW),
            command.sort,
            position_of(command),
            command.limit + 1,
        )
        connection.rollback()
    return explaining.plans


def nodes(plan: Plan) -> Iterator[Plan]:
    """All nodes of a plan, from the top."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def faults(found: list[Plan], *, of_the_caller: int) -> list[str]:
    """What in the plans of one list would grow with all of the user's tasks: none of it is to be there."""
    told = []
    for step, plan in zip(("walk", "search"), found, strict=False):
        for node in nodes(plan):
            kind = node["Node Type"]
            if kind == "Seq Scan" and node.get("Relation Name") == "task":
                told.append(f"{step}: a scan of the whole table")
            if kind.startswith("Gather"):
                told.append(f"{step}: parallel workers")
            # The walk sorts nothing; the search sorts what passes the filters.
            if kind.endswith("Sort") and (step == "walk" or node["Plans"][0]["Actual Rows"] > of_the_caller / 2):
                told.append(f"{step}: a sort of {node['Plans'][0]['Actual Rows']:.0f} tasks")
    return told
