"""The lists that are asked for of seeded tasks: each filter with common, rare and absent values, in each order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import psycopg

from taskmaster.database.lists import key_of
from taskmaster.database.queries import columns
from taskmaster.domain.paging import ListTasks, Sort, page
from taskmaster.domain.task import Task
from tests.programs.bench import seeding

SORTS: tuple[Sort, ...] = get_args(Sort)
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "open": {"status": "open"},
    "completed": {"status": "completed"},
    "overdue": {"status": "overdue"},
    "priority, common": {"priority": ["medium"]},
    "priority, rare": {"priority": ["urgent"]},
    "two priorities": {"priority": ["low", "urgent"]},
    "priority and status": {"priority": ["high"], "status": "open"},
    "tag, common": {"tag": [seeding.COMMON_TAG]},
    "tag, rare": {"tag": [seeding.RARE_TAG]},
    "tag, absent": {"tag": [seeding.ABSENT_TAG]},
    "two tags": {"tag": [seeding.COMMON_TAG, "garden"]},
    "text, common": {"text": seeding.COMMON_WORD},
    "text, 1 in 200": {"text": seeding.MIDDLING_WORD},
    "text, rare": {"text": seeding.RARE_WORD},
    "text, part of a rare word": {"text": seeding.RARE_WORD[2:-1]},
    "text, two words": {"text": "milk with"},
    "text, absent": {"text": seeding.ABSENT_WORD},
    "text, one letter": {"text": "e"},
    "text, an absent letter": {"text": "\u00f8"},
    "text, two letters": {"text": "gu"},
    "text, digits": {"text": "4711"},
    "text, in Greek capitals": {"text": "\u039f\u0394\u03cc\u03a3"},
    "text, one Chinese character": {"text": "\u725b"},
    "text and tag": {"text": "bread", "tag": ["garden"]},
    "text, tag, priority and status": {"text": "bread", "tag": ["garden"], "priority": ["high"], "status": "open"},
    "due in one week": {"due_from": "2026-01-05", "due_to": "2026-01-11"},
    "due in four months long ago": {"due_from": "2025-01-01", "due_to": "2025-04-30"},
    "due from a moment": {"due_from": "2026-11-20T00:00:00Z"},
    "due before all": {"due_to": "2020-01-01"},
    "overdue and urgent": {"status": "overdue", "priority": ["urgent"]},
}
DEPTHS = {"first page": 0.0, "half-way": 0.5, "last tenth": 0.9}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One list: its name, its query string and how deep in the order it begins."""

    name: str
    asked: dict[str, Any]


def shapes(url: str, of_the_caller: int) -> Iterator[Shape]:
    """All combinations; the cursors are made from the tasks that are there. `url` is the login of the owner."""
    with psycopg.connect(url, autocommit=True) as connection:
        for sort in SORTS:
            for depth, share in DEPTHS.items():
                cursor = cursor_at(connection, sort, int(of_the_caller * share)) if share else None
                for name, filters in FILTERS.items():
                    asked = {"sort": sort, **filters, **({"cursor": cursor} if cursor else {})}
                    yield Shape(name=f"{name}; {sort}; {depth}", asked=asked)


def cursor_at(connection: "psycopg.Connection[Any]", sort: Sort, offset: int) -> str | None:
    """The cursor behind the caller's task at this place of an order."""
    direction = "DESC" if sort.startswith("-") else "ASC"
    key = key_of(sort).as_string(None)  # as the columns, of a closed table
    query = (
        f"SELECT {', '.join(columns()['task_fixed'] + columns()['task_state'])} FROM task WHERE user_id = %s"
        f" ORDER BY {key} {direction}, task_id {direction} OFFSET %s LIMIT 1"
    )
    cursor = connection.cursor(row_factory=psycopg.rows.kwargs_row(Task.model_construct))
    found = cursor.execute(query.encode(), [seeding.CALLER, offset]).fetchall()
    return page(ListTasks.model_validate({"sort": sort, "limit": 1}), found * 2).next_cursor
