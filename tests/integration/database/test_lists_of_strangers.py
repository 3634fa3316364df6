"""What lists ask with the owner's rights (tasks_found) tells nobody of another user's task, by any plan."""

from itertools import product
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.support.function_pack import Pack, act_for

FIND = "SELECT task_id, user_id FROM tasks_found(%s, %s, false)"
BEFORE = "SELECT task_id, user_id FROM tasks_with_terms(%s, %s)"
SAMPLE = "SELECT task_id, user_id FROM tasks_found(%s, %s, true)"
WITHIN = "SELECT task_id, user_id FROM tasks_found('secret', '{}', false, NULL, %s, %s, %s, 0, %s, %s)"
SWITCHES = ("enable_bitmapscan", "enable_indexscan", "enable_seqscan")
# What finds everything, something and nothing; and what could be taken for part of a condition.
TEXTS = ("secret", "s", "", "zz", "' | 'a", "\\", "':*", "%", "@", "\u725b")
TAGS: tuple[list[str], ...] = ([], ["plan"], ["plan' | '@"], ["a"], [""])


@pytest.fixture
def stranger(pack: Pack) -> str:
    """Another user with tasks like this one's."""
    stranger = f"stranger-{uuid4()}"
    for user in (pack.user, stranger):
        for body in (
            {"title": "secret \u725b", "tags": ["plan"]},
            {"title": "x", "description": "a secret", "tags": ["a"]},
        ):
            assert pack.call("create-task", "POST", "/tasks", body, user=user).status_code == 201
    return stranger


def ids_of(pack: Pack, user: str) -> set[int]:
    return {row[0] for row in pack.sql("SELECT task_id FROM task WHERE user_id = %(whose)s", whose=user)}


def told(connection: "psycopg.Connection[Any]", *asked: Any, query: str = FIND) -> set[int]:
    found = connection.execute(query.encode(), asked).fetchall()
    assert len({user for _, user in found}) <= 1
    return {task_id for task_id, _ in found}


@pytest.mark.parametrize("switched_off", list(product((False, True), repeat=len(SWITCHES))))
@pytest.mark.parametrize("kind", ["force_generic_plan", "force_custom_plan"])
def test_no_plan_tells_of_a_strangers_task(
    pack: Pack, stranger: str, user_login: "psycopg.Connection[Any]", switched_off: tuple[bool, ...], kind: str
) -> None:
    user_login.execute(f"SET plan_cache_mode = {kind}".encode())
    for switch, is_off in zip(SWITCHES, switched_off, strict=True):
        user_login.execute(f"SET {switch} = {'off' if is_off else 'on'}".encode())
    for user in (pack.user, stranger):
        act_for(user_login, user)
        own = ids_of(pack, user)
        assert told(user_login, "secret", []) == own
        for text, tags, query in product(TEXTS, TAGS, (FIND, BEFORE, SAMPLE)):
            assert told(user_login, text, tags, query=query) <= own, (text, tags)


KEYS = {"created_at": "infinity", "updated_at": "infinity", "due": "infinity", "priority": "3", "title": "zz' OR 'a"}


@pytest.mark.parametrize("switched_off", list(product((False, True), repeat=len(SWITCHES))))
def test_no_range_of_an_order_has_a_strangers_task(
    pack: Pack, stranger: str, user_login: "psycopg.Connection[Any]", switched_off: tuple[bool, ...]
) -> None:
    for switch, is_off in zip(SWITCHES, switched_off, strict=True):
        user_login.execute(f"SET {switch} = {'off' if is_off else 'on'}".encode())
    for user in (pack.user, stranger):
        act_for(user_login, user)
        for sort, key in KEYS.items():
            found = [told(user_login, sort, down, None, key, 2**62, query=WITHIN) for down in (False, True)]
            assert found[0] == ids_of(pack, user), sort
            assert found[1] <= ids_of(pack, user), sort


@pytest.mark.parametrize("sort", ["user_id", "title) OR true --", "", None])
def test_another_order_is_none(pack: Pack, user_login: "psycopg.Connection[Any]", stranger: str, sort: str) -> None:
    act_for(user_login, pack.user)
    assert told(user_login, sort, False, None, "2000-01-01", 1, query=WITHIN) == ids_of(pack, pack.user)


def test_a_user_with_the_same_key_is_a_stranger_too(pack: Pack, user_login: "psycopg.Connection[Any]") -> None:
    [(one, other)] = pack.sql(
        "SELECT min(name), max(name) FROM (SELECT 'same-' || n AS name FROM generate_series(1, 300000) AS n) AS names"
        " GROUP BY user_key(name) HAVING count(*) > 1 LIMIT 1"
    )
    for user in (one, other):
        body = {"title": "secret", "tags": ["plan"]}
        assert pack.call("create-task", "POST", "/tasks", body, user=user).status_code == 201
    for user in (one, other):
        act_for(user_login, user)
        assert told(user_login, "secret", ["plan"]) == ids_of(pack, user)
        assert user_login.execute("SELECT DISTINCT user_id FROM task").fetchall() == [(user,)]
        answer = pack.call("query-tasks", "GET", "/tasks?text=secret&tag=plan&sort=title", user=user).get_json()
        assert {task["task_id"] for task in answer["tasks"]} == ids_of(pack, user)


def test_without_a_user_nothing_is_told(pack: Pack, stranger: str, user_login: "psycopg.Connection[Any]") -> None:
    assert told(user_login, "secret", []) == set()
    act_for(user_login, "")
    for text, tags, query in product((None, *TEXTS), (None, *TAGS), (FIND, BEFORE, SAMPLE)):
        assert told(user_login, text, tags, query=query) == set()


def test_the_systems_login_may_not_ask(pack: Pack, environment: dict[str, str]) -> None:
    with (
        psycopg.connect(environment["SYSTEM_DATABASE_URL"]) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(FIND, ["secret", []])


def test_each_function_with_the_owners_rights_is_tried_here_or_in_the_table(pack: Pack) -> None:
    found = pack.sql(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY proname"
    )
    known = (
        "lock_due_reminders lock_tasks_to_remind_of tasks_found tasks_with_terms user_of_calendar users_with_changes"
    )
    assert [name for (name,) in found] == known.split()
