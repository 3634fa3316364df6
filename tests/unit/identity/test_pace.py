"""How often one user may call: a burst, then a steady rate, and each user for himself."""

import pytest

from taskmaster.identity import pace
from taskmaster.identity.pace import BURST_SECONDS, Pace, TooManyCalls
from tests.support.monotonic_clock import MonotonicClock, clock_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    return clock_of(pace, monkeypatch)


def turns(limited: Pace, user: str, count: int, *, longest: float = 2.0) -> list[float]:
    return [round(limited.take_turn(user, longest=longest), 3) for _ in range(count)]


def test_a_burst_is_taken_at_once_and_then_each_waits_for_the_one_before(clock: MonotonicClock) -> None:
    limited = Pace(10)
    burst = int(10 * BURST_SECONDS)
    assert turns(limited, "ada", burst + 1) == [0.0] * (burst + 1)
    assert turns(limited, "ada", 3) == [0.1, 0.2, 0.3]


def test_a_turn_too_far_away_is_not_taken(clock: MonotonicClock) -> None:
    limited = Pace(1)
    turns(limited, "ada", 8)
    for _ in range(3):
        with pytest.raises(TooManyCalls) as refused:
            limited.take_turn("ada", longest=2.0)
        assert refused.value.seconds == pytest.approx(3.0)
    clock.on(1)
    assert turns(limited, "ada", 1) == [2.0]


def test_what_one_user_has_spent_costs_no_other_user_a_turn(clock: MonotonicClock) -> None:
    limited = Pace(1)
    turns(limited, "eve", 8)
    assert turns(limited, "ada", 6) == [0.0] * 6


def test_who_calls_at_the_rate_never_waits(clock: MonotonicClock) -> None:
    limited = Pace(10)
    for _ in range(1_000):
        assert limited.take_turn("ada", longest=0) == 0
        clock.on(0.1)


def test_a_call_that_took_long_counts_as_several(clock: MonotonicClock) -> None:
    limited = Pace(10)
    limited.charge("ada", 0.05)  # as long as its share
    limited.charge("ada", 0.1)  # as two
    burst = int(10 * BURST_SECONDS)
    assert turns(limited, "ada", burst + 1) == [0.0] * burst + [0.1]
    assert turns(limited, "eve", 1) == [0.0]


def test_the_longest_call_costs_a_fifth_of_a_second_of_turns(clock: MonotonicClock) -> None:
    limited = Pace(10)
    turns(limited, "ada", int(10 * BURST_SECONDS))
    limited.charge("ada", 60.0)
    assert turns(limited, "ada", 2) == [0.1, 0.2]


def test_a_rate_of_nothing_limits_nothing(clock: MonotonicClock) -> None:
    unlimited = Pace(0)
    unlimited.charge("ada", 60.0)
    assert turns(unlimited, "ada", 1_000, longest=0) == [0.0] * 1_000


def test_users_who_have_not_called_for_long_are_forgotten(clock: MonotonicClock) -> None:
    limited = Pace(10)
    turns(limited, "eve", 100, longest=10)
    for number in range(20_000):
        limited.take_turn(f"user-{number}", longest=2.0)
        clock.on(0.01)
    assert len(limited._spent_until) <= 10_002
