"""Pages of tasks in two steps, so that none takes as long as its user has tasks.

A page begins with a walk: the first thousand tasks in the order, by an index that has this order, filtered. Where enough
of them pass, that is the page; and where the order ends within them. Only else is everything looked up that passes the
filters, by the most selective index, and sorted. PostgreSQL's planner would choose between these two by what it knows of
all users together, which is wrong for some; so each step leaves it no choice.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import RowFactory, kwargs_row

from taskmaster.database.queries import named
from taskmaster.database.session import Query, Session
from taskmaster.domain.paging import PRIORITIES, PagePosition, Sort
from taskmaster.domain.task import Task

_PIECES = {name: sql.SQL(text) for name, text in named("lists.sql").items()}
_LEAST_WALK = 1000  # rows, which take a few milliseconds
_WALK_A_TASK = 20  # rows for each task of a page: what one in twenty passes is found by the walk
_COMPLETED: Mapping[bool | None, Sequence[LiteralString]] = {
    None: ("NOT completed", "completed"),
    False: ("NOT completed",),
    True: ("completed",),
}


def read_page(
    session: Session, filters: Mapping[str, Any], sort: Sort, beyond: PagePosition | None, limit: int
) -> list[Task]:
    """Up to `limit` tasks of the transaction's user in an order, those beyond a mark."""
    shape = _Shape(filters, sort, beyond)
    walk = max(_LEAST_WALK, _WALK_A_TASK * limit)
    mark = {"mark_key": beyond.key if beyond else None, "mark_id": beyond.task_id if beyond else None}
    parameters = {**filters, **mark, "walk": walk, "limit": limit}
    walked = _read(session, "in_order", shape.walk(), parameters, kwargs_row(_placed))
    found = [task for place, task in walked if place <= walk]
    if len(found) == len(walked):
        return found
    return _read(session, "by_filter", shape.search(), parameters, kwargs_row(Task.model_construct))


def key_of(sort: Sort) -> sql.SQL:
    """What an order goes by, in SQL."""
    return _PIECES[sort.lstrip("-")]


def columns_of() -> sql.SQL:
    """The columns of a task, in SQL."""
    return _PIECES["columns"]


def _placed(*, place: int, **columns: Any) -> tuple[int, Task]:
    return place, Task.model_construct(**columns)


def _read(
    session: Session, prepared: str, query: Query, parameters: Mapping[str, Any], rows: RowFactory[Any]
) -> list[Any]:
    session.later(sql.Composed([_PIECES[prepared]]))
    # A search that runs into its time limit must not leave its text in the server's log.
    fetch = session.fetch_bound if parameters["text"] else session.fetch
    return fetch(query, parameters, rows)


class _Shape:
    """The queries for one combination of filters, order and mark."""

    def __init__(self, filters: Mapping[str, Any], sort: Sort, beyond: PagePosition | None) -> None:
        column, descending = sort.lstrip("-"), sort.startswith("-")
        self._filters = filters
        self._sort = column
        self._is_marked = beyond is not None
        self._names = {
            "key": _PIECES[column],
            "direction": sql.SQL("DESC" if descending else "ASC"),
            "beyond": sql.SQL("<" if descending else ">"),
            "columns": _PIECES["columns"],
            "filters": _PIECES["filters"],
        }

    def walk(self) -> sql.Composed:
        return self._composed("walk", branches=_union(self._walk_branches()))

    def search(self) -> sql.Composed:
        has_terms = bool(self._filters["text"] or self._filters["tags"])
        branches = (
            self._composed("search_branch", bounds=_all([*self._search_bounds(), *conditions]))
            for conditions in (
                [[_PIECES["among_ids"]]]
                if has_terms
                else [[sql.SQL(each)] for each in _COMPLETED[self._filters["completed"]]]
            )
        )
        mark = [sql.SQL("WHERE"), self._composed("beyond_mark", key=sql.SQL("sort_key"))] if self._is_marked else []
        return self._composed(
            "search",
            ids=_PIECES["ids"] if has_terms else sql.SQL(""),
            branches=_union(branches),
            mark=sql.SQL(" ").join(mark),
        )

    def _walk_branches(self) -> Iterator[sql.Composed]:
        """One for each value of what stands in front of the order in its index, so that all of them are in the order."""
        ends: list[sql.Composable] = [sql.SQL("true")]
        if self._sort == "priority" and self._filters["priorities"]:
            # A range of one, not an equation, of which the planner would take the order for none.
            ranks = sorted({PRIORITIES.index(each) for each in self._filters["priorities"]})
            ends = [
                sql.SQL("{key} >= {rank}::smallint AND {key} <= {rank}::smallint").format(**self._names, rank=sql.Literal(rank))
                for rank in ranks
            ]
        elif self._sort == "due":
            ends = [_all(self._due_bounds())]
        mark = [self._composed("beyond_mark")] if self._is_marked else []
        for completed in _COMPLETED[self._filters["completed"]]:
            for end in ends:
                yield self._composed("walk_branch", bounds=_all([sql.SQL(completed), end, *mark]))

    def _search_bounds(self) -> Iterator[sql.Composable]:
        """What the filters say in terms that row-level security lets an index use."""
        yield from self._due_bounds()
        if self._filters["priorities"]:
            ranks = sql.Literal(sorted({PRIORITIES.index(each) for each in self._filters["priorities"]}))
            yield sql.SQL("{key} = ANY ({ranks}::smallint[])").format(key=_PIECES["priority"], ranks=ranks)

    def _due_bounds(self) -> Iterator[sql.Composable]:
        for name, condition in _DUE_BOUNDS.items():
            if self._filters[name] is not None:
                yield sql.SQL(condition).format(due=_PIECES["due"])
        if self._filters["earliest"] is None and self._filters["latest"] is None:
            yield sql.SQL("true")

    def _composed(self, piece: str, **names: sql.Composable) -> sql.Composed:
        return _PIECES[piece].format(**{**self._names, **names})


_DUE_BOUNDS: Mapping[str, LiteralString] = {
    "earliest": "{due} >= %(earliest)s::timestamptz AND {due} < 'infinity'",
    "latest": "{due} <= %(latest)s::timestamptz",
}


def _all(conditions: Any) -> sql.Composed:
    return sql.SQL(" AND ").join(conditions)


def _union(branches: Any) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(branches)
