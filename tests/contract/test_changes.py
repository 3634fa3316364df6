"""The change feed on both stores: what is told to whom, page by page, and which cursors it takes."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from taskmaster.database.store import Database
from taskmaster.domain.changes import ChangePosition, Changes, Snapshot, change_position, page_of_changes
from taskmaster.domain.task import Refused, Task
from tests.support.fake_store import FakeStore
from tests.support.task_copy import TaskCopy

Store = FakeStore | Database

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
EPOCH = "0" * 32


@pytest.fixture
def ada() -> str:
    return f"ada-{uuid4()}"


def keep(store: Store, user: str, **fields: Any) -> Task:
    with store.as_user(user) as transaction:
        task = Task(task_id=transaction.new_task_id(), created_at=NOW, updated_at=NOW, **{"title": "x", **fields})
        transaction.insert_task(task)
    return task


def change(store: Store, user: str, task: Task, **changes: Any) -> Task:
    changed = task.changed(at=NOW, **changes)
    with store.as_user(user) as transaction:
        transaction.update_task(changed)
    return changed


def delete(store: Store, user: str, task: Task) -> None:
    with store.as_user(user) as transaction:
        transaction.delete_task(task)


def page(store: Store, user: str, cursor: str | None, limit: int = 100) -> Changes:
    position = None if cursor is None else change_position(cursor)
    with store.as_user(user) as transaction:
        found = transaction.read_changes(position, limit + 1)
    return page_of_changes(position, found, limit=limit)


def copy_of(store: Store, user: str, limit: int = 100) -> TaskCopy:
    return TaskCopy(lambda cursor: page(store, user, cursor, limit).model_dump())


def test_without_a_cursor_all_tasks_are_told_and_then_what_changes(store: Store, ada: str) -> None:
    first, second = keep(store, ada, title="first"), keep(store, ada, title="second")
    told = page(store, ada, None)
    assert (told.tasks, told.deleted, told.more) == ([first, second], [], False)
    assert page(store, ada, told.cursor).tasks == []
    changed = change(store, ada, first, title="other")
    third = keep(store, ada)
    told = page(store, ada, told.cursor)
    assert (told.tasks, told.deleted, told.more) == ([changed, third], [], False)


def test_a_deletion_is_told_with_a_version_above_the_last(store: Store, ada: str) -> None:
    task = keep(store, ada)
    before = page(store, ada, None).cursor
    delete(store, ada, change(store, ada, task))
    told = page(store, ada, before)
    assert [gone.model_dump() for gone in told.deleted] == [{"task_id": task.task_id, "version": 3}]
    assert told.tasks == []


def test_whoever_begins_anew_is_told_of_no_earlier_deletion(store: Store, ada: str) -> None:
    delete(store, ada, keep(store, ada))
    told = page(store, ada, None)
    assert (told.tasks, told.deleted) == ([], [])


def test_nobody_is_told_of_anothers_tasks(store: Store, ada: str) -> None:
    bob = f"bob-{uuid4()}"
    cursor = page(store, bob, None).cursor
    delete(store, ada, keep(store, ada))
    keep(store, ada)
    assert (page(store, bob, cursor).tasks, page(store, bob, cursor).deleted) == ([], [])
    assert page(store, bob, None).tasks == []


def test_what_changes_between_two_pages_is_told_behind_them(store: Store, ada: str) -> None:
    tasks = [keep(store, ada, title=f"{number}") for number in range(7)]
    copy = copy_of(store, ada, limit=2)
    assert copy.read_page()
    moved = change(store, ada, tasks[0], title="told already")
    ahead = change(store, ada, tasks[5], title="not told yet")
    delete(store, ada, tasks[3])
    assert copy.read_page()
    added = keep(store, ada, title="new")
    kept = copy.catch_up()
    expected = [*tasks, added]
    expected[0], expected[5] = moved, ahead
    del expected[3]
    assert kept == {task.task_id: task.model_dump() for task in expected}
    assert max(copy.told.values()) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_of_any_size_tell_the_same(store: Store, ada: str, limit: int) -> None:
    tasks = [keep(store, ada, title=f"{number}") for number in range(6)]
    copy = copy_of(store, ada, limit)
    assert len(copy.catch_up()) == 6
    for task in tasks[:2]:
        change(store, ada, task)
    for task in tasks[4:]:
        delete(store, ada, task)
    assert sorted((task["task_id"], task["version"]) for task in copy.catch_up().values()) == [
        (task.task_id, 2 if task in tasks[:2] else 1) for task in tasks[:4]
    ]
    assert set(copy.told.values()) == {1}


def test_many_changes_of_one_transaction_are_paged(store: Store, ada: str) -> None:
    copy = copy_of(store, ada, limit=3)
    copy.catch_up()
    with store.as_user(ada) as transaction:
        for _ in range(10):
            task = Task(task_id=transaction.new_task_id(), created_at=NOW, updated_at=NOW, title="x")
            transaction.insert_task(task)
    assert len(copy.catch_up()) == 10
    assert set(copy.told.values()) == {1}


# Cursors --------------------------------------------------------------------------------------------------------


def test_a_cursor_of_another_database_is_answered_with_410(store: Store, ada: str) -> None:
    position = change_position(page(store, ada, None).cursor)
    with pytest.raises(Refused, match="another database") as refused:
        page(store, ada, position._replace(epoch="f" * 32).cursor())
    assert refused.value.status == 410


def test_a_cursor_from_the_future_is_of_another_database(store: Store, ada: str) -> None:
    position = change_position(page(store, ada, None).cursor)
    ahead = Snapshot(2**60 + 1, 2**60 + 1)
    for each in (position._replace(since=ahead), position._replace(upto=ahead, change=1, task_id=1)):
        with pytest.raises(Refused, match="another database"):
            page(store, ada, each.cursor())


@pytest.mark.parametrize(
    "position",
    [
        ChangePosition(EPOCH, Snapshot(5, 9, (5, 7))),
        ChangePosition(EPOCH, None, Snapshot(5, 5), 4, 2**62),
        ChangePosition(EPOCH, Snapshot(1, 1), Snapshot(2**62 + 3, 2**62 + 3), 0, 0),
    ],
)
def test_a_cursor_is_read_as_it_was_written(position: ChangePosition) -> None:
    assert change_position(position.cursor()) == position


@pytest.mark.parametrize(
    "content",
    [
        "", "x", "%", "\u00fc", "null", "{}", "[]", "7", '"x"', "[" * 2000, "\x00",
        f'["{EPOCH}",null,null]', f'["{EPOCH}","1:1:",null,1,1]', f'["{EPOCH}","1:1:","2:2:"]',
        f'["{EPOCH}","1:1:","2:2:",1]', f'["{EPOCH}","1:1:","2:2:",1,1,1]', f'["{EPOCH}","1:1:","2:2:",-1,1]',
        f'["{EPOCH}","1:1:","2:2:",1,{2**63}]', f'["{EPOCH}","1:1:","2:2:",true,1]', f'["{EPOCH}","1:1:","2:2:","1",1]',
        f'["{EPOCH}","0:1:",null]', f'["{EPOCH}","2:1:",null]', f'["{EPOCH}","1:3:2,2",null]',
        f'["{EPOCH}","1:3:3",null]', f'["{EPOCH}","2:3:1",null]', f'["{EPOCH}","1:9:4,3",null]',
        f'["{EPOCH}","1:{2**63}:",null]', f'["{EPOCH}","1:{2**32}:",null]', f'["{EPOCH}","{2**32}:{2**33 + 1}:",null]',
        f'["{EPOCH}","1:1",null]', f'["{EPOCH}",1,null]', '["x","1:1:",null]',
        '[7,"1:1:",null]', f'["{EPOCH}","1:1:;",null]',
    ],
)  # fmt: skip
def test_what_is_no_cursor_of_ours_is_refused(content: str) -> None:
    for cursor in (content, urlsafe_b64encode(content.encode()).decode()):
        with pytest.raises(Refused) as refused:
            change_position(cursor)
        assert refused.value.status == 422


def test_a_snapshot_of_many_transactions_makes_a_short_cursor(store: Store, ada: str) -> None:
    wide = Snapshot(10**18 + 1, 10**18 + 10**4, tuple(range(10**18 + 1, 10**18 + 10**4, 2)))
    assert wide.shortened() == Snapshot(10**18 + 1, 10**18 + 1)
    running = tuple(range(10**18 + 1, 10**18 + 64))
    kept = Snapshot(10**18 + 1, 10**18 + 10**4, running)
    assert kept.shortened() == kept
    cursor = ChangePosition(EPOCH, kept, kept, 10**18, 10**18).cursor()
    assert len(cursor) <= 4096
    assert json.loads(json.dumps(cursor)) == cursor
