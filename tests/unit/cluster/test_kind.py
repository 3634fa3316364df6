"""`make kind`: which cluster is made, that it has a domain, what is printed. Docker, kind and kubectl are stand-ins."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PLATFORM = Path(__file__).parents[3] / "knative" / "platform"
# As Docker lists them: an IPv6 network may come first, and has no gateway everywhere.
NETWORKS = "fc00:f853:ccd:e793::1\n\n172.18.0.1\n172.19.0.1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The script beside an install.sh that only says that it ran."""
    shutil.copy(PLATFORM / "kind.sh", tmp_path / "kind.sh")
    _program(tmp_path / "install.sh", 'echo "install.sh" >>"$ASKED"; echo installed')
    return tmp_path


def _program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def kind(folder: Path, *, clusters: str = "", networks: str = NETWORKS) -> "subprocess.CompletedProcess[str]":
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, answer in (
        ("docker", f"printf '%s' '{networks}'"),
        ("kind", f'[ "$1" != get ] || printf "%s" "{clusters}"'),
        ("kubectl", "echo patched"),
    ):
        _program(tools / name, f'echo "{name} $*" >>"$ASKED"\n{answer}')
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "ASKED": str(folder / "asked")}
    return subprocess.run([folder / "kind.sh"], env=environ, capture_output=True, text=True, check=False)


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


def test_a_cluster_is_made_with_knative_and_a_domain(folder: Path) -> None:
    done = kind(folder)
    assert done.returncode == 0, done.stderr
    assert asked(folder)[:3] == ["kind get clusters", "kind create cluster --name kind --wait 2m", "install.sh"]
    assert asked(folder)[3].startswith("kubectl -n knative-serving patch configmap config-domain --type merge")
    assert '{"data": {"127.0.0.1.sslip.io": ""}}' in asked(folder)[3]


def test_only_the_address_of_this_machine_goes_to_standard_output(folder: Path) -> None:
    assert kind(folder).stdout == "HOST_ADDRESS=172.18.0.1\n"


def test_a_cluster_that_is_there_is_used_and_one_of_a_longer_name_is_another(folder: Path) -> None:
    assert kind(folder, clusters="mine\nkind\n").returncode == 0
    assert asked(folder)[1] == "kind export kubeconfig --name kind"
    (folder / "asked").unlink()
    assert kind(folder, clusters="kind-2\n").returncode == 0
    assert asked(folder)[1] == "kind create cluster --name kind --wait 2m"


def test_without_a_gateway_or_without_kind_it_says_so(folder: Path) -> None:
    done = kind(folder, networks="fc00:f853:ccd:e793::1\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the network kind has no gateway" in done.stderr
    bare = folder / "bare"
    bare.mkdir()
    for name in ("bash", "dirname"):
        (bare / name).symlink_to(str(shutil.which(name)))
    _program(bare / "docker", "exit 0")
    done = subprocess.run([folder / "kind.sh"], env={"PATH": str(bare)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "kind is not installed: see kind.sigs.k8s.io" in done.stderr
