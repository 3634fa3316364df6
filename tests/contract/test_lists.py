"""Every page of every list is what a plain filter and sort of the user's tasks gives, in memory and on PostgreSQL.

The filter here is code of its own: it shares nothing with the store in memory. PostgreSQL looks for a page in two
steps, a walk in the order and a search; how far the walk goes is varied, so that few tasks are enough for both.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, get_args
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskmaster.database import lists
from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks, Sort, page, position_of
from taskmaster.domain.search import folded
from taskmaster.domain.task import Priority, Task
from tests.support.fake_store import FakeStore
from tests.support.sizes import size

Store = FakeStore | Database

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PRIORITIES = get_args(Priority)
SORTS = get_args(Sort)
ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns")
# Few values, so that many tasks share one: equal keys, and filters that find something.
moments = st.sampled_from([NOW + timedelta(hours=hours) for hours in (-40, -1, 0, 3, 20)])
days = st.sampled_from([date(2026, 11, 22) + timedelta(days=number) for number in range(5)])
texts = st.text(st.sampled_from("ab \u00c4\u03c3\u03a3'\\%\u725b\u4e73"), max_size=5)
tags = st.lists(st.sampled_from(["a", "b", "ab", "A", "'", "\\", "\u725b", "a b"]), max_size=3, unique=True)


@st.composite
def drafts(draw: st.DrawFn) -> dict[str, Any]:
    due = draw(st.sampled_from(["due_at", "due_on", None, None]))
    completed = draw(st.booleans())
    created = draw(moments)
    return {
        "title": draw(texts.filter(bool)),
        "description": draw(st.none() | texts),
        "priority": draw(st.sampled_from(PRIORITIES)),
        "tags": draw(tags),
        "time_zone": draw(st.sampled_from(ZONES)),
        "completed": completed,
        "completed_at": NOW if completed else None,
        "created_at": created,
        "updated_at": draw(moments.filter(lambda moment: moment >= created)),
        **({due: draw(moments if due == "due_at" else days)} if due else {}),
    }


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"sort": draw(st.sampled_from(SORTS)), "limit": draw(st.integers(1, 4))}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "status": st.sampled_from(["open", "completed", "overdue", "all"]),
        "priority": st.lists(st.sampled_from(PRIORITIES), min_size=1, max_size=3),
        "tag": tags,
        "due_from": moments.map(datetime.isoformat) | days.map(str),
        "due_to": moments.map(datetime.isoformat) | days.map(str),
        "text": texts,
    }
    for name in draw(st.sets(st.sampled_from(sorted(optional)), max_size=3)):
        asked[name] = draw(optional[name])
    return asked


def passes(task: Task, asked: ListTasks) -> bool:
    if asked.status != "all" and task.completed != (asked.status == "completed"):
        return False
    if asked.status == "overdue" and not (task.deadline and task.deadline <= NOW):
        return False
    if asked.priority and task.priority not in asked.priority:
        return False
    term = folded(asked.text)
    if term not in folded(task.title) and (task.description is None or term not in folded(task.description)):
        return False
    return set(asked.tag) <= set(task.tags) and _is_due_within(task, asked)


def _is_due_within(task: Task, asked: ListTasks) -> bool:
    for bound, is_lower in ((asked.due_from, True), (asked.due_to, False)):
        if bound is None:
            continue
        if task.deadline is None:
            return False
        due: Any = task.deadline
        if not isinstance(bound, datetime):
            due = task.due_on or due.astimezone(ZoneInfo(task.time_zone)).date()
        if due < bound if is_lower else due > bound:
            return False
    return True


def place(task: Task, sort: str) -> tuple[Any, int]:
    keys = {
        "due": task.deadline or datetime.max.replace(tzinfo=UTC),
        "priority": PRIORITIES.index(task.priority),
        "title": task.title,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
    }
    return keys[sort.lstrip("-")], task.task_id


def keep(store: Store, user: str, wanted: Iterable[dict[str, Any]]) -> list[Task]:
    kept = []
    with store.as_user(user) as transaction:
        for draft in wanted:
            task = Task(task_id=transaction.new_task_id(), **draft)
            transaction.insert_task(task)
            kept.append(task)
    return kept


def pages(store: Store, user: str, asked: dict[str, Any]) -> list[list[Task]]:
    """All of them, one after the other, each by the cursor of the one before."""
    turned, cursor = [], None
    while True:
        command = ListTasks.model_validate({**asked, "cursor": cursor})
        with store.as_user(user) as transaction:
            found = transaction.list_tasks(
                command.filters(now=NOW), command.sort, position_of(command), command.limit + 1
            )
        answer = page(command, found)
        turned.append(answer.tasks)
        cursor = answer.next_cursor
        if cursor is None:
            return turned


def expected(tasks: list[Task], asked: dict[str, Any]) -> list[list[Task]]:
    command = ListTasks.model_validate(asked)
    within = [task for task in tasks if passes(task, command)]
    within.sort(key=lambda task: place(task, command.sort), reverse=command.sort.startswith("-"))
    starts = range(0, max(1, len(within)), command.limit)
    return [within[start : start + command.limit] for start in starts]


@settings(max_examples=size(30, 120), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    of_users=st.lists(st.lists(drafts(), max_size=12), min_size=2, max_size=3),
    asked=st.lists(questions(), min_size=1, max_size=6),
    walk=st.sampled_from([0, 1, 3, 1000]),
    many=st.sampled_from([1, 2, 1000]),
)
def test_every_page_is_a_plain_filter_and_sort(
    store: Store, of_users: list[list[dict[str, Any]]], asked: list[dict[str, Any]], walk: int, many: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "_LEAST_WALK", walk)
        patch.setattr(lists, "_WALK_A_TASK", 0)
        patch.setattr(lists, "_MANY", many)
        kept = {f"user-{uuid4()}": wanted for wanted in of_users}
        tasks = {user: keep(store, user, wanted) for user, wanted in kept.items()}
        for user, question in product(kept, asked):
            assert pages(store, user, question) == expected(tasks[user], question), question


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # no other takes a sample
@pytest.mark.parametrize("place", [-1, 0, 2])
def test_a_page_that_a_sample_bounds_lacks_nothing(store: Store, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """About six of 400 tasks are in the sample. A first place bounds too early, and the page is looked up anew."""
    for name, value in {"_LEAST_WALK": 0, "_WALK_A_TASK": 0, "_LEAST_SAMPLED": place + 1, "_SAMPLE": 0}.items():
        monkeypatch.setattr(lists, name, value)
    user, stranger = f"user-{uuid4()}", f"user-{uuid4()}"
    wanted = [
        {
            "title": "it's {title} %s \\"[number % 7 :] + ("\u03a3\u03a3" if number % 5 else "ab"),
            "tags": ["a", "b"][: number % 3],
            "priority": PRIORITIES[number % 4],
            "created_at": NOW + timedelta(hours=number % 11),
            "updated_at": NOW + timedelta(hours=20 + number % 13),
            "completed": number % 3 == 0,
            "completed_at": NOW if number % 3 == 0 else None,
            **({"due_at": NOW + timedelta(hours=number % 17)} if number % 2 else {}),
        }
        for number in range(400)
    ]
    keep(store, stranger, wanted)
    tasks = keep(store, user, wanted)
    terms: tuple[dict[str, Any], ...] = ({"text": "\u03c3\u03c3"}, {"tag": ["a"]}, {"text": "ab", "tag": ["a", "b"]})
    for sort, filters in product(SORTS, terms):
        for others in ({"limit": 30}, {"limit": 17, "status": "open", "due_to": "2026-11-25T01:00:00Z"}):
            asked = {"sort": sort, **filters, **others}
            assert pages(store, user, asked) == expected(tasks, asked), asked


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("walk", [0, 2, 1000])
def test_tasks_with_one_key_are_each_on_one_page(
    store: Store, sort: str, walk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_LEAST_WALK", walk)
    monkeypatch.setattr(lists, "_WALK_A_TASK", 0)
    user = f"user-{uuid4()}"
    equal = {"title": "x", "created_at": NOW, "updated_at": NOW}
    tasks = keep(store, user, [equal] * 7 + [{**equal, "completed": True, "completed_at": NOW}] * 4)
    for filters in ({}, {"status": "open"}, {"priority": ["medium"]}, {"text": "X"}):
        asked = {"sort": sort, "limit": 3, **filters}
        assert pages(store, user, asked) == expected(tasks, asked)


def test_a_long_term_and_a_long_text_are_compared_whole(store: Store) -> None:
    user = f"user-{uuid4()}"
    long = "0123456789" * 19 + "end"
    [task, *_] = keep(
        store,
        user,
        [
            {"title": "x" + long, "created_at": NOW, "updated_at": NOW},
            {"title": "x" + long[:-1], "created_at": NOW, "updated_at": NOW},
            {"title": "y", "description": "\u03c3" * 10_000, "created_at": NOW, "updated_at": NOW},
        ],
    )
    assert pages(store, user, {"text": long}) == [[task]]
    assert len(pages(store, user, {"text": "\u03a3" * 200})[0]) == 1
