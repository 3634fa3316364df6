"""What the dates of a series cost, counted: a pattern is read once, and a kind of year is worked out once."""

from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import pytest

from taskmaster.domain import pattern, rrule
from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAYS = ",".join(f"{number}{day}" for number in range(1, 20) for day in ("MO", "TU", "WE", "TH", "FR", "SA", "SU"))
LONGEST = f"FREQ=YEARLY;COUNT=999999;BYDAY={DAYS}"[:500].rpartition(",")[0]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a pattern was read, and how many days were looked at, from empty caches."""
    done = {"read": 0, "looked": 0}

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            done[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(pattern, "_read_rrule", counted("read", pattern._read_rrule))
    monkeypatch.setattr(rrule, "_period", counted("looked", rrule._period))
    pattern.parse.cache_clear()
    rrule._days_by_period.cache_clear()
    return done


@pytest.mark.parametrize("counted_from", ["completion", "due"])
@pytest.mark.parametrize("text", [LONGEST, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=500"])
def test_a_hundred_dates_read_their_pattern_once(text: str, counted_from: Any, work: dict[str, int]) -> None:
    fields = {"due_on": date(2026, 11, 24), "recurrence_pattern": text, "recurrence_from": counted_from}
    task = first_occurrence(check_recurrence(Task(task_id=1, title="x", created_at=NOW, updated_at=NOW, **fields)))
    dates = list(islice(Series.started_by(task).upcoming(task.due, now=NOW), 100))
    assert len(dates) == 100
    assert work["read"] == 1
    assert work["looked"] <= 366 * 16 + 3 * 100  # the fourteen kinds of year, and where each date begins the rule anew


def test_many_patterns_do_not_pile_up(work: dict[str, int]) -> None:
    for number in range(1, 301):
        pattern.parse(f"FREQ=DAILY;COUNT={number};INTERVAL={number}")
        pattern.parse(f"every {number} days")
    assert pattern.parse.cache_info().currsize <= 64
    assert rrule._days_by_period.cache_info().currsize <= 64


def test_what_is_no_pattern_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(pattern.RuleError):
            pattern.parse("FREQ=HOURLY")
