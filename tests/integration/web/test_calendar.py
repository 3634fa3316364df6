"""The calendar feed over HTTP: an address that a user makes and revokes, that shows their tasks and nobody else's."""

import hashlib
from collections.abc import Mapping
from uuid import uuid4

from icalendar import Calendar
from werkzeug.test import TestResponse

from tests.support import tokens
from tests.support.function_pack import Pack
from tests.support.function_process import FunctionProcess, eventually


def made(pack: Pack, **headers: str) -> str:
    """A new address of the user's feed."""
    answer = pack.call("show-calendar", "PUT", "/calendar", **headers)
    assert answer.status_code == 200, answer.text
    address: str = (answer.json or {})["address"]
    return address


def read(pack: Pack, address: str, method: str = "GET", **headers: str) -> TestResponse:
    """As a calendar program does, which has no token."""
    return pack.call("show-calendar", method, address, Authorization="", **headers)


def shown(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(str(todo["summary"]) for todo in Calendar.from_ical(answer.data).todos)


def test_the_address_shows_the_open_tasks_of_its_user(pack: Pack) -> None:
    pack.create(title="plain")
    pack.create(title="monthly", due_at="2090-01-31T09:00:00+01:00", recurrence_pattern="monthly", tags=["a,b"])
    pack.complete(pack.create(title="done"))
    pack.call("create-task", "POST", "/tasks", {"title": "a stranger's"}, user=f"stranger-{uuid4()}")
    answer = read(pack, made(pack))
    assert shown(answer) == ["monthly", "plain"]
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_what_is_known_already_is_not_sent_again(pack: Pack) -> None:
    task = pack.create(title="plain")
    address = made(pack)
    tag = read(pack, address).headers["ETag"]
    again = read(pack, address, If_None_Match=tag)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    head = read(pack, address, "HEAD")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)
    pack.complete(task)
    assert shown(read(pack, address, If_None_Match=tag)) == []


def test_a_new_address_ends_the_one_before(pack: Pack) -> None:
    first, second = made(pack), made(pack)
    assert first != second
    assert read(pack, first).status_code == 404
    assert read(pack, second).status_code == 200


def test_an_address_that_was_revoked_is_as_one_that_never_was(pack: Pack) -> None:
    address = made(pack)
    for _ in range(2):
        assert pack.call("show-calendar", "DELETE", "/calendar").status_code == 204
    answers = [read(pack, path) for path in (address, f"/calendar/{'A' * 43}.ics", "/calendar/a.ics", "/%00.ics")]
    assert {(answer.status_code, answer.text, str(answer.headers)) for answer in answers} == {
        (404, answers[0].text, str(answers[0].headers))
    }


def test_a_secret_reads_and_no_more(pack: Pack) -> None:
    address = made(pack)
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert read(pack, address, method).status_code == 401
    assert read(pack, "/calendar", "PUT").status_code == 401
    assert read(pack, "/calendar", "DELETE").status_code == 401
    assert read(pack, f"{address}?user_id=ada").status_code == 422
    assert shown(read(pack, address)) == []


def test_a_token_that_may_only_read_makes_no_address(pack: Pack) -> None:
    only_reads = tokens.bearer(pack.user, scope="tasks:read")
    assert pack.call("show-calendar", "PUT", "/calendar", Authorization=only_reads).status_code == 403


def test_the_same_call_again_makes_another_address_and_stores_none(pack: Pack) -> None:
    """An answer that is kept for a repeat would keep the secret."""
    assert made(pack, Idempotency_Key="k") != made(pack, Idempotency_Key="k")
    assert pack.sql("SELECT count(*) FROM inbox WHERE user_id = %(user)s", user=pack.user) == [(0,)]


def test_only_the_digest_of_the_secret_is_kept(pack: Pack) -> None:
    secret = made(pack).removeprefix("/calendar/").removesuffix(".ics")
    assert len(secret) == 43
    [(row,)] = pack.sql("SELECT f::text FROM calendar_feed f WHERE user_id = %(user)s", user=pack.user)
    assert hashlib.sha256(secret.encode()).hexdigest() in row
    assert secret not in row


def test_no_log_has_the_secret(connected: Mapping[str, str]) -> None:
    with FunctionProcess("show-calendar", {**connected, "LOG_LEVEL": "DEBUG"}) as function:
        address = function.call("PUT", "/calendar", user="ada").json()["address"]
        assert function.call("GET", address, user="ada").status_code == 200
        assert function.call("GET", "/calendar/" + "A" * 43 + ".ics", user="ada").status_code == 404
        eventually(lambda: sum("invocation" in line for line in function.lines) >= 3, "a line for each invocation")
        text = "\n".join(function.lines)
    secret = address.removeprefix("/calendar/").removesuffix(".ics")
    assert secret not in text
    assert "A" * 43 not in text
