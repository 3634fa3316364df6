"""The plans of lists of a user with many tasks: never through the whole table, never by sorting all of the tasks.

The tasks are those of the benchmark (tests/programs/bench/seeding.py), in a database of their own.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from taskmaster.database import lists
from taskmaster.domain.paging import Sort
from tests.programs.bench import seeding
from tests.programs.bench.list_plans import Step, faults, plans, read
from tests.programs.bench.list_shapes import FILTERS, SORTS, cursor_at
from tests.support.explaining import nodes
from tests.support.own_database import migrated_database
from tests.support.sizes import THOROUGH

pytestmark = pytest.mark.long  # what is set up for this file takes seconds, and one worker does it once

TASKS = 20_000
OF_THE_CALLER = 10_000


@pytest.fixture(scope="module")
def seeded(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with migrated_database(environment) as own:
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
            assert read(seeded, {"sort": sort, **filters, "cursor": cursor}).scans == 0, name


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_without_filters_reads_no_more_than_it_shows(seeded: dict[str, str], sort: Sort) -> None:
    for status in ("open", "completed", "all"):
        [(_, plan)] = plans(seeded, {"sort": sort, "status": status, "cursor": middle(seeded, sort)})
        scans = [node for node in nodes(plan) if node["Node Type"] == "Index Scan"]
        assert sum(scan["Actual Rows"] for scan in scans) <= 21 + 2
        assert not any(scan.get("Rows Removed by Filter") for scan in scans), scans


@pytest.mark.parametrize("filters", [{"text": seeding.ABSENT_WORD}, {"tag": [seeding.ABSENT_TAG]}])
def test_what_is_absent_is_looked_up_in_the_index(seeded: dict[str, str], filters: dict[str, Any]) -> None:
    walk, *searches = plans(seeded, {"sort": "-created_at", **filters})
    assert sum(node["Actual Rows"] for node in nodes(walk.plan) if node["Node Type"] == "Index Scan") < 1100
    for search in searches:
        assert not any(node["Actual Rows"] for node in nodes(search.plan) if node.get("Relation Name") == "task")
    assert read(seeded, {"sort": "-created_at", **filters}).rows < 1100


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at", "due", "-due"])
def test_of_a_range_of_due_dates_no_other_task_is_read(seeded: dict[str, str], sort: Sort) -> None:
    for bounds in ({"due_from": "2025-01-01", "due_to": "2025-04-30"}, {"due_to": "2020-01-01"}, {"status": "overdue"}):
        found = plans(seeded, {"sort": sort, **bounds, "cursor": middle(seeded, sort)})
        assert [step.name for step in found] == ["walk"]
        assert read(seeded, {"sort": sort, **bounds, "cursor": middle(seeded, sort)}).rows <= 2 * 22


def test_of_thousands_of_tasks_with_a_term_a_page_reads_a_part(
    seeded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most have it, so a walk would find the page: there is none here."""
    monkeypatch.setattr(lists, "_LEAST_WALK", 0)
    monkeypatch.setattr(lists, "_WALK_A_TASK", 0)
    for sort in SORTS:
        for cursor in (None, middle(seeded, sort)):
            found = read(seeded, {"sort": sort, "text": "re", "cursor": cursor})
            assert found.scans == 0
            assert found.rows < OF_THE_CALLER / 5, (sort, found)


def test_thousands_of_tasks_behind_others_are_not_sorted(
    seeded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A common priority, of which none is among the first tasks: there are none of those here."""
    monkeypatch.setattr(lists, "_LEAST_WALK", 0)
    monkeypatch.setattr(lists, "_WALK_A_TASK", 1)
    monkeypatch.setattr(lists, "_FURTHER", 1)
    monkeypatch.setattr(lists, "_MANY", 100)
    for sort in ("-created_at", "updated_at", "title", "due"):
        asked = {"sort": sort, "priority": ["low", "high"]}
        found = plans(seeded, asked)
        assert [step.name for step in found] == ["walk", "search", "walk"]
        assert read(seeded, asked).rows < 1_000


def test_a_sort_a_scan_and_workers_are_told() -> None:
    below = {"Node Type": "Seq Scan", "Relation Name": "task", "Actual Rows": 10.0}
    plan = {"Node Type": "Gather Merge", "Plans": [{"Node Type": "Incremental Sort", "Plans": [below]}]}
    assert len(faults([Step("walk", plan)], of_the_caller=100)) == 3
    assert len(faults([Step("search", plan)], of_the_caller=100)) == 2
    assert len(faults([Step("search", plan)], of_the_caller=10)) == 3
