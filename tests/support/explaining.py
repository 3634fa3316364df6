"""The plans of the queries that code of taskmaster.database runs."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import ClientCursor

Plan = dict[str, Any]


class Explaining:
    """A transaction as taskmaster.database reads by it, which explains each query before it runs it."""

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

    fetch_bound = fetch_and_commit = fetch


def nodes(plan: Plan) -> Iterator[Plan]:
    """All nodes of a plan, from the top."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
