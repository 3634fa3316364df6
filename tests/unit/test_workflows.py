"""The workflows of .github run what a laptop runs, pinned, with no more rights than they need."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PINNED = re.compile(r"uses: (\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")

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


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()))


def _without_comments(file: Path) -> str:
    return re.sub(r"#.*", "", file.read_text())
