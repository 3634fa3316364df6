"""What an edit of one occurrence means for the others: what holds for it alone, and what for all that follow."""

from datetime import datetime
from typing import Any

import pytest

from tests.support.function_pack import Json, Pack


def following(pack: Pack, task: Json) -> Json:
    """The occurrence that comes of completing this one."""
    pack.complete(task)
    pack.deliver()
    [found] = pack.tasks(status="open")
    return found


def edited(pack: Pack, task: Json, **changes: Any) -> Json:
    return pack.update(task, **changes)


def status_of(pack: Pack, task: Json, **changes: Any) -> int:
    return pack.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes).status_code


def ahead(pack: Pack, task: Json, count: int = 3) -> list[str]:
    answer = pack.call("query-tasks", "GET", f"/tasks/{task['task_id']}/occurrences?count={count}")
    return [each["due_on"] or each["due_at"] for each in answer.get_json()["occurrences"]]


def test_what_was_changed_for_one_alone_stays_with_that_one(pack: Pack) -> None:
    task = pack.create(title="A", tags=["a"], recurrence_pattern="daily", due_on="2090-01-01")
    edited(pack, task, title="B", tags=["b"], scope="this")
    task = edited(pack, task, priority="high")
    assert (task["title"], task["priority"]) == ("B", "high")
    then = following(pack, task)
    assert (then["title"], then["tags"], then["priority"]) == ("A", ["a"], "high")


def test_another_pattern_does_not_carry_on_what_was_for_one_alone(pack: Pack) -> None:
    task = pack.create(title="A", recurrence_pattern="daily", due_on="2090-01-01")
    edited(pack, task, title="B", scope="this")
    then = following(pack, edited(pack, task, recurrence_pattern="weekly", priority="high"))
    assert (then["title"], then["priority"], then["due_on"]) == ("A", "high", "2090-01-08")


def test_reminders_of_a_series_stay_where_they_were_when_one_date_is_moved_and_renamed(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="weekly", due_at="2090-01-08T09:00:00Z", reminders=["2090-01-07T18:00:00Z"])
    edited(pack, task, due_at="2090-01-10T09:00:00Z")
    then = following(pack, edited(pack, task, title="another"))
    assert (then["due_at"], then["reminders"]) == ("2090-01-15T09:00:00Z", ["2090-01-14T18:00:00Z"])


def test_skipping_brings_what_a_successor_would_be(pack: Pack) -> None:
    task = pack.create(title="A", recurrence_pattern="daily", due_on="2090-01-01")
    edited(pack, task, title="B", scope="this")
    moved = pack.call("schedule-next-recurrence", "POST", f"/tasks/{task['task_id']}/skip").get_json()
    assert (moved["title"], moved["due_on"]) == ("A", "2090-01-02")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_series_stays_paused_with_another_pattern(pack: Pack, at_once: bool) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    if at_once:
        task = edited(pack, task, recurrence_paused=True, recurrence_pattern="weekly")
    else:
        edited(pack, task, recurrence_paused=True)
        task = edited(pack, task, recurrence_pattern="weekly")
    pack.complete(task), pack.deliver()
    assert pack.tasks(status="open") == []
    edited(pack, task, recurrence_paused=False)
    assert [each["due_on"] for each in pack.tasks(status="open")] == ["2090-01-08"]


@pytest.mark.parametrize(
    ("changes", "then"),
    [
        ({"due_at": "2090-02-28T10:00:00Z"}, "2090-03-31T10:00:00Z"),
        ({"due_at": "2090-02-28T09:00:00-05:00", "time_zone": "America/New_York"}, "2090-03-31T13:00:00Z"),
        ({"due_at": "2090-02-27T09:00:00Z"}, "2090-03-27T09:00:00Z"),
    ],
)
def test_another_time_for_all_that_follow_does_not_make_a_month_end_drift(pack: Pack, changes: Json, then: str) -> None:
    task = pack.create(recurrence_pattern="monthly", due_at="2090-01-31T09:00:00Z")
    february = following(pack, task)
    assert following(pack, edited(pack, february, **changes, scope="following"))["due_at"] == then


