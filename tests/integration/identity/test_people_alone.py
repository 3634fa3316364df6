"""What is a person's wherever it is sent: the token says who it is, and nothing else does."""

import json
from uuid import uuid4

import pytest

from tests.support.function_pack import Pack


@pytest.fixture
def stranger() -> str:
    return f"stranger-{uuid4()}"


def test_a_token_is_asked_for_before_anything_is_said(pack: Pack) -> None:
    for method, path in [("POST", "/nothing/here"), ("DELETE", "/tasks"), ("POST", "/tasks")]:
        assert pack.call("create-task", method, path, b"{", Authorization="").status_code == 401


@pytest.mark.parametrize("function", ["relay-outbox", "park-dead-letter"])
def test_what_is_for_events_alone_has_no_door_for_people(pack: Pack, function: str) -> None:
    assert pack.call(function, "POST", "/", {}).status_code == 404


def test_a_persons_event_is_theirs_whoever_it_says_it_is_from(pack: Pack, stranger: str) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "i", "ce_source": "/s", "ce_type": "task.create"}
    answer = pack.call("create-task", "POST", "/", {"title": "x"}, **headers, ce_userid=stranger)
    assert answer.status_code == 201
    event = {
        **{name[3:]: value for name, value in headers.items()},
        "userid": stranger,
        "data": {"title": "y"},
        "id": "j",
    }
    body = json.dumps(event).encode()
    answer = pack.call("create-task", "POST", "/", body, Content_Type="application/cloudevents+json")
    assert answer.status_code == 201
    assert len(pack.tasks()) == 2
    assert pack.call("query-tasks", "GET", "/tasks", user=stranger).json == {"tasks": [], "next_cursor": None}


def test_a_persons_event_needs_a_token_under_the_internal_host_too(pack: Pack) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "i", "ce_source": "/s", "ce_type": "task.create", "ce_userid": "ada"}
    internal = {"Host": "create-task.default.svc.cluster.local", "Authorization": ""}
    assert pack.call("create-task", "POST", "/", {"title": "x"}, **headers, **internal).status_code == 401
