"""The verdict: a reminder may be 2 s later than alone, a call three times as slow, and nothing of hers is lost."""

from dataclasses import replace

import pytest

from tests.programs.attack.figures import Call, Window, broken, summary
from tests.programs.attack.report import Round, failed


def window(*, calls: float = 0.02, reminders: float = 0.1, successors: float = 0.3, status: int = 200) -> Window:
    """A hundred of everything, all alike."""
    return Window(
        calls=[Call(kind, float(number), calls, status) for number in range(50) for kind in ("create", "list")],
        reminders=[reminders] * 100,
        successors=[successors] * 100,
    )


def told(alone: Window, attacked: Window) -> list[str]:
    return [fault.text for fault in broken(alone, attacked)]


def test_what_is_as_before_holds() -> None:
    assert broken(window(), window()) == []


@pytest.mark.parametrize(("late", "holds"), [(2.0, True), (2.09, True), (2.11, False), (60.0, False)])
def test_one_reminder_is_at_most_two_seconds_later_than_the_latest_alone(late: float, holds: bool) -> None:
    attacked = window()
    attacked.reminders[7] = late
    assert (broken(window(reminders=0.1), attacked) == []) is holds


def test_one_successor_is_at_most_two_seconds_later_than_the_latest_alone() -> None:
    attacked = window()
    attacked.successors[7] = 2.4
    assert told(window(), attacked) == ["successors: one was 2.4 s late, the limit is 2.3 s"]


@pytest.mark.parametrize(("alone", "attacked", "holds"), [(0.1, 0.3, True), (0.1, 0.31, False), (0.5, 1.4, True)])
def test_calls_are_at_most_three_times_as_slow(alone: float, attacked: float, holds: bool) -> None:
    assert (broken(window(calls=alone), window(calls=attacked)) == []) is holds


@pytest.mark.parametrize(("attacked", "holds"), [(0.149, True), (0.151, False)])
def test_a_call_alone_counts_as_no_faster_than_the_floor(attacked: float, holds: bool) -> None:
    assert (broken(window(calls=0.001), window(calls=attacked)) == []) is holds


def test_one_call_in_twenty_may_be_slow_and_one_in_ten_may_not() -> None:
    few, many = window(), window()
    few.calls[:4] = [call._replace(seconds=9.0) for call in few.calls[:4]]
    many.calls[:10] = [call._replace(seconds=9.0) for call in many.calls[:10]]
    assert broken(window(), few) == []
    assert told(window(), many) == ["calls: p95 was 9000 ms, the limit is 150 ms"]


def test_one_kind_of_call_that_is_slow_is_not_hidden_by_the_others() -> None:
    attacked = window()
    slow = [Call("complete", 0.0, 0.2, 200)] * 3
    alone = replace(window(), calls=[*window().calls, Call("complete", 0.0, 0.02, 200)])
    attacked = replace(attacked, calls=[*attacked.calls, *slow])
    assert told(alone, attacked) == ["complete: p50 was 200 ms, the limit is 150 ms"]


@pytest.mark.parametrize("status", [0, 400, 429, 503])
def test_a_call_that_fails_is_broken(status: int) -> None:
    attacked = window()
    attacked.calls[3] = attacked.calls[3]._replace(status=status)
    assert told(window(), attacked) == [f"1 of 100 calls failed ({status or 'no answer'})"]


@pytest.mark.parametrize("lost", ["missing_reminders", "missing_successors", "unanswered"])
def test_what_is_lost_is_broken(lost: str) -> None:
    attacked = replace(window(), **{lost: 1})  # type: ignore[arg-type]
    assert not attacked.is_complete
    assert len(broken(window(), attacked)) == 1


def test_a_round_without_measurements_is_broken() -> None:
    assert told(window(), Window()) == ["nothing was measured"]
    assert told(Window(), window()) == ["nothing was measured"]


def test_only_slow_calls_may_be_chance_and_the_second_look_counts() -> None:
    slow = round_of(window(calls=9.0), "hot-key")
    late = round_of(window(calls=9.0, reminders=9.0), "hot-key")
    assert slow.may_be_chance
    assert not late.may_be_chance
    assert not round_of(window(), "hot-key").may_be_chance
    assert failed([slow, round_of(window(), "hot-key again")]) == []
    assert failed([slow, round_of(window(calls=9.0), "hot-key again")]) == ["hot-key"]
    assert failed([late, round_of(window(), "tarpit")]) == ["hot-key"]


def round_of(attacked: Window, name: str) -> Round:
    return Round(name=name, alone=window(), attacked=attacked, drained_seconds=3.0, broken=broken(window(), attacked))


def test_a_summary_has_the_percentiles_of_its_values() -> None:
    found = summary(number / 100 for number in range(100))
    assert (found.number, found.p50, found.p95, found.most) == (100, 0.5, 0.95, 0.99)
