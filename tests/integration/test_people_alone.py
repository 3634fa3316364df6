"""Development tokens, and what is a person's wherever it is sent: the token says who it is, and nothing else does."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from itsdangerous import URLSafeSerializer

from taskmaster.identity import development_token
from tests.pack import Pack


@pytest.fixture
def stranger() -> str:
    return f"stranger-{uuid4()}"


def signed(claims: Any, *, secret: str, salt: str = "taskmaster development token") -> str:
    return str(URLSafeSerializer(secret, salt=salt).dumps(claims))


def wrong_tokens(secret: str) -> Iterator[tuple[str, str]]:
    good = development_token("ada", secret=secret, seconds=60)
    yield "none", ""
    yield "no scheme", good
    yield "another scheme", f"Basic {good}"
    yield "nothing behind the scheme", "Bearer "
    yield "not ours", "Bearer abc"
    yield "not ASCII", "Bearer ä.ö"
    yield "a JWT without a signature", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."
    yield "another secret", f"Bearer {development_token('ada', secret='another', seconds=60)}"
    yield "another salt", f"Bearer {signed({'sub': 'ada', 'exp': 2**40}, secret=secret, salt='session')}"
    yield "expired", f"Bearer {development_token('ada', secret=secret, seconds=-1)}"
    yield "tampered with", f"Bearer x{good}"
    yield "cut short", f"Bearer {good[:-1]}"
    yield "nobody's", f"Bearer {signed({'exp': 2**40}, secret=secret)}"
    yield "the empty user's", f"Bearer {signed({'sub': '', 'exp': 2**40}, secret=secret)}"
    yield "for ever", f"Bearer {signed({'sub': 'ada'}, secret=secret)}"
    yield "until no number", f"Bearer {signed({'sub': 'ada', 'exp': float('nan')}, secret=secret)}"
    yield "until a word", f"Bearer {signed({'sub': 'ada', 'exp': 'later'}, secret=secret)}"
    yield "a NUL's", f"Bearer {signed({'sub': chr(0), 'exp': 2**40}, secret=secret)}"
    yield "too long a user's", f"Bearer {signed({'sub': 'a' * 129, 'exp': 2**40}, secret=secret)}"
    yield "no object", f"Bearer {signed(['ada', 2**40], secret=secret)}"


@pytest.mark.parametrize("which", [name for name, _ in wrong_tokens("unused")])
def test_without_a_token_that_holds_nobody_is_signed_in(pack: Pack, which: str) -> None:
    authorization = dict(wrong_tokens(pack.secret))[which]
    for function, method, path in [("create-task", "POST", "/tasks"), ("query-tasks", "GET", "/tasks")]:
        body = {"title": "x"} if method == "POST" else None
        answer = pack.call(function, method, path, body, Authorization=authorization)
        assert answer.status_code == 401, which
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.content_type == "application/problem+json"
        assert pack.secret not in answer.text


def test_without_a_secret_no_token_is_accepted(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEV_TOKEN_SECRET")
    for token in (pack.token(), signed({"sub": "ada", "exp": 2**40}, secret="")):
        assert pack.call("query-tasks", "GET", "/tasks", Authorization=f"Bearer {token}").status_code == 401


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
