"""At both ends of the years that are kept, nothing fails: not by call, not by event, and what is kept is read again.

What is computed from an input counts as much as the input: its UTC, the deadline of a day, reminders before it and
those that move along with a series, the dates that follow, a snooze.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskmaster import clock, rfc3339
from taskmaster.domain import reminders
from taskmaster.domain.task import EARLIEST, LATEST, Task
from tests.support.fake_store import FakeStore, Tables
from tests.support.function_pack import Json, Pack
from tests.support.sizes import size

FIRST, LAST = datetime(EARLIEST, 1, 1, tzinfo=UTC), datetime(LATEST, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@dataclass
class World:
    """One user's pack on a store in memory, and its clock."""

    pack: Pack
    now: list[datetime] = field(default_factory=lambda: [NOW])

    def begin(self, now: datetime) -> None:
        assert self.pack.store is not None
        self.pack.store.tables = Tables()
        self.pack.user = f"user-{uuid4()}"
        self.now[0] = now

    def ask(self, function: str, event_type: str, method: str, path: str, body: Json, *, handle_event: bool) -> int:
        """The status of a command, by one door or the other. It is never an error of the pack's own."""
        if handle_event:
            ids = [int(part) for part in path.split("/") if part.isdigit()]
            answer = self.pack.event(function, event_type, {**body, **({"task_id": ids[0]} if ids else {})})
            assert answer.status_code in (204, 422), (event_type, body, answer.text)
        else:
            query = "?scope=this" if method == "DELETE" else ""
            answer = self.pack.call(function, method, path + query, None if method == "DELETE" else body)
            assert answer.status_code in (200, 201, 204, 404, 409, 422), (path, body, answer.text)
        return answer.status_code

    def hold(self) -> list[Json]:
        """Everything that is kept can be read and written again, and lies within the years. The tasks."""
        for sort in ("due", "-created_at"):
            cursor: str | None = ""
            while cursor is not None:
                page = self.pack.call("query-tasks", "GET", f"/tasks?sort={sort}&limit=1{cursor}")
                assert page.status_code == 200, page.text
                following = (page.json or {})["next_cursor"]
                cursor = f"&cursor={following}" if following else None
        tasks = self.pack.tasks()
        for task in tasks:
            assert self.pack.get(task) == task
            for name in ("due_at", "due_on"):
                assert task[name] is None or EARLIEST <= int(task[name][:4]) <= LATEST, task
            for text in task["reminders"] or ():
                assert reminders._written(text) == text, task
            path = f"/tasks/{task['task_id']}/occurrences?count=5"
            ahead = self.pack.call("query-tasks", "GET", path)
            assert ahead.status_code in (200, 409), ahead.text
            for each in (ahead.json or {}).get("occurrences", ()):
                assert int((each["due_at"] or each["due_on"])[:4]) <= LATEST
        return tasks


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with Pack.in_memory(FakeStore(), monkeypatch) as pack:
        held = World(pack)
        monkeypatch.setattr(clock, "now", lambda: held.now[0])
        yield held


