"""The pack at work over HTTP: for whom PACK_VIEWERS names, with what can be had, and nothing of any person."""

import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer

from knative.local.kubernetes_api import KubernetesApi
from knative.local.pod import Request
from knative.local.resources import Container, Service
from knative.local.serving import Serving
from knative.local.web import WebServer
from tests.support.brokers import Kafka
from tests.support.function_pack import FUNCTIONS, Json, Pack
from tests.support.function_process import FunctionProcess, eventually
from tests.support.mailboxes import Mailboxes

ROUTES = [("GET", "/pack"), ("GET", "/pack/dead-letters"), ("POST", "/pack/dead-letters/0/0/replay")]


@pytest.fixture
def viewer(pack: Pack, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Pack:
    """The pack, as one whom the setting names; no pod is there."""
    monkeypatch.setenv("PACK_VIEWERS", f"grace, {pack.user}")
    monkeypatch.setenv("KUBERNETES_API_URL", httpserver.url_for(""))
    httpserver.expect_request("/api/v1/namespaces/default/pods").respond_with_json({"items": []})
    pack.restart()
    return pack


def now(pack: Pack) -> Json:
    answer = pack.call("show-pack", "GET", "/pack")
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


# Who sees it ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_sees_it_unless_somebody_is_named(pack: Pack, method: str, path: str) -> None:
    answer = pack.call("show-pack", method, path)
    assert answer.status_code == 403
    assert "PACK_VIEWERS" in answer.text


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("stranger", ["", "Grace", "grac", "*", "grace, ada"])
def test_nobody_else_sees_it(viewer: Pack, method: str, path: str, stranger: str) -> None:
    user = stranger or f"stranger-{uuid4()}"
    answer = viewer.call("show-pack", method, path, user=user)
    assert answer.status_code == 403
    assert viewer.user not in answer.text
    assert viewer.call("show-pack", method, path, Authorization="").status_code == 401


# What is shown --------------------------------------------------------------------------------------------------------


def test_a_call_and_an_event_are_shown_without_whose_they_are(viewer: Pack) -> None:
    before = now(viewer)["commands"]
    viewer.call("create-task", "POST", "/tasks", {"title": "SECRET"}, Idempotency_Key="key-of-mine")
    viewer.event("complete-task", "task.complete", {"task_id": 999_999_999}, source="/program-of-mine", event_id="mine")
    shown = now(viewer)
    event, call, *earlier = shown["commands"]
    assert earlier[:1] == before[:1]
    assert (call["function"], call["sender"], call["type"], call["outcome"]) == (
        "create-task", "call", "task.create", "handled",
    )  # fmt: skip
    assert (event["function"], event["sender"], event["type"], event["attempts"]) == (
        "complete-task", "outside", "task.complete", 1,
    )  # fmt: skip
    told = json.dumps(shown)
    assert not any(each in told for each in (viewer.user, "SECRET", "mine", "999999999"))


def test_what_was_received_long_ago_is_not_shown(viewer: Pack) -> None:
    """Neither an event of a week ago, which expires with the calls of today."""
    before = now(viewer)["commands"]
    for days in (1, 7, 8):
        viewer.event("complete-task", "task.complete", {"task_id": 1}, event_id=f"{days} days")
        viewer.sql(
            "UPDATE inbox SET received_at = received_at - %(ago)s, expires_at = expires_at - %(ago)s"
            " WHERE user_id = %(user)s AND id = %(id)s",
            ago=timedelta(days=days), user=viewer.user, id=f"{days} days",
        )  # fmt: skip
    assert now(viewer)["commands"] == before


def test_without_the_right_the_rest_is_shown(viewer: Pack, httpserver: HTTPServer) -> None:
    httpserver.clear()
    httpserver.expect_request("/api/v1/namespaces/default/pods").respond_with_data("{}", 403)
    viewer.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key=str(uuid4()))
    shown = now(viewer)
    assert shown["functions"] == []
    assert "Role" in shown["functions_missing"]
    assert shown["commands"]


def test_without_a_database_the_functions_are_shown(viewer: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEM_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("DATABASE_TIMEOUT", "0.2")
    viewer.restart()
    shown = now(viewer)
    assert len(shown["functions"]) == len(list(FUNCTIONS.glob("*.py")))
    assert "database" in shown["commands_missing"]


def test_without_a_broker_it_is_said_and_nothing_is_put_back(viewer: Pack) -> None:
    answer = viewer.call("show-pack", "GET", "/pack/dead-letters")
    assert (answer.status_code, (answer.json or {})["dead_letters"]) == (200, [])
    assert "broker" in (answer.json or {})["missing"]
    answer = viewer.call("show-pack", "POST", "/pack/dead-letters/0/0/replay")
    assert answer.status_code == 503


# On the stand-in ------------------------------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[tuple[str, Serving]]:
    """The stand-in's API over one function, which sleeps."""
    code = "import http.server, os; http.server.test(port=int(os.environ['PORT']), bind='127.0.0.1')"
    service = Service(
        name="create-task",
        labels={"app.kubernetes.io/part-of": "taskmaster", "app.kubernetes.io/component": "function"},
        container=Container(command=("python", "-c", code)),
        window=timedelta(seconds=1),
    )
    with Serving([service], cwd=FUNCTIONS) as serving:
        server = WebServer(KubernetesApi([], serving.pod_manifests))
        yield f"http://127.0.0.1:{server.port}", serving
        server.stop()


def test_a_function_of_the_stand_in_wakes_and_sleeps_again(
    viewer: Pack, api: tuple[str, Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, serving = api
    monkeypatch.setenv("KUBERNETES_API_URL", url)
    viewer.restart()

    def function() -> Json:
        return next(each for each in now(viewer)["functions"] if each["function"] == "create-task")

    assert function() == {"function": "create-task", "state": "asleep", "pods": []}
    serving.handle("create-task", Request("GET", "/", [])).read()
    awake = function()
    assert awake["state"] == "awake"
    [pod] = awake["pods"]
    assert 0 < pod["start_ms"] < 60_000
    eventually(lambda: function()["state"] == "asleep", "sleep")


# Dead letters ---------------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_put_back_once(connected: dict[str, str], kafka: Kafka) -> None:
    mailboxes = Mailboxes.of(connected, kafka)
    mailboxes.event("task.create", {"title": 7})
    with mailboxes.running("create-task"), mailboxes.reader("dead-letters") as topic:
        eventually(topic.read, "a dead letter", within=60)
    settings = {**mailboxes.operator, "PACK_VIEWERS": mailboxes.user}
    with FunctionProcess("show-pack", settings) as served:

        def letters() -> list[Json]:
            found = served.call("GET", "/pack/dead-letters", user=mailboxes.user).json()
            assert found["missing"] is None
            return list(found["dead_letters"])

        [letter] = letters()
        assert (letter["function"], letter["type"], letter["state"], letter["obstacle"]) == (
            "create-task", "task.create", "waiting", "",
        )  # fmt: skip
        assert letter["reason"] == "title: Input should be a valid string"
        assert mailboxes.user not in json.dumps(letter)
        path = f"/pack/dead-letters/{letter['position']}/replay"
        answers = [served.call("POST", path, user=mailboxes.user) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 409]
        assert answers[0].json() == {"topic": mailboxes.topic("create-task")}
        assert [each["state"] for each in letters()] == ["replayed"]
        missing = served.call("POST", "/pack/dead-letters/0/999/replay", user=mailboxes.user)
        assert missing.status_code == 404
        with mailboxes.reader("create-task") as topic:
            eventually(lambda: len(topic.read()) == 2, "the event in its mailbox again")