def test_counting_from_the_completion_and_back_changes_neither_day_nor_count(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", due_on="2090-01-31")
    second = following(pack, task)
    edited(pack, second, recurrence_from="completion")
    third = following(pack, edited(pack, second, recurrence_from="due"))
    assert third["due_on"] == "2090-03-31"
    pack.complete(third), pack.deliver()
    assert pack.tasks(status="open") == []


def test_counting_from_the_due_date_again_goes_on_from_where_completions_have_led(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="every 10 days", recurrence_from="completion", due_on="2090-01-01")
    pack.travel(to=datetime.fromisoformat("2090-01-04T12:00:00Z"))
    second = following(pack, task)
    assert second["due_on"] == "2090-01-14"
    assert following(pack, edited(pack, second, recurrence_from="due"))["due_on"] == "2090-01-24"


def test_the_last_of_a_rule_may_be_renamed_for_all_that_follow(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;UNTIL=20900102", due_on="2090-01-01")
    last = following(pack, task)
    assert status_of(pack, last, title="last", scope="following") == 200


def test_a_rule_may_end_with_its_first_date(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;UNTIL=20900101", due_on="2090-01-01")
    pack.complete(task), pack.deliver()
    assert pack.tasks(status="open") == []
    assert len(pack.events("task.recurring.ended")) == 1


@pytest.mark.parametrize(
    ("due", "moved", "then"),
    [
        ({"due_on": "2090-01-01"}, {"due_on": None, "due_at": "2090-01-05T09:00:00Z"}, "2090-01-06"),
        ({"due_at": "2090-01-01T09:00:00Z"}, {"due_at": None, "due_on": "2090-01-05"}, "2090-01-06T09:00:00Z"),
    ],
)
def test_one_moved_to_the_other_kind_of_date_is_followed_by_a_later_one(
    pack: Pack, due: Json, moved: Json, then: str
) -> None:
    task = edited(pack, pack.create(recurrence_pattern="daily", **due), **moved)
    assert ahead(pack, task, 1) == [then]
    found = following(pack, task)
    assert then in (found["due_on"], found["due_at"])


def test_the_dates_ahead_are_those_that_come(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    moved = edited(pack, task, due_on="2090-01-05")
    assert ahead(pack, moved) == ["2090-01-06", "2090-01-07", "2090-01-08"]
    pack.travel(to=datetime.fromisoformat("2090-01-20T12:00:00Z"))
    dates = ahead(pack, moved)
    assert dates == ["2090-01-21", "2090-01-22", "2090-01-23"]
    assert following(pack, moved)["due_on"] == dates[0]


def test_the_dates_ahead_are_counted_from_completions_where_the_series_is(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="monthly", recurrence_from="completion", due_on="2090-01-31")
    dates = ahead(pack, task)
    assert dates == ["2090-02-28", "2090-03-28", "2090-04-28"]
    for day in ("2090-01-31", *dates[:2]):
        pack.travel(to=datetime.fromisoformat(f"{day}T12:00:00Z"))
        task = following(pack, task)
    assert task["due_on"] == dates[2]


def test_skipping_never_goes_back(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="every 3 days", recurrence_from="completion", due_on="2090-01-01")
    moved = pack.call("schedule-next-recurrence", "POST", f"/tasks/{task['task_id']}/skip").get_json()
    assert moved["due_on"] == "2090-01-04"
    assert pack.call("delete-task", "DELETE", f"/tasks/{task['task_id']}?scope=this").status_code == 204
    assert pack.get(task)["due_on"] == "2090-01-07"


def test_from_the_completion_a_time_of_the_rule_comes_on_a_later_day(pack: Pack) -> None:
    task = pack.create(
        recurrence_pattern="FREQ=DAILY;BYHOUR=22;BYMINUTE=0;BYSECOND=0", recurrence_from="completion",
        due_at="2090-01-01T09:00:00Z",
    )  # fmt: skip
    pack.travel(to=datetime.fromisoformat("2090-01-01T08:00:00Z"))
    assert following(pack, task)["due_at"] == "2090-01-02T22:00:00Z"


@pytest.mark.parametrize(("counted_from", "then"), [("completion", "2090-01-06"), ("due", "2090-01-11")])
def test_resumed_after_its_completion_it_goes_on_from_what_it_is_counted_from(
    pack: Pack, counted_from: str, then: str
) -> None:
    """Dates that passed during the pause are left out; those counted from the completion still are."""
    task = pack.create(recurrence_pattern="every 5 days", recurrence_from=counted_from, due_on="2090-01-01")
    task = edited(pack, task, recurrence_paused=True)
    pack.travel(to=datetime.fromisoformat("2090-01-01T12:00:00Z"))
    pack.complete(task), pack.deliver()
    pack.travel(to=datetime.fromisoformat("2090-01-07T12:00:00Z"))
    edited(pack, task, recurrence_paused=False)
    assert [each["due_on"] for each in pack.tasks(status="open")] == [then]


@pytest.mark.parametrize(
    "changes",
    [{"title": "C", "scope": "following"}, {"recurrence_paused": True}, {"recurrence_from": "completion"}],
)
def test_what_is_to_follow_is_not_said_to_an_occurrence_that_is_past(pack: Pack, changes: Json) -> None:
    task = pack.create(recurrence_pattern="daily", due_on="2090-01-01")
    following(pack, task)
    assert status_of(pack, task, **changes) == 409
    assert status_of(pack, task, title="it was another") == 200


def test_a_series_that_has_ended_is_prolonged_by_reopening_its_last(pack: Pack) -> None:
    task = pack.create(recurrence_pattern="FREQ=DAILY;COUNT=1", due_on="2090-01-01")
    pack.complete(task), pack.deliver()
    assert status_of(pack, task, recurrence_pattern="daily") == 409
    pack.reopen(task)
    assert following(pack, edited(pack, task, recurrence_pattern="daily"))["due_on"] == "2090-01-02"


def test_a_due_date_is_not_taken_from_under_its_reminders(pack: Pack) -> None:
    task = pack.create(due_on="2090-01-01", reminders=["P1D"])
    assert status_of(pack, task, due_on=None) == 422
    assert status_of(pack, task, due_on=None, reminders=[]) == 200


def test_a_snooze_of_a_day_ends_at_the_same_time_of_day(pack: Pack) -> None:
    """Days are days of the calendar (RFC 5545, 3.3.6): the clocks go back in between."""
    task = pack.create(due_at="2090-01-01T09:00:00Z", time_zone="Europe/Zurich")
    pack.travel(to=datetime.fromisoformat("2026-10-24T07:00:00Z"))
    snoozed = pack.call("snooze-reminder", "POST", f"/tasks/{task['task_id']}/snooze", {"duration": "P1D"})
    assert snoozed.get_json()["snoozed_until"].startswith("2026-10-25T08:00:00")