OFFSETS = st.sampled_from(["Z", "+14:00", "-12:00", "+01:00", "-05:00", "+23:59", "-23:59"])
EDGES = st.one_of(
    st.builds(
        lambda edge, by: edge + by,
        st.sampled_from([FIRST + timedelta(days=2), LAST - timedelta(days=2)]),
        st.timedeltas(timedelta(days=-2), timedelta(days=2)),
    ),
    st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NOW, FIRST, LAST]),
    st.datetimes(datetime(8000, 1, 1), datetime(9000, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
MOMENTS = st.builds(lambda edge, offset: edge.replace(tzinfo=None).isoformat() + offset, EDGES, OFFSETS)
DAYS = EDGES.map(lambda edge: str(edge.date()))
ZONES = st.sampled_from(
    ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Apia", "America/New_York", "Europe/Zurich"]
)
PATTERNS = st.sampled_from(
    [
        "daily",
        "yearly",
        "every 333 years",
        "every 9999 years",
        "every 9999 days",
        "FREQ=YEARLY;INTERVAL=500;COUNT=3",
        "FREQ=DAILY;UNTIL=99991231T235959Z",
        "FREQ=DAILY;UNTIL=00010101T000000Z",
        "FREQ=YEARLY;UNTIL=90001231",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=DAILY;BYHOUR=23;BYMINUTE=59;BYSECOND=59",
    ]
)
REMINDERS = st.lists(MOMENTS | st.sampled_from(["PT0S", "P3660D", "PT87840H", "P522W"]), max_size=3)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "due_at": MOMENTS,
        "due_on": DAYS,
        "time_zone": ZONES,
        "reminders": REMINDERS,
        "recurrence_pattern": PATTERNS,
        "recurrence_from": st.sampled_from(["due", "completion"]),
    },
)
DUE = st.one_of(st.fixed_dictionaries({"due_at": MOMENTS}), st.fixed_dictionaries({"due_on": DAYS}))
NEW = st.builds(
    lambda due, fields: {"title": "x", **{k: v for k, v in fields.items() if k not in ("due_at", "due_on")}, **due},
    DUE,
    FIELDS,
)
CHANGES = st.builds(
    lambda fields, more: {**fields, **more},
    FIELDS,
    st.fixed_dictionaries({}, optional={"scope": st.sampled_from(["this", "following"]), "title": st.just("y")}),
)
SNOOZES = st.fixed_dictionaries({"until": MOMENTS}) | st.fixed_dictionaries(
    {"duration": st.sampled_from(["PT0S", "P3660D", "PT1S"])}
)
STEPS: st.SearchStrategy[list[tuple[str, Json]]] = st.lists(
    st.one_of(
        st.tuples(st.just("update"), CHANGES),
        st.tuples(st.just("snooze"), SNOOZES),
        st.tuples(st.sampled_from(["complete", "skip", "skip", "reopen", "delete", "dismiss"]), st.just({})),
    ),
    max_size=6,
)
HOW = {
    "update": ("update-task", "task.update", "PATCH", "/tasks/{id}"),
    "complete": ("complete-task", "task.complete", "POST", "/tasks/{id}/complete"),
    "reopen": ("reopen-task", "task.reopen", "POST", "/tasks/{id}/reopen"),
    "delete": ("delete-task", "task.delete", "DELETE", "/tasks/{id}"),
    "skip": ("schedule-next-recurrence", "task.skip", "POST", "/tasks/{id}/skip"),
    "snooze": ("snooze-reminder", "reminder.snooze", "POST", "/tasks/{id}/snooze"),
    "dismiss": ("snooze-reminder", "reminder.dismiss", "POST", "/tasks/{id}/dismiss"),
}


@settings(max_examples=size(30, 120), suppress_health_check=list(HealthCheck))
@given(
    now=st.sampled_from([NOW, NOW, FIRST, FIRST + timedelta(hours=30), LAST - timedelta(days=400), LAST]),
    new=NEW,
    steps=STEPS,
    handle_event=st.booleans(),
)
def test_no_command_fails_at_an_end_of_the_range(
    world: World, now: datetime, new: Json, steps: list[tuple[str, Json]], handle_event: bool
) -> None:
    world.begin(now)
    world.ask("create-task", "task.create", "POST", "/tasks", new, handle_event=handle_event)
    for name, body in steps:
        tasks = world.hold()
        if not tasks:
            return
        function, event_type, method, path = HOW[name]
        path = path.format(id=tasks[-1]["task_id"])
        world.ask(function, event_type, method, path, body, handle_event=handle_event)
        world.pack.deliver()
    world.hold()


@settings(max_examples=size(25, 100), suppress_health_check=list(HealthCheck))
@given(start=DUE, pattern=PATTERNS, zone=ZONES)
def test_no_preview_fails_at_an_end_of_the_range(world: World, start: Json, pattern: str, zone: str) -> None:
    from urllib.parse import urlencode

    query = urlencode({**start, "recurrence_pattern": pattern, "time_zone": zone, "count": 100})
    answer = world.pack.call("query-tasks", "GET", f"/occurrences?{query}")
    assert answer.status_code in (200, 422), answer.text


# The right values, one by one -----------------------------------------------------------------------------------------

OUTSIDE = [
    "1970-01-01T00:00:00+01:00",
    "1970-01-01T13:59:59.999999+14:00",
    "9000-12-31T23:30:00-05:00",
    "9000-12-31T12:00:00-12:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
]


