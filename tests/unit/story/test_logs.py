"""Lines of finished invocations are read from whatever a log holds."""

import json

import pytest

from taskmaster.log import FINISHED
from taskmaster.story.logs import read_logs

LINE = {
    "message": FINISHED,
    "outcome": "failed",
    "duration_ms": 12.5,
    "db.round_trips": 3,
    "faas.name": "complete-task",
    "faas.coldstart": True,
    "attempt": 2,
    "cloudevents.event_id": "e1",
    "messaging.message.conversation_id": "c",
    "time": "2026-11-24T09:00:00+00:00",
}


@pytest.mark.parametrize("prefix", ["", "[pod/complete-task-00001/user-container] "])
def test_a_line_says_what_a_try_took_and_how_it_ended(prefix: str) -> None:
    [tried] = read_logs([prefix + json.dumps(LINE)])
    assert (tried.function, tried.event_id, tried.attempt) == ("complete-task", "e1", 2)
    assert tried.text == "failed after 12.5 ms, 3 round trips to the database, from zero"


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", FINISHED, "{" + FINISHED, json.dumps({"message": FINISHED}), json.dumps({**LINE, "time": 7})],
)
def test_what_is_no_such_line_is_left_out(line: str) -> None:
    assert read_logs([line]) == []
