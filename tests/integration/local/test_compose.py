"""tests/compose.yaml: a Compose file by its schema, whose command serves functions and page in its environment."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest
import requests
import yaml

from knative.local.embedded import broker, postgres
from knative.local.processes import free_port
from tests.support.brokers import Kafka

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
LAPTOP: dict[str, Any] = SERVICES["taskmaster"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_it_is_a_compose_file() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text())
    assert list(jsonschema_rs.validator_for(schema).iter_errors(COMPOSE)) == []


def test_everything_listens_on_loopback_at_ports_of_its_own() -> None:
    ports = [port.split(":") for service in SERVICES.values() for port in service.get("ports", [])]
    assert {address for address, _, _ in ports} == {"127.0.0.1"}
    assert len({published for _, published, _ in ports}) == len(ports)
    assert "127.0.0.1:8080:8080" in LAPTOP["ports"]


def test_what_the_tests_use_is_in_no_profile_and_the_laptop_in_one() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["redpanda"]
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {"laptop"}
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_services_sign_in_as_the_broker_and_the_database_say() -> None:
    redpanda, postgresql = SERVICES["redpanda"], SERVICES["postgresql"]
    user, password, mechanism = redpanda["environment"]["RP_BOOTSTRAP_USER"].split(":")
    given = dict(line.split("=", 1) for line in (ROOT / "tests" / "compose.env").read_text().split())
    for environment in (given, LAPTOP["environment"], SERVICES["console"]["environment"]):
        assert environment["KAFKA_SASL_USERNAME"] == user
        assert environment["KAFKA_SASL_PASSWORD"] == password
        assert environment["KAFKA_SASL_MECHANISM"] == mechanism
    listeners = re.findall(r"\w+://([\w.]+:\d+)", next(each for each in redpanda["command"] if "--advertise" in each))
    inside = LAPTOP["environment"]["KAFKA_BOOTSTRAP_SERVERS"]
    assert [given["KAFKA_BOOTSTRAP_SERVERS"], inside] == listeners
    assert SERVICES["console"]["environment"]["KAFKA_BROKERS"] == inside
    assert (
        f":{postgresql['environment']['POSTGRES_PASSWORD']}@postgresql:5432/" in LAPTOP["environment"]["DATABASE_URL"]
    )


def test_the_image_has_what_the_command_needs() -> None:
    stage = re.search(rf"^FROM \S+ AS {LAPTOP['build']['target']}\n(.*?)^FROM ", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert stage is not None
    words = ", ".join(f'"{word}"' for word in LAPTOP["command"])
    assert f"CMD [{words}]" in stage[1]
    assert (ROOT / "tests" / LAPTOP["build"]["context"]).resolve() == ROOT
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for folder in ("knative", "eventing"):
        assert f"COPY {folder} /taskmaster/{folder}" in stage[1]
        assert f"!{folder}" in ignored
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "laptop" not in last, "the image of the functions has nothing of the laptop's"


# Run as the file says -------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """What the command of the Compose file serves, and the folder of its state."""

    url: str
    state: Path
    bootstrap_servers: str

    def printed(self, *command: str) -> str:
        """What the stand-in's command line prints, as `docker compose exec` calls it."""
        done = subprocess.run(
            [sys.executable, "-m", "knative.local", *command, "--state", str(self.state)],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    def call(self, method: str, path: str, user: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.printed('token', user)}"}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=60)


@contextmanager
def as_in_the_file(state: Path) -> Iterator[Running]:
    """The command with its environment, where only addresses and logins are those of a database and a broker here."""
    with postgres(durable=False) as server, broker() as bootstrap_servers:
        port = free_port()
        here = {"DATABASE_URL": server.url, **Kafka({"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}).environment()}
        environment = {name: value for name, value in LAPTOP["environment"].items() if not name.startswith("KAFKA_")}
        program, *arguments = LAPTOP["command"]
        assert program == "python3"
        with (state / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments, "--state", str(state), "--port", str(port)],
                cwd=ROOT, env={**os.environ, **environment, **here}, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                _until(lambda: _is_healthy(port) or process.poll() is not None, 90)
                assert process.poll() is None, (state / "log").read_text()
                yield Running(f"http://localhost:{port}", state, bootstrap_servers)
            finally:
                process.terminate()
                assert process.wait(60) == 0, (state / "log").read_text()


def _is_healthy(port: int) -> bool:
    """As the file's health check asks."""
    _, _, *command = LAPTOP["healthcheck"]["test"]
    asked = [sys.executable, *command, "--port", str(port)]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, check=False, timeout=30).returncode == 0


def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="compose-") as state, as_in_the_file(Path(state)) as served:
        yield served


@pytest.mark.long
def test_its_command_serves_functions_and_page(running: Running) -> None:
    user = f"user-{uuid4()}"
    rent = {"title": "pay the rent", "due_on": "2090-01-31", "recurrence_pattern": "monthly"}
    made = running.call("POST", "/tasks", user, rent)
    assert made.status_code == 201
    assert running.call("POST", f"/tasks/{made.json()['task_id']}/complete", user).status_code == 200
    _until(lambda: "2090-02-28" in running.call("GET", "/tasks?status=open", user).text, 60)  # by way of the broker
    page = requests.get(running.url, timeout=60)
    assert (page.status_code, "text/html" in page.headers["Content-Type"]) == (200, True)
    assert running.printed("link", user).startswith(running.url)


@pytest.mark.long
def test_it_listens_where_a_published_port_leads(running: Running) -> None:
    """Not on loopback alone, which is the container's own."""
    assert "0.0.0.0" in LAPTOP["command"]
    port = running.url.rpartition(":")[2]
    address = f"http://127.0.0.2:{port}/-/status"  # another address of this machine
    assert requests.get(address, headers={"Host": f"localhost:{port}"}, timeout=30).status_code == 200
