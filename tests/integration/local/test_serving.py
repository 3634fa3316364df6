"""Functions sleep at zero pods, wake for a request, scale, and end in good order."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from knative.local import revision
from knative.local.pod import Request, UnavailableError
from knative.local.resources import Service
from knative.local.serving import ClusterSink, Serving

from .fixture_functions import DIRECTORY, service


def serving(*services: Service, **options: Any) -> Serving:
    return Serving(services, cwd=DIRECTORY, **options)


def get(running: Serving, name: str, target: str = "/", timeout: float | None = None) -> tuple[int, str, str]:
    """Status, body and the process that answered."""
    response = running.handle(name, Request("GET", target, [("host", f"{name}.localhost")]), timeout)
    return response.status, response.read().decode(), dict(response.headers).get("x-pid", "")


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_the_first_request_wakes_a_function_and_the_window_puts_it_to_sleep() -> None:
    with serving(service("hello", window=timedelta(seconds=0.5))) as running:
        assert running.pods("hello") == []
        assert get(running, "hello")[:2] == (200, "hello")
        assert len(running.pods("hello")) == 1
        until(lambda: not running.pods("hello"))
        assert get(running, "hello")[:2] == (200, "hello")
        report = running.report()["hello"]
    assert (report.invocations, report.cold_starts) == (2, 2)
    assert report.median_cold_ms
    assert report.seconds_awake > 0


def test_requests_are_held_while_one_pod_starts_and_all_are_answered() -> None:
    with serving(service("hello", max_scale=1)) as running, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: get(running, "hello"), range(20)))
        assert running.report()["hello"].cold_starts == 1
    assert {status for status, _, _ in answers} == {200}


def test_pods_are_added_by_container_concurrency_up_to_max_scale() -> None:
    scaled = service("slow", container_concurrency=1, max_scale=2)
    with serving(scaled) as running, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: get(running, "slow", "/?seconds=0.3"), range(4)))
        assert len(running.pods("slow")) == 2
    assert [status for status, _, _ in answers] == [200] * 4


def test_min_scale_keeps_a_pod_awake() -> None:
    with serving(service("hello", min_scale=1, window=timedelta(seconds=0.1))) as running:
        until(lambda: any(pod.ready for pod in running.pods("hello")))
        time.sleep(0.5)
        assert len(running.pods("hello")) == 1


def test_a_function_that_does_not_import_says_so_and_nobody_hangs() -> None:
    lines: list[str] = []
    with serving(service("crash"), on_line=lambda _, line: lines.append(line)) as running:
        with pytest.raises(UnavailableError, match="No module named 'no_such_module'") as caught:
            get(running, "crash")
        assert not running.pods("crash")
    assert caught.value.status == 503
    assert "line 3, in <module>" in str(caught.value)
    assert any("no_such_module" in line for line in lines)


def test_a_command_that_is_not_there_is_named() -> None:
    from dataclasses import replace

    broken = service("hello")
    broken = replace(broken, container=replace(broken.container, command=("no-such-program",)))
    with serving(broken) as running, pytest.raises(UnavailableError, match="no-such-program"):
        get(running, "hello")


def test_a_function_that_takes_longer_than_its_timeout_is_a_504() -> None:
    with serving(service("slow", timeout=timedelta(seconds=2))) as running:
        get(running, "slow")
        with pytest.raises(UnavailableError, match="did not answer within") as caught:
            get(running, "slow", "/?seconds=30")
    assert caught.value.status == 504


def test_a_pod_that_dies_under_a_request_is_a_502_and_the_next_request_starts_another() -> None:
    with serving(service("slow")) as running:
        get(running, "slow")
        pod = running.pods("slow")[0]
        threading.Timer(0.2, os.killpg, (pod.pid, signal.SIGKILL)).start()
        with pytest.raises(UnavailableError, match="broke off") as caught:
            get(running, "slow", "/?seconds=5")
        assert caught.value.status == 502
        until(lambda: pod not in running.pods("slow"))
        assert get(running, "slow")[0] == 200


def test_stopping_answers_what_has_begun() -> None:
    running = serving(service("slow"))
    get(running, "slow")
    pids = [pod.pid for pod in running.pods("slow")]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, running, "slow", "/?seconds=0.5")
        time.sleep(0.1)
        running.stop()
        assert answer.result()[0] == 200
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(UnavailableError, match="shutting down"):
        get(running, "slow")


def test_a_request_that_does_not_end_holds_up_the_stop_for_its_grace_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "_ENDING_SECONDS", 0.1)
    running = serving(service("slow", timeout=timedelta(seconds=600)))
    get(running, "slow")
    [pod] = running.pods("slow")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, running, "slow", "/?seconds=600")
        time.sleep(0.1)
        running.stop(grace=0.1)
        with pytest.raises(UnavailableError, match="broke off"):
            answer.result()
    assert pod._process.returncode == -signal.SIGKILL  # its server waits for what it has begun


def test_new_code_starts_new_pods_and_the_old_ones_finish() -> None:
    with serving(service("slow")) as running:
        before = get(running, "slow")[2]
        with ThreadPoolExecutor(1) as pool:
            old = pool.submit(get, running, "slow", "/?seconds=0.5")
            time.sleep(0.1)
            running.renew()
            after = get(running, "slow")[2]
            assert old.result() == (200, "done", before)
    assert after != before


def test_a_pod_sees_the_manifests_environment_and_nothing_of_the_developers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEVELOPERS_SECRET", "x")
    echo = service("echo", env={"LEVEL": "manifest"}, env_from=("settings", "secret"))
    sources = {"settings": {"LEVEL": "config", "A": "1"}, "secret": {"A": "2"}}
    with serving(echo, sources=sources, env={"CLOCK_OFFSET_FILE": "/tmp/clock"}) as running:
        environment = json.loads(get(running, "echo")[1])["environment"]
    assert (environment["LEVEL"], environment["A"], environment["CLOCK_OFFSET_FILE"]) == (
        "manifest",
        "2",
        "/tmp/clock",
    )
    assert environment["K_SERVICE"] == "echo"
    assert "DEVELOPERS_SECRET" not in environment
    assert "PYTEST_CURRENT_TEST" not in environment


def test_a_source_reaches_a_function_under_its_internal_host() -> None:
    with serving(service("echo")) as running:
        url = "http://echo.default.svc.cluster.local/events"
        answer = ClusterSink(running)(url, {"ce-id": b"1", "ce-note": b"Z\xfcrich"}, b"data", 30)
        seen = json.loads(answer.body)
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/events", "data")
    assert seen["headers"]["Host"] == "echo.default.svc.cluster.local"
    assert seen["headers"]["Ce-Note"] == "Zürich"


def test_a_source_sees_a_function_that_does_not_start_as_503() -> None:
    with serving(service("crash")) as running:
        answer = ClusterSink(running)("http://crash.default.svc.cluster.local/events", {}, b"", 30)
    assert answer.status == 503
    assert re.search(rb"crash does not start .*no_such_module", answer.body)


def test_a_large_body_passes() -> None:
    with serving(service("echo")) as running:
        body = b"x" * 3_000_000
        response = running.handle("echo", Request("POST", "/", [("content-length", str(len(body)))], body))
        assert json.loads(response.read())["size"] == len(body)
