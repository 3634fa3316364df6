"""The value `server` chooses what serves a function: our own server, or plain functions-framework."""

from pathlib import Path

import pytest
import yaml

from knative.local import manifests
from knative.local.pod import Request
from knative.local.serving import Serving
from tests.chart.conftest import needs_helm
from tests.chart.rendering import Manifest, Rendered, faults, render, with_values
from tests.chart.test_chart import FUNCTIONS, ROOT, template

pytestmark = needs_helm

WAITRESS = ["python", "-m", "taskmaster.serve"]
# Enough to start; nobody listens there.
SETTINGS = {
    "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/t",
    "SYSTEM_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/t",
    "OIDC_ISSUER": "https://id.example.com",
    "OIDC_AUDIENCE": "taskmaster",
}


def container(rendered: Rendered, name: str) -> Manifest:
    [found] = template(rendered.of("Service")[name])["spec"]["containers"]
    return dict(found)


def framework(name: str) -> list[str]:
    return ["python", "-m", "functions_framework", "--source", f"{name.replace('-', '_')}.py"]


def test_every_function_has_our_own_server_by_default() -> None:
    rendered = render()
    assert all(container(rendered, name)["command"] == WAITRESS for name in FUNCTIONS)


def test_one_function_may_have_plain_functions_framework(tmp_path: Path) -> None:
    rendered = render(*with_values(tmp_path, functions={"update-task": {"server": "functions-framework"}}))
    commands = {name: container(rendered, name)["command"] for name in FUNCTIONS}
    assert commands.pop("update-task") == framework("update-task")
    assert all(command == WAITRESS for command in commands.values())
    # Nothing else differs: both read the same variables, and Knative's own probe asks for a TCP connection.
    ours, default = container(rendered, "update-task"), container(render(), "update-task")
    assert {**ours, "command": WAITRESS} == default
    assert {"name": "FUNCTION_TARGET", "value": "update_task"} in ours["env"]
    assert {"readinessProbe", "livenessProbe", "startupProbe"}.isdisjoint(ours)
    assert faults(rendered.of("Service")["update-task"]) == []


def test_all_may_have_it_but_the_dead_letter_sink(tmp_path: Path) -> None:
    values = with_values(
        tmp_path, defaults={"server": "functions-framework"}, functions={"create-task": {"server": "waitress"}}
    )
    commands = {name: container(render(*values), name)["command"] for name in FUNCTIONS}
    for kept in ("park-dead-letter", "create-task"):
        assert commands.pop(kept) == WAITRESS
    assert commands == {name: framework(name) for name in commands}


@pytest.mark.parametrize("server", ["waitress", "functions-framework"])
def test_the_command_of_each_server_serves_the_function(tmp_path: Path, server: str) -> None:
    """As a pod runs it: in the folder of the functions, with the environment of the manifest."""
    rendered = render(*with_values(tmp_path, functions={"update-task": {"server": server}}))
    (tmp_path / "knative").mkdir()
    (tmp_path / "knative" / "update-task.yaml").write_text(yaml.safe_dump(rendered.of("Service")["update-task"]))
    services = manifests.read(tmp_path / "knative").services
    sources = {"taskmaster": rendered.settings(), "taskmaster-database": SETTINGS}
    request = Request("PATCH", "/tasks/1", [("host", "update-task.example.com"), ("content-length", "2")], b"{}")
    with Serving(services.values(), cwd=ROOT / "functions", sources=sources) as running:
        response = running.handle("update-task", request)
        response.close()  # until then it is under way, and stopping waits for it
        headers = {name.lower(): value for name, value in response.headers}
        assert (response.status, headers["content-type"]) == (401, "application/problem+json")
        assert ("gunicorn" in headers.get("server", "")) == (server == "functions-framework")
