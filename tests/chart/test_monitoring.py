"""What watches the functions is off, and where it is on, it is what Grafana and Prometheus take."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import dashboard
from helm.command import CHART, HelmFailed
from tests.chart.conftest import needs_helm
from tests.chart.rendering import faults, render, with_values

RULES = CHART / "files" / "rules.yaml"
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
PROMTOOL = shutil.which("promtool")
ON: dict[str, Any] = {
    "monitoring": {
        "dashboard": {"enabled": True},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "metrics": {"enabled": True, "pushgateway": "http://pushgateway:9091", "kafkaSecret": "operator"},
    }
}


def gauges() -> set[str]:
    return set(re.findall(r"^\| `(taskmaster_\w+)", DOCUMENT.read_text(), re.MULTILINE))


def expressions() -> list[str]:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    panels = [target for panel in dashboard.dashboard()["panels"] for target in panel["targets"]]
    return [each["expr"] for each in (*rules, *panels)]


def test_rules_and_panels_ask_for_gauges_that_there_are() -> None:
    asked = {name for each in expressions() for name in re.findall(r"taskmaster_\w+", each)}
    assert asked <= gauges()
    panels = {name for panel in dashboard.dashboard()["panels"] for name in re.findall(r"taskmaster_\w+", str(panel))}
    assert panels == gauges()


def test_the_dashboard_in_the_chart_is_made_from_its_panels() -> None:
    assert dashboard.FILE.read_text() == dashboard.current()


@needs_helm
def test_nothing_watches_unless_asked_to() -> None:
    rendered = render()
    assert not rendered.of("CronJob")
    assert not rendered.of("PrometheusRule")
    assert "taskmaster-dashboard" not in rendered.of("ConfigMap")


@needs_helm
def test_each_part_is_rendered_where_it_is_on(tmp_path: Path) -> None:
    rendered = render(*with_values(tmp_path, **ON))
    shown = rendered.of("ConfigMap")["taskmaster-dashboard"]
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(shown["data"]["taskmaster.json"]) == dashboard.dashboard()
    rule = rendered.of("PrometheusRule")["taskmaster"]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    job = rendered.of("CronJob")["taskmaster-metrics"]["spec"]
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["command"] == ["python", "-m", "taskmaster.cli", "metrics", "--push", "http://pushgateway:9091"]
    assert [next(iter(each.values()))["name"] for each in container["envFrom"]] == [
        "taskmaster", "taskmaster-database", "taskmaster-kafka", "operator",
    ]  # fmt: skip
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["automountServiceAccountToken"] is False


@needs_helm
def test_what_is_on_is_what_the_servers_take(tmp_path: Path) -> None:
    """Kubernetes, and the operator of Prometheus; a field that they do not know would be refused, or dropped."""
    rendered = render(*with_values(tmp_path, **ON))
    assert [fault for manifest in rendered.manifests for fault in faults(manifest)] == []
    for kind in ("CronJob", "PrometheusRule"):
        [manifest] = rendered.of(kind).values()
        assert faults({**manifest, "spec": {**manifest["spec"], "schedulee": "x"}}), kind


@needs_helm
def test_metrics_are_pushed_somewhere(tmp_path: Path) -> None:
    with pytest.raises(HelmFailed, match="pushgateway"):
        render(*with_values(tmp_path, monitoring={"metrics": {"enabled": True}}))


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing (make promtool)")
@pytest.mark.parametrize(
    "arguments", [("check", "rules", str(RULES)), ("test", "rules", str(Path(__file__).with_name("rules_test.yaml")))]
)
def test_promtool_takes_the_rules_and_they_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
