"""What PostgreSQL does for a list: the plans of its queries, and how many tasks they read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import kwargs_row

from taskmaster.database import lists
from taskmaster.domain.paging import ListTasks, position_of
from tests.programs.bench import seeding
from tests.support.explaining import Explaining, Plan, nodes

_READ = "SELECT seq_scan AS scans, idx_tup_fetch AS rows FROM pg_stat_xact_user_tables WHERE relname = 'task'"


class Step(NamedTuple):
    """`name` is walk or search; a sample counts as a search."""

    name: str
    plan: Plan


class Read(NamedTuple):
    """Scans of the whole table, and rows of it that were fetched by an index; those that functions read included."""

    scans: int
    rows: int


def plans(environment: Mapping[str, str], asked: Mapping[str, Any]) -> list[Step]:
    """Of each query of the list, for the seeded caller."""
    with _as_caller(environment) as connection:
        explaining = _Steps(connection)
        _read_page(explaining, asked)
    return [Step(name, plan) for name, plan in zip(explaining.names, explaining.plans, strict=True)]


def read(environment: Mapping[str, str], asked: Mapping[str, Any]) -> Read:
    """How much of the table the list reads, for the seeded caller."""
    with _as_caller(environment) as connection:
        _read_page(_Plain(connection), asked)
        return connection.cursor(row_factory=kwargs_row(Read)).execute(_READ).fetchall()[0]


def faults(found: list[Step], *, of_the_caller: int) -> list[str]:
    """What in the plans of one list would grow with all of the user's tasks: none of it is to be there."""
    told = []
    for name, plan in found:
        for node in nodes(plan):
            kind = node["Node Type"]
            if kind == "Seq Scan" and node.get("Relation Name") == "task":
                told.append(f"{name}: a scan of the whole table")
            if kind.startswith("Gather"):
                told.append(f"{name}: parallel workers")
            # The walk sorts nothing; the search sorts what passes the filters.
            if kind.endswith("Sort") and (name == "walk" or node["Plans"][0]["Actual Rows"] > of_the_caller / 2):
                told.append(f"{name}: a sort of {node['Plans'][0]['Actual Rows']:.0f} tasks")
    return told


class _Plain:
    """A transaction as read_page reads by it."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.later: Callable[..., Any] = connection.execute
        self._connection = connection

    def fetch(self, query: Any, parameters: Any, rows: Any) -> list[Any]:
        return self._connection.cursor(row_factory=rows).execute(query, parameters).fetchall()

    fetch_bound = fetch


class _Steps(Explaining):
    """Notes which step each query belongs to, which the settings before it say."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        super().__init__(connection)
        self.names: list[str] = []

    def later(self, query: Any, parameters: Any = None) -> None:
        super().later(query, parameters)
        self.names.append("walk" if "'enable_sort', 'off'" in query.as_string(None) else "search")


@contextmanager
def _as_caller(environment: Mapping[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("SELECT set_config('taskmaster.user_id', %s, true)", [seeding.CALLER])
        yield connection
        connection.rollback()


def _read_page(session: Any, asked: Mapping[str, Any]) -> None:
    command = ListTasks.model_validate(asked)
    filters = command.filters(now=seeding.NOW)
    lists.read_page(session, filters, command.sort, position_of(command), command.limit + 1)
