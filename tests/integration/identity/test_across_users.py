"""Every operation, by every way in, tried by one user on what is another's: nothing is seen, and nothing changes.

The ways are read from the functions themselves, so that an operation that is new has to say here how it is tried.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.programs.specifications.served import served
from tests.support.function_pack import Json, Pack

PLANS = "secret plans"
# What to send with each operation, beside the id of another's task where it takes one.
ROWS: Mapping[str, Json] = {
    "create-task": {"title": "mine"},
    "update-task": {"title": "mine now"},
    "complete-task": {},
    "reopen-task": {},
    "delete-task": {},
    "get-task": {},
    "list-tasks": {},
    "list-changes": {},
    "list-history": {},
    "list-reminders": {"task_id": 1},
    "stream-changes": {},
    "list-occurrences": {},
    "preview-occurrences": {"recurrence_pattern": "daily", "due_on": "2090-01-01"},
    "follow-completion": {},
    "skip-occurrence": {},
    "snooze-task": {"duration": "PT5M"},
    "dismiss-task": {},
    "send": {"reminder_id": str(uuid4())},
    "warm-up": {},
    "show-preferences": {},
    "change-preferences": {"time_zone": "Asia/Tokyo"},
    "move-reminders": {"ticket": str(uuid4())},
    "show-feed": {},  # takes no token: tests/integration/web/test_calendar.py
    "make-calendar": {},
    "revoke-calendar": {},
    "show-pack-at-work": {},
    "show-dead-letters": {},
    "replay-dead-letter": {},
}
BY_CALL = [(each, route) for each in served() for route in each.operation.http if not each.operation.by_address]
BY_EVENT = [(each, event_type) for each in served() for event_type in each.operation.types]
# What somebody might hope to be taken for another user by.
SPOOFED = [
    "ce_userid",
    "userid",
    "X_Forwarded_User",
    "X_User_Id",
    "X_Remote_User",
    "X_Auth_Request_User",
    "From",
    "Cookie",
]


@pytest.fixture
def stranger() -> str:
    return f"stranger-{uuid4()}"


@pytest.fixture
def task(pack: Pack) -> Json:
    """A task of the user with all that can hang on one."""
    pack.prefer(time_zone="Europe/Zurich", day_hour="08:00")
    pack.call("show-calendar", "PUT", "/calendar")
    return pack.create(title=PLANS, recurrence_pattern="daily", due_at="2090-01-01T09:00:00Z", reminders=["PT1H"])


def everything_of(pack: Pack) -> list[Any]:
    """Every row of the user's."""
    tables = ("task", "series", "reminder", "preferences", "calendar_feed")
    rows = [pack.sql(f"SELECT * FROM {table} WHERE user_id = %(user)s ORDER BY 1", user=pack.user) for table in tables]
    return [*rows, pack.events()]


def told(pack: Pack, user: str) -> str:
    """All that was ever said in the name of a user, on any topic."""
    rows = pack.sql("SELECT convert_from(value, 'UTF8') FROM outbox WHERE headers->>'ce_userid' = %(user)s", user=user)
    return " ".join(value for (value,) in rows)


def test_every_operation_is_tried_here() -> None:
    assert {each.operation.name for each in served()} == set(ROWS)


def about(task: Json, each: Any) -> dict[str, Any]:
    """The data of an event that asks for an operation, of this task where it is of one."""
    data = dict(ROWS[each.operation.name])
    if "task_id" in each.operation.command.model_fields:
        data["task_id"] = task["task_id"]
    return data


def path_of(route: Any, task_id: int) -> str:
    """Its path for this task, or for the first of anything else that it names."""
    return re.sub(r"\{\w+\}", "0", route.path.replace("{task_id}", str(task_id)))


def ask(pack: Pack, each: Any, route: Any, task_id: int, user: str, **headers: str) -> TestResponse:
    fields = ROWS[each.operation.name]
    path = path_of(route, task_id)
    if route.method == "GET":
        path += "?" + "&".join(f"{name}={value}" for name, value in fields.items())
    body = fields if route.method not in ("GET", "DELETE") else None
    return pack.call(each.function, route.method, path, body, user=user, **headers)


@pytest.mark.parametrize(("each", "route"), BY_CALL, ids=lambda it: getattr(it, "function", getattr(it, "path", "")))
def test_a_call_reaches_nothing_of_another_user(pack: Pack, task: Json, stranger: str, each: Any, route: Any) -> None:
    before = everything_of(pack)
    for headers in ({}, dict.fromkeys(SPOOFED, pack.user)):
        there = ask(pack, each, route, task["task_id"], stranger, **headers)
        assert PLANS not in there.text
        assert "Zurich" not in there.text
        if "task_id" in route.path:
            nowhere = ask(pack, each, route, 999_999_999, stranger, **headers)
            assert there.status_code == nowhere.status_code == 404
            assert there.text.replace(f"task {task['task_id']} ", "task N ") == nowhere.text.replace("999999999", "N")
        elif each.function == "show-pack":
            assert there.status_code == 403, there.text  # whoever is named sees nothing of a user either
        else:
            assert there.status_code in (200, 201, 204), there.text
    assert everything_of(pack) == before
    assert PLANS not in told(pack, stranger)


