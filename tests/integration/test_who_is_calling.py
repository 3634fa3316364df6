"""Nobody acts for another: spoofed hosts, headers and tokens, other people's tasks, and the database's own locks."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from itsdangerous import URLSafeSerializer
from psycopg import errors
from werkzeug.test import TestResponse

from taskmaster.hosts import is_internal
from taskmaster.identity import development_token
from tests.pack import Json, Pack

FUNCTIONS = [
    "create-task",
    "update-task",
    "complete-task",
    "reopen-task",
    "delete-task",
    "query-tasks",
    "schedule-next-recurrence",
    "relay-outbox",
    "park-dead-letter",
]


@pytest.fixture
def stranger() -> str:
    return f"stranger-{uuid4()}"


# The event door -------------------------------------------------------------------------------------------------------


def at_the_event_door(pack: Pack, host: str, function: str = "create-task", **more: str) -> TestResponse:
    """An event in somebody's name, with nothing but a Host header to vouch for it."""
    headers = {
        "Host": host,
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": "/spoof",
        "ce-type": "task.create",
        "ce-userid": pack.user,
        **more,
    }
    return pack.client(function).post(
        "/events", data=b'{"title": "x"}', headers=headers, content_type="application/json"
    )


OUTSIDE = [
    "create-task.default.example.com",
    "create-task.default.example.com:8080",
    "localhost",
    "127.0.0.1:8080",
    "[::1]:8080",
    "svc",
    ".svc",
    "create-task.default.svc.example.com",
    "create-task.default.svc.cluster.local.example.com",
    "create-task.default.svc:80.example.com",
    "create-task-default-svc",
    "example.com, create-task.default.svc",
    "example.com/.svc",
    "example.com#.svc",
    "user@create-task.default.svc",
]


@pytest.mark.parametrize("host", OUTSIDE)
def test_events_are_not_taken_under_an_external_host(pack: Pack, host: str) -> None:
    assert not is_internal(host)
    assert at_the_event_door(pack, host).status_code in (400, 404)  # 400: the server itself, for what is no host
    assert pack.tasks() == []


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-HTTP-Host-Override"],
)
def test_no_other_header_stands_in_for_the_host(pack: Pack, header: str) -> None:
    inside = "create-task.default.svc.cluster.local"
    value = f"host={inside}" if header == "Forwarded" else inside
    assert at_the_event_door(pack, "tasks.example.com", **{header: value}).status_code == 404
    assert pack.tasks() == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_has_an_event_door_to_the_outside(pack: Pack, function: str) -> None:
    assert at_the_event_door(pack, "tasks.example.com", function).status_code == 404


@pytest.mark.parametrize(
    "host",
    [
        "create-task.default.svc.cluster.local",
        "create-task.default.svc",
        "create-task.default.svc.cluster.local:80",
        "create-task.default.svc.cluster.local.",
        "CREATE-TASK.Default.SVC.Cluster.Local",
    ],
)
def test_the_clusters_own_names_for_a_function_are_inside(pack: Pack, host: str) -> None:
    assert at_the_event_door(pack, host).status_code == 204
    assert len(pack.tasks()) == 1


@pytest.mark.parametrize("path", ["/events/", "/Events", "/events/x", "/tasks/events", "/events%20"])
def test_there_is_one_event_door(pack: Pack, path: str) -> None:
    headers = {
        "ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": pack.user,
    }  # fmt: skip
    answer = pack.client("create-task").post(
        path, data=b'{"title": "x"}', headers=headers, base_url="http://create-task.default.svc"
    )
    assert answer.status_code == 401
    assert pack.tasks() == []


def test_further_hosts_are_a_setting(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_HOSTS", "localhost, Knative.test")
    assert at_the_event_door(pack, "localhost:8080").status_code == 204
    assert at_the_event_door(pack, "KNATIVE.test").status_code == 204
    assert at_the_event_door(pack, "127.0.0.1:8080").status_code == 404
    assert at_the_event_door(pack, "localhost.example.com").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_events_are_posted(pack: Pack, method: str) -> None:
    answer = pack.client("create-task").open(
        "/events", method=method, headers={"ce-specversion": "1.0"}, base_url="http://create-task.default.svc"
    )
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


# Tokens ---------------------------------------------------------------------------------------------------------------


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


# Other people's tasks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "method", "suffix", "body"),
    [
        ("query-tasks", "GET", "", None),
        ("query-tasks", "HEAD", "", None),
        ("query-tasks", "GET", "/occurrences", None),
        ("update-task", "PATCH", "", {"title": "mine now"}),
        ("update-task", "PATCH", "", {}),
        ("complete-task", "POST", "/complete", None),
        ("reopen-task", "POST", "/reopen", None),
        ("schedule-next-recurrence", "POST", "/skip", None),
        ("snooze-reminder", "POST", "/snooze", {"duration": "PT5M"}),
        ("snooze-reminder", "POST", "/dismiss", None),
        ("delete-task", "DELETE", "", None),
    ],
)
def test_another_users_task_is_not_there_for_a_call(
    pack: Pack, stranger: str, function: str, method: str, suffix: str, body: Json | None
) -> None:
    task = pack.create(title="secret plans", recurrence_pattern="daily", due_on="2090-01-01")
    there = pack.call(function, method, f"/tasks/{task['task_id']}{suffix}", body, user=stranger)
    nowhere = pack.call(function, method, f"/tasks/999999999{suffix}", body, user=stranger)
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(str(task["task_id"]), "N") == nowhere.text.replace("999999999", "N")
    assert pack.get(task) == task
    assert [event.type for event in pack.events()] == ["task.created"]


