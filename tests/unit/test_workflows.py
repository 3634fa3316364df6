"""The workflows of .github run what a laptop runs, pinned, with no more rights than they need; and make does it."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
WANTS_HELM = re.compile(r"^helm |make (test|test-cluster|deploy|chart)( |$)", re.MULTILINE)
PINNED = re.compile(r"uses: (\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")

ECOSYSTEMS = {
    "docker": "Dockerfile",
    "docker-compose": "compose.yaml",
    "gomod": "go.mod",
    "maven": "pom.xml",
    "npm": "package.json",
}

named = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


@named
def test_every_make_target_of_a_workflow_exists(file: Path) -> None:
    assert set(re.findall(r"\bmake ([a-z-]+)", _without_comments(file))) <= TARGETS


@named
def test_actions_are_pinned_by_commit_and_say_their_version(file: Path) -> None:
    uses = [line.strip(" -") for line in file.read_text().splitlines() if "uses: " in line]
    assert all(PINNED.fullmatch(line) for line in uses), uses


@named
def test_nothing_is_allowed_that_a_job_does_not_ask_for(file: Path) -> None:
    workflow = _read(file)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert not any("write-all" in str(job.get("permissions")) for job in workflow["jobs"].values())


@named
def test_every_job_has_a_limit(file: Path) -> None:
    jobs = _read(file)["jobs"]
    assert all("timeout-minutes" in job or "uses" in job for job in jobs.values())


def test_every_supported_python_is_tested_on_both_processors() -> None:
    matrix = _read(ROOT / ".github" / "workflows" / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]


@pytest.mark.parametrize("name", ["ci", "release", "deploy"])
def test_two_runs_do_not_get_into_each_others_way(name: str) -> None:
    assert _read(ROOT / ".github" / "workflows" / f"{name}.yaml")["concurrency"]["group"]


@named
def test_what_needs_helm_is_given_the_version_that_is_tested(file: Path) -> None:
    for job in _read(file)["jobs"].values():
        steps = [str(step.get("run", "")) for step in job.get("steps", ())]
        wanting = [number for number, run in enumerate(steps) if WANTS_HELM.search(run)]
        if wanting:
            assert "make helm" in steps[: wanting[0]], steps


def test_one_place_says_which_helm() -> None:
    assert "go install helm.sh/helm/v3/cmd/helm@" in _dry_run("helm")
    assert "helm.sh/" not in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("target", ["image", "push"])
def test_an_image_says_which_version_it_is(target: str) -> None:
    assert "--build-arg VERSION=1.2.3 " in _dry_run(target, "IMAGE=mine", "BUILD=docker", "VERSION=1.2.3")
    assert "ARG VERSION=unknown" in (ROOT / "Dockerfile").read_text()


def test_without_a_release_the_version_is_that_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"--tag taskmaster-functions:{version} " in _dry_run("image", "BUILD=docker")


def test_pushing_makes_the_folder_that_the_digest_goes_to() -> None:
    assert _dry_run("push", "DIGEST_FILE=new/digest").startswith("mkdir -p new/\n")


def test_dependabot_is_told_of_every_folder_with_something_to_update() -> None:
    told = {
        (update["package-ecosystem"], folder)
        for update in yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
        for folder in update.get("directories") or [update["directory"]]
    }
    there = {
        (ecosystem, f"/{file.parent.relative_to(ROOT)}".rstrip("./") or "/")
        for ecosystem, name in ECOSYSTEMS.items()
        for file in ROOT.rglob(name)
        if not {"node_modules", ".venv", ".local"} & set(file.parts)
    }
    assert len(there) >= len(ECOSYSTEMS)
    assert there <= told


def test_dependabot_can_read_what_an_image_is_built_from() -> None:
    """It does not follow an ARG."""
    for file in (ROOT / "Dockerfile", ROOT / "tests" / "cluster" / "hello" / "Dockerfile"):
        assert not re.search(r"^FROM .*[$]", file.read_text(), re.MULTILINE)


def _dry_run(*arguments: str) -> str:
    """What make would do. Not what a make around this one was told to."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return done.stdout


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()))


def _without_comments(file: Path) -> str:
    return re.sub(r"#.*", "", file.read_text())
