"""Any sequence of operations does to the tasks, the facts and the reminders what the plain model says.

Hypothesis makes up the sequences: completions delivered late, twice and in any order, reopenings, skips, calls that are
repeated. Many of them run on the store in memory, fewer on PostgreSQL: the same machine on both.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from taskmaster import clock
from tests.stateful.model import Series, TodoList
from tests.support.fake_store import FakeStore, Tables
from tests.support.function_pack import Event, Json, Pack
from tests.support.sizes import size

BEGINNING = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
TITLES = st.sampled_from(["water the plants", "pay the rent", "call home"])
DAYS = st.integers(-3, 9)
FEW = 3  # so that much happens to each
STEPS = {"daily": 1, "every 3 days": 3, "weekly": 7, "RRULE:FREQ=DAILY;INTERVAL=2": 2}


@dataclass
class Clock:
    """Business time, in the hands of the test."""

    time: datetime = BEGINNING

    def now(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time


@dataclass
class World:
    pack: Pack
    clock: Clock = field(default_factory=Clock)


class Operations(RuleBasedStateMachine):
    """One user's life with the pack. `tasks` are ids, of deleted tasks too; `completions` are events to deliver."""

    tasks: Bundle[int] = Bundle("tasks")
    completions: Bundle[Event] = Bundle("completions")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.pack, self.clock = world.pack, world.clock
        self.pack.user = f"user-{uuid4()}"
        if self.pack.store:
            self.pack.store.tables = Tables()
        self.clock.time = BEGINNING
        self.model = TodoList()
        self.heard: set[str] = set()  # the ids of completions that schedule-next-recurrence has had

    # What is asked ------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.tasks) < FEW)
    @rule(target=tasks, title=TITLES, day=st.none() | DAYS)
    def create(self, title: str, day: int | None) -> int:
        due = self._day(day)
        task = self._answer(201, "create-task", "POST", "/tasks", {"title": title, "due_on": due and str(due)})
        self.model.created(task["task_id"], title, due, self.clock.time)
        return int(task["task_id"])

    @precondition(lambda self: len(self.model.series) < FEW)
    @rule(
        target=tasks,
        title=TITLES,
        day=DAYS,
        pattern=st.sampled_from(list(STEPS)),
        count=st.none() | st.integers(1, 4),
        since=st.sampled_from(["due", "completion"]),
    )
    def create_series(self, title: str, day: int, pattern: str, count: int | None, since: str) -> int:
        if count and not pattern.startswith("RRULE"):
            count = None
        written = f"{pattern};COUNT={count}" if count else pattern
        due = self._day(day)
        assert due
        fields = {"title": title, "due_on": str(due), "recurrence_pattern": written, "recurrence_from": since}
        task = self._answer(201, "create-task", "POST", "/tasks", fields)
        last = count - 1 if count else None
        series = Series(due, STEPS[pattern], last, since == "completion", head=1, title=title)
        self.model.created(task["task_id"], title, due, self.clock.time, repeats=series)
        return int(task["task_id"])

    @rule(target=completions, task=tasks)
    def complete(self, task: int) -> Any:
        if not self._is_there(task, "complete-task", "POST", "complete"):
            return multiple()
        self._answer(200, "complete-task", "POST", f"/tasks/{task}/complete")
        if not self.model.completed(task, self.clock.time):
            return multiple()
        told = [e for e in self.pack.events("task.completed", of={"task_id": task}) if "series_id" in e.data]
        return told[-1] if "schedule-next-recurrence" in told[-1].topics else multiple()

    @rule(target=tasks, task=tasks)
    def complete_and_deliver(self, task: int) -> Any:
        completion = self.complete(task)
        return self.deliver(completion) if isinstance(completion, Event) else multiple()

    @rule(target=tasks, completion=completions)
    def deliver(self, completion: Event) -> Any:
        before = self._ids()
        assert self.pack.redeliver(completion, "schedule-next-recurrence").status_code == 204
        new = self._ids() - before
        if completion.attributes["id"] in self.heard:
            assert not new, "a successor of what was heard before"
            return multiple()
        self.heard.add(completion.attributes["id"])
        self.model.completion_heard(
            completion.data["task_id"],
            self.clock.time,
            told_at=datetime.fromisoformat(completion.attributes["time"]),
            new_id=new.pop() if new else None,
        )
        assert not new, "two successors"
        return multiple(*(task for task in self.model.tasks if task not in before))

    @rule(target=tasks, completion=consumes(completions))
    def deliver_for_the_last_time(self, completion: Event) -> Any:
        return self.deliver(completion)

    @rule(task=tasks)
    def reopen(self, task: int) -> None:
        if self._is_there(task, "reopen-task", "POST", "reopen"):
            self._answer(self.model.reopened(task, self.clock.time), "reopen-task", "POST", f"/tasks/{task}/reopen")

    @rule(task=tasks, only_this=st.booleans())
    def delete(self, task: int, only_this: bool) -> None:
        path = f"/tasks/{task}" + ("?scope=this" if only_this else "")
        if task not in self.model.tasks:
            self._answer(404, "delete-task", "DELETE", path)
            return
        self._answer(204, "delete-task", "DELETE", path)
        self.model.deleted(task, self.clock.time, only_this=only_this)

    @rule(task=tasks)
    def skip(self, task: int) -> None:
        if self._is_there(task, "schedule-next-recurrence", "POST", "skip"):
            status = self.model.skipped(task, self.clock.time)
            self._answer(status, "schedule-next-recurrence", "POST", f"/tasks/{task}/skip")

    @rule(task=tasks, title=TITLES)
    def rename(self, task: int, title: str) -> None:
        if task in self.model.tasks:
            self._answer(200, "update-task", "PATCH", f"/tasks/{task}", {"title": title})
            self.model.renamed(task, title)

    @rule(task=tasks, day=DAYS)
    def move(self, task: int, day: int) -> None:
        entry = self.model.tasks.get(task)
        if entry is None or (entry.due is None and entry.series):
            return
        due = self._day(day)
        assert due
        self._answer(200, "update-task", "PATCH", f"/tasks/{task}", {"due_on": str(due)})
        self.model.moved(task, due, self.clock.time)

    @rule(task=tasks, title=TITLES)
    def change_a_version_that_is_past(self, task: int, title: str) -> None:
        entry = self.model.tasks.get(task)
        if entry:
            stale = {"If_Match": f'"{entry.version + 1}"'}
            self._answer(412, "update-task", "PATCH", f"/tasks/{task}", {"title": title + "?"}, **stale)

    @precondition(lambda self: len(self.model.tasks) < FEW)
    @rule(title=TITLES, day=DAYS)
    def call_twice_with_one_key(self, title: str, day: int) -> None:
        due = self._day(day)
        body, key = {"title": title, "due_on": str(due)}, {"Idempotency_Key": str(uuid4())}
        first = self._answer(201, "create-task", "POST", "/tasks", body, **key)
        self.model.created(first["task_id"], title, due, self.clock.time)
        assert self._answer(201, "create-task", "POST", "/tasks", body, **key) == first
        self._answer(422, "create-task", "POST", "/tasks", {**body, "title": "another"}, **key)

    # What time does -----------------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 2, 20, 24, 60, 24 * 8]))
    def pass_time(self, hours: int) -> None:
        self.clock.time += timedelta(hours=hours)

    @rule()
    def dispatch(self) -> None:
        now = self.clock.time
        while self.pack.runtime.due_reminders.dispatch(now=now):
            pass
        self.model.fired(now)

    # What must hold -------------------------------------------------------------------------------------------------

    @invariant()
    def the_tasks_are_those_of_the_model(self) -> None:
        found = {
            task["task_id"]: (
                task["title"],
                task["completed"],
                task["version"],
                task["due_on"],
                task["series_id"],
                task["occurrence"],
            )
            for task in self.pack.tasks()
        }
        assert found == {
            task_id: (
                entry.title,
                entry.completed_at is not None,
                entry.version,
                entry.due and str(entry.due),
                entry.series,
                entry.occurrence,
            )
            for task_id, entry in self.model.tasks.items()
        }

    @invariant()
    def never_two_open_occurrences(self) -> None:
        assert all(count == 1 for count in self.model.open_occurrences().values())

    @invariant()
    def every_fact_is_told_and_every_reminder_rings_once_and_in_order(self) -> None:
        told = self.pack.events()
        facts = [event for event in told if event.type.startswith("task.")]
        assert [(event.type, event.data["task_id"], event.data["version"]) for event in facts] == self.model.facts
        rung = [event for event in told if event.type in ("reminder.due", "reminder.failed")]
        moments = ((event, datetime.fromisoformat(event.data["remind_at"])) for event in rung)
        assert Counter((event.type, event.data["task_id"], moment) for event, moment in moments) == self.model.rung

    # ----------------------------------------------------------------------------------------------------------------

    def _day(self, days: int | None) -> date | None:
        return None if days is None else (self.clock.time + timedelta(days=days)).date()

    def _ids(self) -> set[int]:
        return {task["task_id"] for task in self.pack.tasks()}

    def _is_there(self, task: int, function: str, method: str, verb: str) -> bool:
        """Whether the model has this task; where it has not, the function must say so."""
        if task in self.model.tasks:
            return True
        self._answer(404, function, method, f"/tasks/{task}/{verb}")
        return False

    def _answer(self, status: int, function: str, method: str, path: str, body: Any = None, **headers: str) -> Json:
        answer = self.pack.call(function, method, path, body, **headers)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(json.loads(answer.text)) if answer.text else {}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Clock:
    held = Clock()
    monkeypatch.setattr(clock, "now", held.now)
    return held


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch, held: Clock) -> Iterator[World]:
    with Pack.in_memory(FakeStore(most_under_way=1000), monkeypatch) as pack:
        yield World(pack, held)


@pytest.fixture
def on_postgresql(pack: Pack, held: Clock) -> World:
    return World(pack, held)


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_operations_on_the_store_in_memory(in_memory: World) -> None:
    _run(in_memory, examples=size(25, 100), steps=40)


@pytest.mark.timeout(300)
def test_operations_on_postgresql(on_postgresql: World) -> None:
    _run(on_postgresql, examples=12, steps=25)


def _run(world: World, *, examples: int, steps: int) -> None:
    class Here(Operations):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )
