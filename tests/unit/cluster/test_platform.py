"""knative/platform: what would be applied, and what the check says; kubectl and the downloads are played by scripts."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PLATFORM = Path(__file__).parents[3] / "knative" / "platform"
FILES = [line.split()[1] for line in (PLATFORM / "checksums.txt").read_text().splitlines()]


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """A copy of the folder whose release files are short texts that it already has."""
    shutil.copytree(PLATFORM, tmp_path / "platform")
    (tmp_path / "releases").mkdir()
    lines = []
    for name in FILES:
        text = f"# {name}\n"
        (tmp_path / "releases" / name).write_text(text)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")
    (tmp_path / "platform" / "checksums.txt").write_text("".join(lines))
    return tmp_path


def install(platform: Path, *arguments: str, kubectl: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with this instead of kubectl, and a curl that finds no network."""
    for name, script in (("kubectl", kubectl), ("curl", "exit 6")):
        (platform / name).write_text(f"#!/bin/sh\n{script}\n")
        (platform / name).chmod(0o755)
    environ = {
        "PATH": f"{platform}:{os.environ['PATH']}", "HOME": str(platform), "RELEASES": str(platform / "releases"),
        "TIMEOUT": "1s",
    }  # fmt: skip
    return subprocess.run(
        [platform / "platform" / "install.sh", *arguments], env=environ, capture_output=True, text=True, check=False
    )


def test_rendering_reaches_no_cluster_and_waits_longer_for_a_broker_far_away(platform: Path) -> None:
    kubectl = """[ "$1" = kustomize ] || exit 1
cat "$2"/*.yaml; echo '    request.timeout.ms=2000'; echo '    fetch.min.bytes=2000'"""
    done = install(platform, "render", str(platform / "out"), kubectl=kubectl)
    assert done.returncode == 0, done.stderr
    for part, released in (("serving", "serving-core.yaml"), ("kafka", "eventing-kafka-source.yaml")):
        rendered = (platform / "out" / f"{part}.yaml").read_text()
        assert f"# {released}" in rendered
        assert "    request.timeout.ms=20000\n" in rendered
        assert "    fetch.min.bytes=2000\n" in rendered


def test_a_release_file_that_is_another_is_never_used(platform: Path) -> None:
    (platform / "releases" / "serving-core.yaml").write_text("something else\n")
    done = install(platform, "render", str(platform / "out"), kubectl="exit 0")
    assert done.returncode == 1
    assert "serving-core.yaml cannot be downloaded: try again, or put it into" in done.stderr
    assert not (platform / "out").exists()


def test_without_a_cluster_it_says_what_to_do(platform: Path) -> None:
    done = install(platform, kubectl="exit 1")
    assert done.returncode == 1
    assert "kubectl reaches no cluster: set KUBECONFIG or pick a context" in done.stderr


def test_the_check_names_what_is_missing_and_changes_nothing(platform: Path) -> None:
    """A cluster with Serving and another ingress, without KafkaSource."""
    kubectl = f"""echo "$@" >>{platform}/called
case "$*" in
  version*) ;;
  "config current-context") echo here ;;
  *config-network*) echo gateway-api.ingress.networking.knative.dev ;;
  *crd*) exit 1 ;;
  *nodes*) echo 2 ;;
  *pods*) echo 350m ;;
  *deployment/eventing-controller*) exit 1 ;;
  *jsonpath*) echo 1.15.2 ;;
esac"""
    done = install(platform, "check", kubectl=kubectl)
    assert done.returncode == 1
    assert "ready    Knative Serving 1.15.2" in done.stdout
    assert "ready    another ingress than Kourier" in done.stdout
    assert "missing  Knative Eventing: there is no deployment eventing-controller" in done.stdout
    assert "missing  KafkaSource: its type is not there" in done.stdout
    assert "asked    350 of 2000 thousandths of a core" in done.stdout
    assert "apply" not in (platform / "called").read_text()


def with_kafka_controllers(*there: str) -> str:
    """kubectl of a cluster that has everything, and these controllers of KafkaSource."""
    known = "|".join(f"*deployment/{name}" for name in there) or "none"
    return f"""case "$*" in
  version*|*crd*) ;;
  "config current-context") echo here ;;
  *config-network*) echo gateway-api.ingress.networking.knative.dev ;;
  *nodes*) echo 2 ;;
  *pods*) echo 350m ;;
  *jsonpath*) echo 1.22.3 ;;
  get*{known}) ;;
  get*deployment/kafka-controller|get*deployment/kafka-source-controller) exit 1 ;;
esac"""


@pytest.mark.parametrize(
    "there",
    [("kafka-controller",), ("kafka-source-controller",), ("kafka-controller", "kafka-source-controller")],
    ids="+".join,
)
def test_the_check_takes_either_controller_of_kafka_source(platform: Path, there: tuple[str, ...]) -> None:
    """`kafka-source-controller` is the one of the bundle that has KafkaSource alone."""
    done = install(platform, "check", kubectl=with_kafka_controllers(*there))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready    KafkaSource 1.22.3" in done.stdout


def test_the_check_names_both_controllers_where_neither_is_there(platform: Path) -> None:
    done = install(platform, "check", kubectl=with_kafka_controllers())
    assert done.returncode == 1
    assert "has no deployment kafka-controller, and no kafka-source-controller" in done.stdout


def test_the_check_waits_for_the_controller_that_is_there(platform: Path) -> None:
    starting = 'case "$*" in rollout*kafka-source-controller*) exit 1 ;; esac'
    done = install(platform, "check", kubectl=f"{starting}\n{with_kafka_controllers('kafka-source-controller')}")
    assert done.returncode == 1
    assert "not up   kafka-source-controller: kubectl describe deployment/kafka-source-controller" in done.stdout


def test_a_wrong_word_is_answered_with_the_right_ones(platform: Path) -> None:
    done = install(platform, "instal", kubectl="exit 0")
    assert done.returncode == 1
    assert "there is no instal: it is install.sh, install.sh check or install.sh render DIR" in done.stderr


def test_every_file_that_a_part_names_has_a_checksum() -> None:
    named = {
        line.strip() for part in PLATFORM.glob("*/kustomization.yaml")
        for line in part.read_text().partition("resources: [")[2].partition("]")[0].split(",")
    }  # fmt: skip
    assert named <= set(FILES)
