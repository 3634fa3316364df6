"""Completions at awkward moments, undone and repeated; series edited on the way: what follows, what was skipped."""

from datetime import datetime
from typing import Any, NamedTuple

import pytest

from tests.support.function_pack import Json, Pack


class Case(NamedTuple):
    """A task, completed at a moment; the due date that follows ("" ends it), how many were skipped."""

    what: str
    fields: Json
    completed: str
    then: str
    skipped: int = 0


CASES = [
    Case("early is not the day before", {"recurrence_pattern": "daily", "due_on": "2090-03-10"},
         "2090-03-01T12:00:00Z", "2090-03-11"),
    Case("a month early", {"recurrence_pattern": "monthly", "due_on": "2090-01-31"},
         "2090-01-01T12:00:00Z", "2090-02-28"),
    Case("at the very moment", {"recurrence_pattern": "daily", "due_at": "2090-03-10T09:00:00Z"},
         "2090-03-10T09:00:00Z", "2090-03-11T09:00:00Z"),
    Case("at the very moment of the next one", {"recurrence_pattern": "daily", "due_at": "2090-03-10T09:00:00Z"},
         "2090-03-11T09:00:00Z", "2090-03-12T09:00:00Z", 1),
    Case("late, and COUNT runs out with what was skipped",
         {"recurrence_pattern": "FREQ=DAILY;COUNT=5", "due_at": "2090-03-10T09:00:00Z"}, "2090-03-14T10:00:00Z", ""),
    Case("late, and one of COUNT is left",
         {"recurrence_pattern": "FREQ=DAILY;COUNT=5", "due_at": "2090-03-10T09:00:00Z"},
         "2090-03-13T10:00:00Z", "2090-03-14T09:00:00Z", 3),
    Case("late, beyond UNTIL as a date", {"recurrence_pattern": "FREQ=DAILY;UNTIL=20900312", "due_on": "2090-03-10"},
         "2090-03-14T10:00:00Z", ""),
    Case("on the day of UNTIL", {"recurrence_pattern": "FREQ=DAILY;UNTIL=20900312", "due_on": "2090-03-10"},
         "2090-03-11T10:00:00Z", "2090-03-12", 1),
    Case("months late from the 31st does not drift", {"recurrence_pattern": "monthly", "due_on": "2090-01-31"},
         "2090-03-05T12:00:00Z", "2090-03-31", 1),
    Case("years late from a leap day", {"recurrence_pattern": "yearly", "due_on": "2088-02-29"},
         "2091-06-01T12:00:00Z", "2092-02-29", 3),
    Case("late on Kiritimati, where it is tomorrow already",
         {"recurrence_pattern": "daily", "due_on": "2090-03-09", "time_zone": "Pacific/Kiritimati"},
         "2090-03-10T11:00:00Z", "2090-03-12", 2),
    Case("not late in Honolulu, where it is still yesterday",
         {"recurrence_pattern": "daily", "due_on": "2090-03-09", "time_zone": "Pacific/Honolulu"},
         "2090-03-10T09:00:00Z", "2090-03-10"),
    Case("from completion, on the day that it is in the zone",
         {"recurrence_pattern": "every 3 days", "recurrence_from": "completion", "due_on": "2090-03-01",
          "time_zone": "Pacific/Auckland"}, "2090-03-10T23:30:00Z", "2090-03-14"),
    Case("from completion, at the same time of day, over the change of the clocks",
         {"recurrence_pattern": "weekly", "recurrence_from": "completion", "due_at": "2090-03-01T09:00:00+01:00",
          "time_zone": "Europe/Zurich"}, "2090-03-22T15:00:00Z", "2090-03-29T07:00:00Z"),
    Case("from completion on the 31st, monthly clamps",
         {"recurrence_pattern": "monthly", "recurrence_from": "completion", "due_on": "2090-01-15"},
         "2090-01-31T12:00:00Z", "2090-02-28"),
    Case("every other week in step, five weeks late",
         {"recurrence_pattern": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "due_on": "2090-01-02"},
         "2090-02-06T12:00:00Z", "2090-02-13", 5),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_completed_at(pack: Pack, case: Case) -> None:
    task = pack.create(**case.fields)
    pack.travel(to=datetime.fromisoformat(case.completed))
    pack.complete(task), pack.complete(task)
    pack.deliver()
    following = pack.tasks(status="open")
    assert [each["due_on"] or each["due_at"] for each in following] == ([case.then] if case.then else [])
    if case.then:
        [told] = pack.events("task.recurring.next")
        assert told.data["skipped"] == case.skipped
    else:
        assert len(pack.events("task.recurring.ended")) == 1


def complete(pack: Pack, task: Json) -> Json | None:
    pack.complete(task)
    pack.deliver()
    return next(iter(pack.tasks(status="open")), None)


def test_undoing_and_doing_again_uses_up_no_count(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=3", due_on="2090-01-01")
    for _ in range(3):
        following = complete(pack, task)
        assert following is not None
        assert (following["due_on"], following["occurrence"]) == ("2090-01-02", 2)
        pack.reopen(task)
        assert [each["task_id"] for each in pack.tasks()] == [task["task_id"]]
    days: list[Any] = []
    current: Json | None = task
    while current:
        days.append(current["due_on"])
        current = complete(pack, current)
    assert days == ["2090-01-01", "2090-01-02", "2090-01-03"]


def test_undone_late_and_completed_in_time_jumps_over_nothing(pack: Pack) -> None:
    """The first completion was three days late; the one that stands is not: business time went back between them."""
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    pack.travel(to=datetime.fromisoformat("2090-01-04T12:00:00Z"))
    assert (complete(pack, task) or {})["due_on"] == "2090-01-05"
    pack.reopen(task)
    pack.travel(to=datetime.fromisoformat("2090-01-01T12:00:00Z"))
    assert (complete(pack, task) or {})["due_on"] == "2090-01-02"


def test_another_zone_for_all_that_follow_keeps_the_wall_time_there(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_at="2090-03-01T09:00:00+01:00", time_zone="Europe/Zurich")
    moved = pack.update(task, due_at="2090-03-01T09:00:00-05:00", time_zone="America/New_York", scope="following")
    assert (complete(pack, moved) or {})["due_at"] == "2090-03-02T14:00:00Z"


def test_moved_to_the_31st_and_back_it_follows_the_month_ends_from_there(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="monthly", due_on="2090-01-15")
    task = pack.update(task, due_on="2090-01-31", scope="following")
    february = complete(pack, task)
    assert february is not None
    assert february["due_on"] == "2090-02-28"
    assert (complete(pack, february) or {})["due_on"] == "2090-03-31"


def test_one_occurrence_moved_past_the_next_is_followed_by_the_first_date_after_it(pack: Pack) -> None:
    """The rule's dates stay as they are; none of them comes before what was moved behind it."""
    task = pack.create(recurrence_pattern="weekly", due_on="2090-01-02")
    moved = pack.update(task, due_on="2090-01-12", scope="this")
    assert (complete(pack, moved) or {})["due_on"] == "2090-01-16"
    [told] = pack.events("task.recurring.next")
    assert told.data["skipped"] == 1


def test_reopening_after_the_successor_was_completed_is_refused(pack: Pack) -> None:
    first = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    second = complete(pack, first)
    assert second is not None
    complete(pack, second)
    assert pack.call("reopen-task", "POST", f"/tasks/{first['task_id']}/reopen").status_code == 409
    assert len(pack.tasks(status="open")) == 1


def test_deleting_the_last_occurrence_of_count_ends_the_series(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=2", due_on="2090-01-01")
    last = complete(pack, task)
    assert last is not None
    assert pack.call("delete-task", "DELETE", f"/tasks/{last['task_id']}?scope=this").status_code == 204
    assert pack.tasks(status="open") == []
    assert len(pack.events("task.recurring.ended")) == 1


@pytest.mark.parametrize(
    ("due", "moment", "then"),
    [
        ({"due_at": "9000-12-31T23:59:59Z", "time_zone": "Pacific/Kiritimati"}, "9000-12-31T12:00:00Z", []),
        ({"due_at": "1970-01-01T00:00:00Z", "time_zone": "Etc/GMT+12"}, "1970-01-01T00:00:00Z", ["9000-01-01"]),
        ({"due_on": "9000-12-31", "time_zone": "Etc/GMT+12"}, "1970-01-01T00:00:00Z", []),
        ({"due_on": "1970-01-01", "time_zone": "Pacific/Kiritimati"}, "1970-01-01T12:00:00Z", ["9000-01-01"]),
    ],
)
def test_both_ends_of_the_years_are_kept_by_postgresql(pack: Pack, due: Json, moment: str, then: list[str]) -> None:
    """Their deadlines and local times lie a day outside."""
    task = pack.create(**due, recurrence_pattern="every 10 years", reminders=["PT0S", "P3660D", moment])
    assert pack.get(task) == task
    assert pack.tasks(sort="due") == pack.tasks(text="WATER") == [task]
    for name, day in (("due_from", "1970-01-01"), ("due_to", "9000-12-31")):
        assert pack.tasks(**{name: day}) in ([task], [])  # its day may lie outside of what can be asked for
    pack.travel(to=datetime.fromisoformat("8999-06-01T12:00:00Z"))
    pack.complete(task), pack.deliver()
    assert [(each["due_on"] or each["due_at"])[:10] for each in pack.tasks(status="open")] == then
    assert len(pack.events("task.recurring.ended")) == (not then)
