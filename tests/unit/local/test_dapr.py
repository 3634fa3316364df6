"""Dapr in the stand-in: what its Components say, a process that is kept running, and the way to the functions."""

import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative.local import manifests
from knative.local.dapr import components, side
from knative.local.dapr.kept import Kept
from knative.local.inside import Inside
from knative.local.pod import Request, Response, UnavailableError
from knative.local.processes import base_environment
from taskmaster.bridge.subscriptions import component, mailboxes
from taskmaster.settings import Settings

ROOT = Path(__file__).parents[3]
SOURCES = manifests.read(ROOT / "knative", ROOT / "eventing").kafka_sources


def values(found: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in found["spec"]["metadata"]}


def test_each_mailbox_of_the_bridge_has_its_component() -> None:
    subscribed = {component("pubsub", box.function): box.topic for box in mailboxes(Settings.model_validate({}))}
    assert subscribed == {components.of(source): source.topics[0] for source in SOURCES}


def test_the_bridge_waits_for_a_function_as_long_as_its_source_does() -> None:
    waits = {box.function: box.seconds for box in mailboxes(Settings.model_validate({}))}
    assert waits == {source.name: source.delivery.timeout.total_seconds() for source in SOURCES}


def test_groups_are_those_of_the_kafka_sources() -> None:
    found = {each["metadata"]["name"]: values(each) for each in components.kafka("127.0.0.1:9092", SOURCES)}
    assert found["pubsub-create-task"]["consumerGroup"] == "taskmaster-create-task"
    on_redis = components.redis("127.0.0.1:6379", SOURCES, has_password=True)
    assert values(on_redis[1])["consumerID"] == values(components.kafka("x:1", SOURCES)[1])["consumerGroup"]


def test_on_redis_one_event_at_a_time_where_order_counts() -> None:
    found = {each["metadata"]["name"]: values(each) for each in components.redis("x:1", SOURCES, has_password=False)}
    at_once = {source.name: found[components.of(source)]["concurrency"] for source in SOURCES}
    assert {name for name, most in at_once.items() if most != "1"} == {"send-reminder", "dispatch-due-reminders"}
    assert all(int(found[components.of(each)]["poolSize"]) > int(at_once[each.name]) for each in SOURCES)


def test_no_password_stands_in_a_file(tmp_path: Path) -> None:
    components.write(tmp_path, components.redis("x:1", SOURCES, has_password=True))
    documents = list(yaml.safe_load_all((tmp_path / "components.yaml").read_text()))
    [publishing] = [each for each in documents if each["metadata"]["name"] == "pubsub"]
    assert publishing["auth"] == {"secretStore": "envs"}
    resiliency = yaml.safe_load((tmp_path / "resiliency.yaml").read_text())
    assert set(resiliency["spec"]["targets"]["components"]) == {components.of(source) for source in SOURCES}


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "daprd is not on the PATH" in side.missing(with_redis=False)
    for name in ("daprd", "redis-server"):
        (tmp_path / name).touch(mode=0o755)
    assert side.missing(with_redis=True) == ""
    assert "scheduler is not on the PATH" in side.missing(with_redis=True, has_jobs=True)


def test_a_process_is_started_again_until_it_is_stopped() -> None:
    said: list[str] = []
    program = "import sys, time; print('up', flush=True); time.sleep(0 if sys.argv[1:] else 60)"
    kept = Kept(
        "part",
        [sys.executable, "-c", program, "ends"],
        env=base_environment(),
        on_line=lambda _, line: said.append(line),
    )
    kept.start()
    until(lambda: said.count("up") >= 3)
    kept.stop(5)
    assert kept.pid is None
    assert kept.starts == said.count("up")


def test_a_process_that_runs_is_ended() -> None:
    up = threading.Event()
    program = "import time; print('up', flush=True); time.sleep(60)"
    kept = Kept("part", [sys.executable, "-c", program], env=base_environment(), on_line=lambda *_: up.set())
    kept.start()
    assert up.wait(20)
    assert kept.pid is not None
    kept.stop(5)
    assert kept.pid is None


class Functions:
    """A Serving of one function that answers with what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Request]] = []

    def __contains__(self, name: str) -> bool:
        return name in ("create-task", "busy")

    def handle(self, name: str, request: Request) -> Response:
        if name == "busy":
            raise UnavailableError("no pod", 503)
        self.asked.append((name, request))
        return Response(204, [], iter([]), lambda: None)


def asked(functions: Functions, **environ: str) -> str:
    said: list[str] = []
    whole = {"REQUEST_METHOD": "POST", "REQUEST_URI": "/events", "SERVER_PORT": "1", **environ}
    body: Iterable[bytes] = Inside(functions, "secret")(whole, lambda status, _: said.append(status))  # type: ignore[arg-type]
    b"".join(body)
    return said[0][:3]


def test_the_inside_is_for_whoever_has_the_token() -> None:
    functions = Functions()
    host = "create-task.default.svc.cluster.local"
    for token in ({}, {"HTTP_AUTHORIZATION": "Bearer wrong"}, {"HTTP_AUTHORIZATION": "secret"}):
        assert asked(functions, HTTP_HOST=host, **token) == "403"
    assert asked(functions, HTTP_HOST=host, HTTP_CE_ID="i", HTTP_AUTHORIZATION="Bearer secret") == "204"
    [(name, request)] = functions.asked
    assert name == "create-task"
    assert dict(request.headers) == {"ce-id": "i", "host": host}


@pytest.mark.parametrize(
    ("host", "status"),
    [("other.default.svc.cluster.local", "404"), ("create-task.localhost", "404"), ("busy.default.svc", "503")],
)
def test_other_hosts_are_nobody(host: str, status: str) -> None:
    assert asked(Functions(), HTTP_HOST=host, HTTP_AUTHORIZATION="Bearer secret") == status


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
