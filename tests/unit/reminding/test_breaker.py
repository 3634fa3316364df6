"""The breaker: what is slow costs less and less, and what is refused comes again one by one."""

import pytest

from taskmaster.reminding import breaker
from taskmaster.reminding.breaker import (
    HOPELESS_IN_A_ROW,
    LATEST_SECONDS,
    MOST_AT_ONCE,
    MOST_IN_TROUBLE,
    PAUSE_SECONDS,
    SLOW_IN_A_ROW,
    SLOW_SECONDS,
    SOONEST_SECONDS,
    Breaker,
)
from tests.support.monotonic_clock import MonotonicClock, clock_of


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    return clock_of(breaker, monkeypatch)


def slow(breaker: Breaker, clock: MonotonicClock, *, times: int = 1, by: str = "", seconds: float = 12) -> int:
    """Calls one after the other that are slow, for as long as they may begin; how many there were."""
    made = 0
    for _ in range(times):
        if not breaker.enter("host", by=by):
            break
        clock.on(seconds)
        breaker.leave("host", slow=True, by=by)
        made += 1
    return made


def room(breaker: Breaker, key: str = "host") -> int:
    """How many calls may begin at this moment; they are taken back."""
    made = 0
    while breaker.enter(key):
        made += 1
    for _ in range(made):
        breaker.leave(key, slow=None)
    return made


def test_a_receiver_that_is_slow_again_and_again_costs_less_and_less(clock: MonotonicClock) -> None:
    breaker = Breaker()
    rooms = []
    for _ in range(HOPELESS_IN_A_ROW):
        rooms.append(room(breaker))
        slow(breaker, clock)
    assert rooms == [MOST_AT_ONCE] * SLOW_IN_A_ROW + [MOST_IN_TROUBLE] * (HOPELESS_IN_A_ROW - SLOW_IN_A_ROW)
    assert room(breaker) == 0  # a pause
    clock.on(PAUSE_SECONDS[0])
    assert room(breaker) == 1
    calls, begun = 0, clock.seconds
    while clock.seconds < begun + 3600:
        calls += slow(breaker, clock)
        clock.on(5)
    assert calls <= 5 + 3600 / PAUSE_SECONDS[1]


def test_one_fast_answer_ends_the_trouble(clock: MonotonicClock) -> None:
    breaker = Breaker()
    slow(breaker, clock, times=HOPELESS_IN_A_ROW)
    clock.on(PAUSE_SECONDS[1])
    assert breaker.enter("host")
    breaker.leave("host", slow=False)
    assert room(breaker) == MOST_AT_ONCE


def test_many_slow_calls_at_the_same_time_count_as_one(clock: MonotonicClock) -> None:
    """A process that waits for its processor has all of its calls slow at once."""
    breaker = Breaker()
    for _ in range(MOST_AT_ONCE):
        assert breaker.enter("host")
    clock.on(12)
    for _ in range(MOST_AT_ONCE):
        breaker.leave("host", slow=True)
    assert room(breaker) == MOST_AT_ONCE


def test_what_is_slow_and_answers_is_given_no_pause(clock: MonotonicClock) -> None:
    breaker = Breaker()
    for _ in range(5 * HOPELESS_IN_A_ROW):
        assert breaker.enter("host")
        clock.on(5)
        breaker.leave("host", slow=True, in_vain=False)
    assert room(breaker) == MOST_IN_TROUBLE


def test_what_is_long_ago_is_forgotten(clock: MonotonicClock) -> None:
    breaker = Breaker()
    slow(breaker, clock, times=SLOW_IN_A_ROW)
    clock.on(3600)
    assert room(breaker) == MOST_AT_ONCE


def test_calls_that_are_stuck_count_before_they_end(clock: MonotonicClock) -> None:
    breaker = Breaker(most=10)
    for _ in range(SLOW_IN_A_ROW):
        assert breaker.enter("host")
    assert breaker.has_room("host")
    clock.on(SLOW_SECONDS + 0.1)
    assert not breaker.has_room("host")
    assert not breaker.enter("host")


def test_one_user_alone_makes_no_trouble_for_a_host(clock: MonotonicClock) -> None:
    """Whose webhook is slow on purpose may share its host with everybody's."""
    breaker = Breaker()
    assert slow(breaker, clock, times=20, by="eve") == 20
    assert room(breaker) == MOST_AT_ONCE
    for name in ("ada", "bob"):
        slow(breaker, clock, by=name)
    assert room(breaker) == MOST_IN_TROUBLE


def test_what_was_not_called_after_all_teaches_nothing(clock: MonotonicClock) -> None:
    breaker = Breaker()
    slow(breaker, clock, times=SLOW_IN_A_ROW)
    assert breaker.enter("host")
    breaker.leave("host", slow=None)
    assert room(breaker) == MOST_IN_TROUBLE


def test_those_who_are_refused_come_again_one_by_one(clock: MonotonicClock) -> None:
    breaker = Breaker(most=2)
    breaker.enter("host")
    breaker.enter("host")
    places = [breaker.seconds_until("host") for _ in range(50)]
    assert places[0] == SOONEST_SECONDS
    assert places == sorted(set(places))


def test_nobody_is_sent_away_for_longer_than_an_hour_nor_all_to_one_moment(clock: MonotonicClock) -> None:
    breaker = Breaker(most=2)
    slow(breaker, clock, times=SLOW_IN_A_ROW)
    breaker.enter("host")
    breaker.enter("host")
    places = [breaker.seconds_until("host") for _ in range(3_000)]
    assert max(places) <= LATEST_SECONDS
    assert len({round(place) for place in places}) > 1_000


def test_many_quick_calls_are_no_trouble_and_slow_ones_are(clock: MonotonicClock) -> None:
    breaker = Breaker(most=2)
    while breaker.enter("host"):
        pass
    assert breaker.seconds_until("host") > 0
    assert not breaker.is_in_trouble("host")
    breaker = Breaker()
    slow(breaker, clock, times=SLOW_IN_A_ROW)
    assert breaker.is_in_trouble("host")
    slow(breaker, clock, times=HOPELESS_IN_A_ROW - SLOW_IN_A_ROW)
    assert breaker.is_in_trouble("host"), "in a pause"
    clock.on(PAUSE_SECONDS[0])
    assert breaker.enter("host")
    breaker.leave("host", slow=False)
    assert not breaker.is_in_trouble("host")


def test_a_slow_key_is_no_other_key(clock: MonotonicClock) -> None:
    breaker = Breaker()
    slow(breaker, clock, times=HOPELESS_IN_A_ROW)
    assert room(breaker, "another") == MOST_AT_ONCE


def test_what_is_known_of_many_does_not_grow_for_ever(clock: MonotonicClock) -> None:
    breaker = Breaker()
    for number in range(5_000):
        assert breaker.enter(f"host {number}")
        breaker.leave(f"host {number}", slow=True)
        clock.on(1)
    assert len(breaker._known) <= 1_001
