"""One user's calls beyond the rate wait or are refused; events and other users never are."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from taskmaster.identity import pace
from tests.support.function_pack import Pack
from tests.support.function_process import FunctionProcess

RATE = {"USER_CALLS_PER_SECOND": "2"}
BURST = 11  # five seconds of two calls each, and one


def test_a_server_that_cannot_postpone_refuses_what_is_beyond_a_burst(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "0.5")
    pack.restart()
    answers = [pack.call("query-tasks", "GET", "/tasks") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
    refused = answers[-1]
    assert refused.headers["Retry-After"] in ("1", "2")
    assert refused.get_json()["title"] == "Too many requests"
    assert pack.call("query-tasks", "GET", "/tasks", user=f"user-{uuid4()}").status_code == 200


def test_a_call_that_occupied_a_thread_for_long_costs_further_turns(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "THREAD_SHARE", 1e-9)  # so that any call is a long one
    monkeypatch.setattr(pace, "DEAREST_SECONDS", 60.0)
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "10")
    pack.restart()
    answers = [pack.call("query-tasks", "GET", "/tasks") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert pack.call("query-tasks", "GET", "/tasks", user=f"user-{uuid4()}").status_code == 200


def test_events_are_not_counted(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "0.1")
    pack.restart()
    for _ in range(20):
        assert pack.event("create-task", "task.create", {"title": "one of many"}).status_code == 204


def test_calls_beyond_the_burst_wait_for_their_turn_and_nothing_is_lost(connected: Mapping[str, str]) -> None:
    user, other = f"user-{uuid4()}", f"user-{uuid4()}"
    with FunctionProcess("create-task", {**connected, **RATE}) as create, ThreadPoolExecutor(40) as clients:

        def call(number: int) -> int:
            return create.call("POST", "/tasks", {"title": f"number {number}"}, user=user).status_code

        statuses = list(clients.map(call, range(BURST + 10)))
        assert statuses.count(201) + statuses.count(429) == BURST + 10
        # Four turns come within two seconds, and whoever finds a further one gone by is not refused.
        assert BURST + 4 <= statuses.count(201) < BURST + 10
        assert create.call("POST", "/tasks", {"title": "another's"}, user=other).status_code == 201
