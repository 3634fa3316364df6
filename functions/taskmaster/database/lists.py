"""Pages of tasks in steps, so that none takes as long as its user has tasks.

A page begins with a walk: the first hundreds of tasks in the order, by an index that has this order, filtered. Where
enough of them pass, that is the page; and where the order ends within them. Only else is everything looked up that
passes the filters, by the most selective index, and sorted. Where a text or tags may have thousands of tasks, a sample
shows first how far in the order the page reaches, and the rest is not read. Tasks of one series are looked up at once,
without a walk. PostgreSQL's planner would choose between these by what it knows of all users together, which is wrong
for some; so each step leaves it no choice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import sql
from psycopg.rows import RowFactory, dict_row, kwargs_row

from taskmaster.database.queries import named
from taskmaster.database.session import Query, Session
from taskmaster.domain.paging import PRIORITIES, PagePosition, Sort
from taskmaster.domain.task import Task

_PIECES = {name: sql.SQL(text) for name, text in named("lists.sql").items()}
_LEAST_WALK = 400  # rows
_WALK_A_TASK = 8  # rows for each task of a page
_FURTHER = 3  # times as far, where that may be enough
_FURTHEST = 12  # times as far, where more than this many tasks pass the filters: sorting them would take longer
_MANY = 4000
# The place in the sample, a 64th of what passes, where a page is taken to end: in one of 200 cases too early.
_LEAST_SAMPLED, _SAMPLED_A_TASK = 2, 1 / 16
_SAMPLE = 5  # times that place: of a smaller sample, the tasks are read sooner than a fifth of the order
_WITH_DEADLINE = ("due", "created_at", "updated_at")  # orders whose index has the due dates
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
    sampled = _LEAST_SAMPLED + int(_SAMPLED_A_TASK * limit)
    key, task_id = beyond or (None, None)
    parameters = {
        **filters,
        "mark_key": key,
        "mark_id": task_id,
        "mark_text": None if key is None else str(key),  # the key of any order, for a function
        "bound_key": None,
        "bound_id": None,
        "sampled": sampled,
        "sample": _SAMPLE * sampled,
        "many": None,
        "limit": limit,
    }
    if not shape.is_of_series:
        walked = _walk(session, shape, parameters, walk)
        if not walked.is_page and len(walked.tasks) * _FURTHER >= limit:
            walked = _walk(session, shape, parameters, walk * _FURTHER)
        if walked.is_page:
            return walked.tasks
    if shape.has_terms:
        for bound in _read(session, "by_filter", shape.sample(), parameters, dict_row):
            found, _ = _search(session, shape, {**parameters, **bound})
            if len(found) == limit:
                return found
    elif not shape.is_of_series:
        found, size = _search(session, shape, {**parameters, "many": _MANY})
        if size < _MANY:
            return found
        walked = _walk(session, shape, parameters, walk * _FURTHEST)
        if walked.is_page:
            return walked.tasks
    return _search(session, shape, parameters)[0]


class _Walked(NamedTuple):
    """The tasks that a walk found, and whether they are the page: enough, or all that there are."""

    tasks: list[Task]
    is_page: bool


def _walk(session: Session, shape: "Shape", parameters: Mapping[str, Any], walk: int) -> _Walked:
    walked = _read(session, "in_order", shape.walk(), {**parameters, "walk": walk}, kwargs_row(_placed))
    tasks = [task for place, task in walked if place <= walk]
    return _Walked(tasks, is_page=len(tasks) == len(walked))


def _search(session: Session, shape: "Shape", parameters: Mapping[str, Any]) -> tuple[list[Task], int]:
    """The page, and how many tasks were looked at for it: `many` at most, and then the page may be another."""
    found = _read(session, "by_filter", shape.search(), parameters, kwargs_row(_sized))
    return [task for _, task in found], found[0][0] if found else 0


def key_of(sort: Sort) -> sql.SQL:
    """What an order goes by, in SQL."""
    return _PIECES[sort.lstrip("-")]


def _sized(*, size: int, **columns: Any) -> tuple[int, Task]:
    return size, Task.model_construct(**columns)


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
        self.has_terms = bool(filters["text"] or filters["tags"]) and not self.is_of_series
        self._names = {
            "key": _PIECES[column],
            "sort": sql.Literal(column),
            "descending": sql.Literal(descending),
            "direction": sql.SQL("DESC" if descending else "ASC"),
            "beyond": sql.SQL("<" if descending else ">"),
            "filters": _PIECES["filters"],
        }

    def walk(self) -> sql.Composed:
        branches = (self._composed("walk_branch", bounds=_all(bounds)) for bounds in self._walk_bounds())
        return self._composed("walk", branches=_union(branches))

    def sample(self) -> sql.Composed:
        return self._composed("sample", mark=self._mark())

    def search(self) -> sql.Composed:
        if self.has_terms:
            branches = self._composed("search_branch_with_terms")
        else:
            branches = _union(self._composed("search_branch", bounds=_all(bounds)) for bounds in self._search_bounds())
        return self._composed("search", branches=branches, mark=self._mark())

    def _mark(self) -> sql.Composable:
        return self._composed("beyond_mark", key=sql.SQL("sort_key")) if self._is_marked else sql.SQL("true")

    def _walk_bounds(self) -> Iterator[list[sql.Composable]]:
        """Ranges of the index that has the order, for each value of what stands in front of the order in it."""
        mark = [self._composed("beyond_mark")] if self._is_marked else []
        for completed in self._completed:
            if self._sort == "priority" and self._ranks:
                for rank in self._ranks:
                    yield [completed, self._composed("of_one_rank", rank=sql.Literal(rank)), *mark]
            elif self._sort in _WITH_DEADLINE:
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