@pytest.mark.parametrize(("each", "event_type"), BY_EVENT, ids=lambda it: getattr(it, "function", it))
def test_an_event_reaches_nothing_of_another_user(
    pack: Pack, task: Json, stranger: str, each: Any, event_type: str
) -> None:
    before = everything_of(pack)
    data = about(task, each)
    if "reminder_id" in data:
        [[data["reminder_id"]]] = pack.sql(
            "SELECT reminder_id::text FROM reminder WHERE task_id = %(id)s", id=task["task_id"]
        )
    assert pack.event(each.function, event_type, data, user=stranger).status_code == 204
    assert everything_of(pack) == before
    assert PLANS not in told(pack, stranger)


@pytest.mark.parametrize(("each", "event_type"), BY_EVENT, ids=lambda it: getattr(it, "function", it))
def test_an_event_of_a_persons_is_theirs_whoever_it_names(
    pack: Pack, task: Json, stranger: str, each: Any, event_type: str
) -> None:
    """Posted to the people's door, where the token alone says who it is; under an internal host too."""
    before = everything_of(pack)
    data = about(task, each)
    attributes = {"specversion": "1.0", "id": str(uuid4()), "source": "/spoof", "type": event_type, "userid": pack.user}
    headers = {f"ce_{name}": value for name, value in attributes.items()}
    for host in ("tasks.example.com", f"{each.function}.default.svc.cluster.local"):
        answer = pack.call(each.function, "POST", "/", data, user=stranger, Host=host, **headers)
        assert answer.status_code < 500
        assert PLANS not in answer.text
        unsigned = pack.call(each.function, "POST", "/", data, Authorization="", Host=host, **headers)
        assert unsigned.status_code == 401
    assert everything_of(pack) == before
    assert PLANS not in told(pack, stranger)


@pytest.mark.parametrize(("each", "route"), BY_CALL, ids=lambda it: getattr(it, "function", getattr(it, "path", "")))
def test_no_body_and_no_query_says_whose_it_is(pack: Pack, task: Json, stranger: str, each: Any, route: Any) -> None:
    before = everything_of(pack)
    for field in ("user_id", "userid", "user", "sub"):
        path = path_of(route, task["task_id"])
        has_body = route.method not in ("GET", "DELETE")
        fields = ROWS[each.operation.name] if has_body else None
        answer = pack.call(each.function, route.method, f"{path}?{field}={pack.user}", fields, user=stranger)
        assert answer.status_code == 422, answer.text
        assert "there is no such" in answer.text
        if has_body:
            body = {**ROWS[each.operation.name], field: pack.user}
            answer = pack.call(each.function, route.method, path, body, user=stranger)
            assert answer.status_code == 422, answer.text
            assert "there is no such field" in answer.text
    assert everything_of(pack) == before


def test_the_event_of_another_users_id_does_not_answer_mine(pack: Pack, stranger: str) -> None:
    pack.event("create-task", "task.create", {"title": "theirs"}, user=stranger, event_id="e")
    assert pack.event("create-task", "task.create", {"title": "mine"}, event_id="e").status_code == 204
    assert [task["title"] for task in pack.tasks()] == ["mine"]


def test_the_idempotency_key_of_another_user_does_not_answer_mine(pack: Pack, stranger: str) -> None:
    for user, title in ((stranger, "theirs"), (pack.user, "mine")):
        answer = pack.call("create-task", "POST", "/tasks", {"title": title}, user=user, Idempotency_Key="k")
        assert (answer.json or {})["title"] == title


@pytest.mark.parametrize("reminder_id", ["", "another's", "' OR true --", "\x00", "7" * 5_000])
def test_a_reminder_that_has_no_such_id_is_refused(pack: Pack, task: Json, reminder_id: str) -> None:
    data = {"task_id": task["task_id"], "reminder_id": reminder_id}
    attributes = {"specversion": "1.0", "id": str(uuid4()), "source": "/spoof", "type": "reminder.due"}
    headers = {f"ce_{name}": value for name, value in attributes.items()}
    assert pack.call("send-reminder", "POST", "/", data, **headers).status_code == 422
    assert pack.event("send-reminder", "reminder.due", data).status_code == 422