@pytest.mark.parametrize("moment", OUTSIDE)
@pytest.mark.parametrize("name", ["due_at", "reminders", "until"])
def test_a_moment_is_held_to_the_years_in_utc(world: World, moment: str, name: str) -> None:
    world.begin(NOW)
    task = world.pack.create(due_on="2090-01-01")
    body: Json = {name: [moment] if name == "reminders" else moment}
    function, event_type, method, path = HOW["snooze" if name == "until" else "update"]
    path = path.format(id=task["task_id"])
    assert world.ask(function, event_type, method, path, body, handle_event=True) == 422
    answer = world.pack.call(function, method, path, body)
    assert answer.status_code == 422
    assert "between the years 1970 and 9000 in UTC" in (answer.json or {})["detail"]
    assert world.pack.call("query-tasks", "GET", f"/tasks?due_from={moment.replace('+', '%2B')}").status_code == 422


@pytest.mark.parametrize("moment", ["1969-12-31T19:00:00-05:00", "9001-01-01T00:59:59+01:00"])
def test_a_moment_whose_utc_is_within_the_years_is_taken(world: World, moment: str) -> None:
    world.begin(NOW)
    kept = world.pack.create(due_at=moment, reminders=[moment])
    assert kept["due_at"] == rfc3339.written(datetime.fromisoformat(moment))
    assert kept["reminders"] == [kept["due_at"]]


@pytest.mark.parametrize("handle_event", [False, True])
def test_a_series_that_is_skipped_to_the_last_year_ends_there(world: World, handle_event: bool) -> None:
    world.begin(NOW)
    task = world.pack.create(due_on="8400-06-01", recurrence_pattern="every 333 years")
    function, event_type, method, path = HOW["skip"]
    for _ in range(2):
        world.ask(function, event_type, method, path.format(id=task["task_id"]), {}, handle_event=handle_event)
    assert world.hold() == []
    assert [event.data["due_on"] for event in world.pack.events("task.recurring.next")] == ["8733-06-01"]
    assert len(world.pack.events("task.recurring.ended")) == 1


@pytest.mark.parametrize("moment", ["9000-12-31T12:00:00Z", "8999-06-01T00:00:00Z"])
def test_a_series_ends_where_a_reminder_that_moves_along_would_leave_the_years(world: World, moment: str) -> None:
    world.begin(NOW)
    task = world.pack.create(due_on="2090-01-01", recurrence_pattern="every 2 years", reminders=[moment])
    assert world.pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/occurrences").json == {"occurrences": []}
    world.pack.complete(task), world.pack.deliver()
    assert [each["task_id"] for each in world.hold()] == [task["task_id"]]
    assert len(world.pack.events("task.recurring.ended")) == 1


def test_a_reminder_that_would_lie_before_the_years_is_left_out(world: World) -> None:
    """Counted from the completion, a series may go back: what would lie before 1970 has passed, and never rings."""
    world.begin(NOW)
    task = world.pack.create(
        due_on="8000-01-01", recurrence_pattern="yearly", recurrence_from="completion",
        reminders=["1970-01-02T00:00:00Z", "7999-12-31T18:00:00Z"],
    )  # fmt: skip
    world.pack.complete(task), world.pack.deliver()
    [following] = world.pack.tasks(status="open")
    assert (following["due_on"], following["reminders"]) == ("2027-11-24", ["2027-11-23T18:00:00Z"])


def test_the_last_day_is_kept_with_its_deadline_and_its_reminder(world: World) -> None:
    world.begin(NOW)
    for zone in ("UTC", "Etc/GMT+12", "Pacific/Kiritimati"):
        world.pack.create(due_on="9000-12-31", time_zone=zone, reminders=["PT0S"])
    assert len(world.hold()) == 3


def test_what_an_earlier_version_kept_outside_the_years_is_read_and_changed(world: World) -> None:
    world.begin(NOW)
    task = world.pack.create(due_on="9000-12-31")
    assert world.pack.store is not None
    user, kept = world.pack.store.tables.tasks[task["task_id"]]
    old: dict[str, Any] = {"due_on": date.max, "reminders": ["1969-12-31T23:00:00Z", "9001-01-01T04:30:00Z", "PT0S"]}
    world.pack.store.tables.tasks[task["task_id"]] = (user, Task.model_construct(**{**kept.__dict__, **old}))
    for sort in ("due", "title"):
        assert len(world.pack.tasks(sort=sort)) == 1
    assert world.pack.update(task, title="still there")["due_on"] == "9999-12-31"
    world.pack.complete(task)
