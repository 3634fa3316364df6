"""The plans of a list: what PostgreSQL does for each of its queries, and what of that grows with the user's tasks."""

from collections.abc import Mapping
from typing import Any

import psycopg

from taskmaster.database import lists
from taskmaster.domain.paging import ListTasks, position_of
from tests.programs.bench import seeding
from tests.support.explaining import Explaining, Plan, nodes


def plans(environment: Mapping[str, str], asked: Mapping[str, Any]) -> list[Plan]:
    """Of the walk, and of the search if there was one, for the seeded caller."""
    command = ListTasks.model_validate(asked)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("SELECT set_config('taskmaster.user_id', %s, true)", [seeding.CALLER])
        explaining = Explaining(connection)
        lists.read_page(
            explaining,  # type: ignore[arg-type]  # all of a session that it uses
            command.filters(now=seeding.NOW),
            command.sort,
            position_of(command),
            command.limit + 1,
        )
        connection.rollback()
    return explaining.plans


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
