"""Pages of tasks in two steps, so that none takes as long as its user has tasks.

A page begins with a walk: the first thousand tasks in the order, by an index that has this order, filtered. Where
enough of them pass, that is the page; and where the order ends within them. Only else is everything looked up that
passes the filters, by the most selective index, and sorted. Tasks of one series are looked up at once, without a walk.
PostgreSQL's planner would choose between these two by what it knows of all users together, which is wrong for some; so
each step leaves it no choice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    shape = Shape(filters, sort, is_marked=beyond is not None)
    walk = max(_LEAST_WALK, _WALK_A_TASK * limit)
    mark = {"mark_key": beyond.key if beyond else None, "mark_id": beyond.task_id if beyond else None}
    parameters = {**filters, **mark, "walk": walk, "limit": limit}
    if not shape.is_of_series:
        walked = _read(session, "in_order", shape.walk(), parameters, kwargs_row(_placed))
        found: list[Task] = [task for place, task in walked if place <= walk]
        if len(found) == len(walked):
            return found
    return _read(session, "by_filter", shape.search(), parameters, kwargs_row(Task.model_construct))


def key_of(sort: Sort) -> sql.SQL:
    """What an order goes by, in SQL."""
    return _PIECES[sort.lstrip("-")]


def _placed(*, place: int, **columns: Any) -> tuple[int, Task]:
    return place, Task.model_construct(**columns)


def _read(
    session: Session, prepared: str, query: Query, parameters: Mapping[str, Any], rows: RowFactory[Any]
) -> list[Any]:
    session.later(sql.Composed([_PIECES[prepared]]))
    # A search that runs into its time limit must not leave its text in the server's log.
    fetch = session.fetch_bound if parameters["text"] else session.fetch
    return fetch(query, parameters, rows)


class Shape:
    """The two queries for one combination of filters, order and whether there is a mark."""

    def __init__(self, filters: Mapping[str, Any], sort: Sort, *, is_marked: bool) -> None:
        column, descending = sort.lstrip("-"), sort.startswith("-")
        self._sort = column
        self._is_marked = is_marked
        self._completed = [sql.SQL(each) for each in _COMPLETED[filters["completed"]]]
        self._ranks = sorted({PRIORITIES.index(each) for each in filters["priorities"] or ()})
        self._due = [_PIECES[name].format(due=_PIECES["due"]) for name in ("earliest", "latest") if filters[name]]
        self.is_of_series = filters["series_id"] is not None
        self._has_terms = bool(filters["text"] or filters["tags"]) and not self.is_of_series
        self._names = {
            "key": _PIECES[column],
            "direction": sql.SQL("DESC" if descending else "ASC"),
            "beyond": sql.SQL("<" if descending else ">"),
            "filters": _PIECES["filters"],
        }

    def walk(self) -> sql.Composed:
        branches = (self._composed("walk_branch", bounds=_all(bounds)) for bounds in self._walk_bounds())
        return self._composed("walk", branches=_union(branches))

    def search(self) -> sql.Composed:
        if self._has_terms:
            branches = self._composed("search_branch_with_terms")
        else:
            branches = _union(self._composed("search_branch", bounds=_all(bounds)) for bounds in self._search_bounds())
        mark = self._composed("beyond_mark", key=sql.SQL("sort_key")) if self._is_marked else sql.SQL("true")
        return self._composed("search", branches=branches, mark=mark)

    def _walk_bounds(self) -> Iterator[list[sql.Composable]]:
        """Ranges of the index that has the order, for each value of what stands in front of the order in it."""
        mark = [self._composed("beyond_mark")] if self._is_marked else []
        for completed in self._completed:
            if self._sort == "priority" and self._ranks:
                for rank in self._ranks:
                    yield [completed, self._composed("of_one_rank", rank=sql.Literal(rank)), *mark]
            elif self._sort == "due":
                yield [completed, *self._due, *mark]
            else:
                yield [completed, *mark]

    def _search_bounds(self) -> Iterator[list[sql.Composable]]:
        """What the filters say in terms that row-level security lets an index use."""
        if self.is_of_series:
            yield [_PIECES["of_series"]]
            return
        ranks = [self._composed("of_ranks", key=_PIECES["priority"], ranks=sql.Literal(self._ranks))]
        for completed in self._completed:
            yield [completed, *self._due, *(ranks if self._ranks else ())]

    def _composed(self, piece: str, **names: sql.Composable) -> sql.Composed:
        return _PIECES[piece].format(**{**self._names, **names})


def _all(conditions: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(" AND ").join(conditions)


def _union(branches: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(branches)
