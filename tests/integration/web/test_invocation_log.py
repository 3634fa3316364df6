"""One line a finished invocation, which says how it went and nothing of what was asked; nothing else at INFO."""

import json
from collections.abc import Mapping
from pathlib import Path
from select import PIPE_BUF
from typing import Any
from uuid import uuid4

from taskmaster.log import FINISHED
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import FunctionProcess, eventually

FIXTURES = FUNCTIONS.parent / "tests" / "support" / "fixtures" / "functions"


def finished(process: FunctionProcess, count: int) -> list[dict[str, Any]]:
    """The lines of so many invocations; there is no other line below WARNING."""
    eventually(lambda: sum(FINISHED in line for line in process.lines) == count, "a line for each invocation")
    lines = [json.loads(line) for line in process.lines]
    assert {each["message"] for each in lines if each["severity"] == "INFO"} == {FINISHED}
    return [each for each in lines if each["message"] == FINISHED]


def test_each_invocation_is_one_line(connected: Mapping[str, str]) -> None:
    user, event_id, correlation = f"user-{uuid4()}", str(uuid4()), str(uuid4())
    with FunctionProcess("create-task", connected) as create:
        call = {"title": "a secret plan"}
        assert create.call("POST", "/tasks", call, user=user, X_Correlation_Id=correlation).status_code == 201
        assert create.call("POST", "/tasks", {"title": ""}, user=user).status_code == 422
        assert create.event("task.create", call, user=user, event_id=event_id).status_code == 204
        assert create.event("task.create", call, user=user, event_id=event_id).status_code == 204
        called, refused, handled, repeated = finished(create, 4)
        text = "\n".join(create.lines)
    assert {name: called[name] for name in called if name not in ("duration_ms", "time", "db.round_trips")} == {
        "message": FINISHED,
        "severity": "INFO",
        "logger": "taskmaster.invocation",
        "outcome": "done",
        "faas.name": "create-task",
        "faas.coldstart": True,
        "faas.trigger": "http",
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "messaging.message.conversation_id": correlation,
    }
    assert called["duration_ms"] > 0
    assert called["db.round_trips"] > 0
    assert (refused["outcome"], refused["http.response.status_code"], refused["faas.coldstart"]) == (
        "refused",
        422,
        False,
    )
    assert refused["db.round_trips"] == 0
    assert (handled["faas.trigger"], handled["attempt"], handled["cloudevents.event_id"]) == ("pubsub", 1, event_id)
    assert (repeated["outcome"], repeated["attempt"]) == ("done", 1)
    for secret in (user, "secret plan"):
        assert secret not in text


def test_an_outage_has_a_word_of_its_own(connected: Mapping[str, str]) -> None:
    away = {**connected, "DATABASE_URL": "postgresql://taskmaster_user:x@127.0.0.1:1/x", "DATABASE_TIMEOUT": "1"}
    with FunctionProcess("create-task", away) as create:
        assert create.call("POST", "/tasks", {"title": "x"}, user="ada").status_code == 503
        [line] = finished(create, 1)
    assert (line["outcome"], line["http.response.status_code"]) == ("unavailable", 503)


def test_a_failure_counts_its_attempts_until_it_is_given_up(connected: Mapping[str, str], tmp_path: Path) -> None:
    event_id = str(uuid4())
    environment = {**connected, "MAX_ATTEMPTS": "2", "ATTEMPTS_FILE": str(tmp_path / "attempts")}
    with FunctionProcess("poisonable", environment, source=FIXTURES / "poisonable.py") as function:
        for status in (500, 500, 204):
            answer = function.event("test.drink", {"what": "poison"}, user="ada", event_id=event_id)
            assert answer.status_code == status
        lines = finished(function, 3)
    assert [(each["outcome"], each["attempt"]) for each in lines] == [("failed", 1), ("failed", 2), ("parked", 3)]


def test_a_tick_is_told_from_an_event(connected: Mapping[str, str]) -> None:
    with FunctionProcess("relay-outbox", connected) as relay:
        assert relay.tick().status_code == 204
        [line] = finished(relay, 1)
    assert (line["faas.trigger"], line["faas.name"], line["outcome"]) == ("timer", "relay-outbox", "done")


def test_what_python_itself_would_print_is_a_line_too(connected: Mapping[str, str]) -> None:
    with FunctionProcess("outspoken", connected, source=FIXTURES / "outspoken.py") as function:
        assert function.event("test.speak", {}, user="ada").status_code == 204
        eventually(lambda: any(FINISHED in line for line in function.lines))
        lines = [json.loads(line) for line in function.lines]
    said = [each["message"] for each in lines]
    assert said[0] == "early"
    assert "a library is about to change" in said[1]
    assert said[2].startswith("Exception ignored in") or "nobody could catch" in said[2]
    assert said[3:] == ["a thread ended", "a line could not be written", FINISHED]
    assert lines[2]["exc_info"].endswith("ValueError: at its end")
    assert lines[3]["exc_info"].startswith("...")
    assert lines[3]["exc_info"].endswith("xxx")
    assert max(map(len, function.lines)) < PIPE_BUF  # what one write puts into a pipe undivided