@pytest.mark.parametrize(
    ("function", "command", "more"),
    [
        ("update-task", "task.update", {"title": "mine now"}),
        ("complete-task", "task.complete", {}),
        ("reopen-task", "task.reopen", {}),
        ("delete-task", "task.delete", {}),
        ("schedule-next-recurrence", "task.completed", {}),
        ("schedule-next-recurrence", "task.skip", {}),
    ],
)
def test_another_users_task_is_not_there_for_an_event(
    pack: Pack, stranger: str, function: str, command: str, more: Json
) -> None:
    task = pack.create(title="secret plans", recurrence_pattern="daily", due_on="2090-01-01")
    answer = pack.event(function, command, {"task_id": task["task_id"], **more}, user=stranger)
    assert answer.status_code == 204
    assert pack.get(task) == task
    assert [event.type for event in pack.events()] == ["task.created"]
    told = pack.sql(
        "SELECT convert_from(value, 'UTF8') FROM outbox WHERE headers->>'ce_userid' = %(user)s", user=stranger
    )
    assert all("secret plans" not in value for (value,) in told)


def test_the_event_of_another_users_id_does_not_answer_mine(pack: Pack, stranger: str) -> None:
    pack.event("create-task", "task.create", {"title": "theirs"}, user=stranger, event_id="e")
    assert pack.event("create-task", "task.create", {"title": "mine"}, event_id="e").status_code == 204
    assert [task["title"] for task in pack.tasks()] == ["mine"]


# Row-level security, as the logins themselves meet it -----------------------------------------------------------------


@pytest.fixture
def user_login(pack: Pack, environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def system_login(pack: Pack, environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["SYSTEM_DATABASE_URL"], autocommit=True) as connection:
        yield connection


def act_for(connection: "psycopg.Connection[Any]", user: str) -> None:
    connection.execute("SELECT set_config('taskmaster.user_id', %s, false)", [user])


def test_the_users_login_sees_nothing_without_a_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    pack.create(recurrence_pattern="daily", due_on="2026-11-24")
    pack.event("create-task", "task.create", {"title": "x"})
    for user in (None, "", "somebody else"):
        if user is not None:
            act_for(user_login, user)
        for table in ("task", "series", "inbox"):
            assert user_login.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    act_for(user_login, pack.user)
    assert user_login.execute("SELECT count(*) FROM task").fetchone() == (2,)


def test_the_users_login_changes_no_row_of_another_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    task = pack.create()
    act_for(user_login, "somebody else")
    assert user_login.execute("UPDATE task SET title = 'x'").rowcount == 0
    assert user_login.execute("DELETE FROM task").rowcount == 0
    assert pack.get(task) == task


def test_the_users_login_gives_no_row_to_another_user(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    task = pack.create()
    act_for(user_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute("UPDATE task SET user_id = 'somebody else' WHERE task_id = %s", [task["task_id"]])
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute(
            "INSERT INTO inbox (function, user_id, source, id, digest, expires_at)"
            " VALUES ('f', 'somebody else', 's', 'i', '', now())"
        )


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM outbox",
        "DELETE FROM outbox",
        "UPDATE outbox SET topics = '{}'",
        "DELETE FROM inbox",
        "ALTER TABLE task DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_of_it ON task USING (true)",
        "TRUNCATE task",
        "DROP TABLE outbox",
        "GRANT taskmaster_system TO taskmaster_user",
        "SET ROLE taskmaster_system",
        "ALTER ROLE taskmaster_user BYPASSRLS",
        "CREATE TABLE public.mine (a int)",
    ],
)
def test_the_users_login_may_do_no_more_than_it_needs(
    pack: Pack, user_login: "psycopg.Connection[Any]", statement: str
) -> None:
    act_for(user_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege):
        user_login.execute(statement)


def test_the_users_login_leaves_events_only_for_somebody(user_login: "psycopg.Connection[Any]") -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        user_login.execute("INSERT INTO outbox (key, topics, headers, value) VALUES ('k', '{t}', '{}', '')")


@pytest.mark.parametrize(
    "statement", ["SELECT FROM task", "SELECT FROM series", "DELETE FROM task", "SELECT nextval('task_id')"]
)
def test_the_systems_login_sees_no_task(pack: Pack, system_login: "psycopg.Connection[Any]", statement: str) -> None:
    pack.create()
    act_for(system_login, pack.user)
    with pytest.raises(errors.InsufficientPrivilege):
        system_login.execute(statement)


def test_no_login_owns_a_table_or_passes_by_row_level_security(pack: Pack) -> None:
    logins = "('taskmaster_user', 'taskmaster_system')"
    above = f"SELECT rolname FROM pg_roles WHERE (rolsuper OR rolbypassrls OR rolcreaterole) AND rolname IN {logins}"
    assert pack.sql(above) == []
    assert pack.sql(f"SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) IN {logins}") == []
    tables = "('task', 'series', 'inbox', 'outbox')"
    secured = pack.sql(f"SELECT bool_and(relrowsecurity) FROM pg_class WHERE relname IN {tables} AND relkind = 'r'")
    assert secured == [(True,)]


def test_a_pooled_connection_forgets_whom_it_served(pack: Pack, stranger: str) -> None:
    for _ in range(5):
        pack.create()
        assert pack.call("query-tasks", "GET", "/tasks", user=stranger).json == {"tasks": [], "next_cursor": None}
