"""What a function tells while all goes well and while it does not: no secret in its log, no insides outside.

Processes as a pod runs them, at level DEBUG, with secrets planted in their settings and in what they are sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import requests

from knative.local.processes import free_port
from tests.support import tokens
from tests.support.function_process import FunctionProcess, eventually

PLANTED = {
    name: f"planted-{name}-{uuid4().hex}"
    for name in ("database", "smtp", "title", "user", "key", "webhook-path", "token", "apprise")
}
WEBHOOK_KEY = "whsec_" + uuid4().hex + uuid4().hex[:8]
INSIDES = (
    "Traceback",
    'File "',
    "SELECT",
    "INSERT",
    "psycopg",
    "/functions/",
    "127.0.0.1",
    "postgres",
    "taskmaster_user",
)


@dataclass
class Told:
    """All that was answered and all that was logged."""

    answers: list[requests.Response] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> set[int]:
        return {answer.status_code for answer in self.answers}


def configured(environment: Mapping[str, str], **changes: str) -> dict[str, str]:
    return {
        **environment,
        "SMTP_URL": f"smtp://user:{PLANTED['smtp']}@127.0.0.1:1",
        "LOG_LEVEL": "DEBUG",
        **changes,
    }


def elsewhere(url: str, *, port: int | None = None, name: str | None = None, password: str | None = None) -> str:
    parts = urlsplit(url)
    netloc = f"{parts.username}:{password or parts.password}@{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}" if name else parts.path))


def provoked(function: str, environment: Mapping[str, str]) -> Told:
    """What a function says to all kinds of requests."""
    told, user = Told(), PLANTED["user"]
    create = {"title": PLANTED["title"], "due_at": "2090-01-01T09:00:00Z"}
    channels = [{"type": "webhook", "url": f"https://example.com/{PLANTED['webhook-path']}", "secret": WEBHOOK_KEY}]
    with FunctionProcess(function, environment) as process:
        if function == "set-preferences":
            told.answers.append(process.call("PUT", "/preferences", {"channels": channels}, user=user))
            told.answers.append(process.call("PUT", "/preferences", {"channels": [{**channels[0], "x": 1}]}, user=user))
            for url in (f"ntfys://tk_x@ntfy.sh/{PLANTED['apprise']}", f"pigeon://{PLANTED['apprise']}"):
                by_apprise = {"type": "apprise", "url": url}
                told.answers.append(process.call("PUT", "/preferences", {"channels": [by_apprise]}, user=user))
            told.answers.append(process.call("GET", "/preferences", user=user))
        else:
            told.answers.append(process.call("POST", "/tasks", create, user=user, Idempotency_Key=PLANTED["key"]))
            told.answers.append(process.call("POST", "/tasks", {**create, "priority": PLANTED["title"]}, user=user))
            told.answers.append(process.event("task.create", create, user=user))
            told.answers.append(process.event("task.create", {"title": [PLANTED["title"]]}, user=user))
        bearer = {"Authorization": f"Bearer {PLANTED['token']}.x.y"}
        told.answers.append(requests.post(process.url + "/tasks", json=create, headers=bearer, timeout=30))
        told.answers.append(requests.get(process.url + f"/tasks/{PLANTED['title']}", headers=bearer, timeout=30))
        eventually(lambda: process.lines, "a line in the log")
        process.terminate()
        told.lines = process.lines
    return told


@pytest.fixture(scope="module", params=["well", "preferences", "no database", "no tables", "no broker"])
def told(request: pytest.FixtureRequest, connected: dict[str, str]) -> tuple[str, Told]:
    urls = ("DATABASE_URL", "SYSTEM_DATABASE_URL")
    port = free_port()
    match request.param:
        case "no database":
            away = {name: elsewhere(connected[name], port=port, password=PLANTED["database"]) for name in urls}
            environment = configured(connected, **away, DATABASE_TIMEOUT="1")
        case "no tables":
            environment = configured(connected, **{name: elsewhere(connected[name], name="template1") for name in urls})
        case "no broker":
            environment = configured(connected, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}", KAFKA_DELIVERY_TIMEOUT="2")
        case _:
            environment = configured(connected)
    function = "set-preferences" if request.param == "preferences" else "create-task"
    return request.param, provoked(function, environment)


def test_no_secret_is_in_the_log(told: tuple[str, Told], environment: dict[str, str]) -> None:
    case, said = told
    assert said.lines, case
    passwords = {str(urlsplit(environment[name]).password) for name in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    keys = {WEBHOOK_KEY, WEBHOOK_KEY.removeprefix("whsec_"), tokens.token(PLANTED["user"])}
    for secret in {*PLANTED.values(), *keys, *passwords}:
        assert [line for line in said.lines if secret in line] == [], case


def test_nothing_of_the_insides_is_in_an_answer(told: tuple[str, Told]) -> None:
    case, said = told
    expected = {"well": 201, "preferences": 200, "no database": 503, "no tables": 500, "no broker": 201}[case]
    assert expected in said.statuses
    for answer in said.answers:
        if answer.status_code >= 400:
            shown = answer.text + str(dict(answer.headers))
            for inside in (*INSIDES, tokens.token(PLANTED["user"]), PLANTED["database"], PLANTED["token"], WEBHOOK_KEY):
                assert inside not in shown, (case, answer.status_code)
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert WEBHOOK_KEY not in answer.text
        assert PLANTED["apprise"] not in answer.text
