"""The plans of lists of a user with many tasks: never through the whole table, never by sorting all of the tasks.

The tasks are those of the benchmark (tests/programs/bench/seeding.py), in a database of their own.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from taskmaster.domain.paging import Sort
from tests.programs.bench import seeding
from tests.programs.bench.list_plans import faults, plans
from tests.programs.bench.list_shapes import FILTERS, SORTS, cursor_at
from tests.support.command_line import prepare
from tests.support.explaining import nodes
from tests.support.own_database import own_database
from tests.support.sizes import THOROUGH

TASKS = 20_000
OF_THE_CALLER = 10_000


@pytest.fixture(scope="module")
def seeded(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with own_database(environment) as own:
        prepare(own, "migrate")
        seeding.seed(
            own["MIGRATION_DATABASE_URL"], seeding.Seeding(tasks=TASKS, share=OF_THE_CALLER / TASKS, others=20)
        )
        yield own


def middle(environment: dict[str, str], sort: Sort) -> str | None:
    """The cursor that leads to the middle of an order."""
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        return cursor_at(connection, sort, OF_THE_CALLER // 2)


def filters_of(sort: Sort) -> dict[str, dict[str, Any]]:
    """A quarter of the filters for each order, another one for the next; in a thorough run all of them."""
    names = list(FILTERS) if THOROUGH else list(FILTERS)[SORTS.index(sort) % 4 :: 4]
    return {name: FILTERS[name] for name in names}


@pytest.mark.thorough
@pytest.mark.parametrize("sort", SORTS)
def test_no_list_reads_the_whole_table_or_sorts_all_tasks(seeded: dict[str, str], sort: Sort) -> None:
    for cursor in (None, middle(seeded, sort)):
        for name, filters in filters_of(sort).items():
            found = plans(seeded, {"sort": sort, **filters, "cursor": cursor})
            assert faults(found, of_the_caller=OF_THE_CALLER) == [], (name, json.dumps(found)[:5000])


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_without_filters_reads_no_more_than_it_shows(seeded: dict[str, str], sort: Sort) -> None:
    for status in ("open", "completed", "all"):
        [plan] = plans(seeded, {"sort": sort, "status": status, "cursor": middle(seeded, sort)})
        scans = [node for node in nodes(plan) if node["Node Type"] == "Index Scan"]
        assert sum(scan["Actual Rows"] for scan in scans) <= 21 + 2
        assert not any(scan.get("Rows Removed by Filter") for scan in scans), scans


@pytest.mark.parametrize("filters", [{"text": seeding.ABSENT_WORD}, {"tag": [seeding.ABSENT_TAG]}])
def test_what_is_absent_is_looked_up_in_the_index(seeded: dict[str, str], filters: dict[str, Any]) -> None:
    walk, search = plans(seeded, {"sort": "-created_at", **filters})
    assert sum(node["Actual Rows"] for node in nodes(walk) if node["Node Type"] == "Index Scan") < 1100
    assert not any(node["Actual Rows"] for node in nodes(search) if node.get("Relation Name") == "task")


def test_a_sort_a_scan_and_workers_are_told() -> None:
    below = {"Node Type": "Seq Scan", "Relation Name": "task", "Actual Rows": 10.0}
    plan = {"Node Type": "Gather Merge", "Plans": [{"Node Type": "Incremental Sort", "Plans": [below]}]}
    assert len(faults([plan], of_the_caller=100)) == 3
    assert len(faults([{"Node Type": "Result"}, plan], of_the_caller=100)) == 2
    assert len(faults([{"Node Type": "Result"}, plan], of_the_caller=10)) == 3
