"""The workflows of .github run what a laptop runs, pinned, with no more rights than they need; and make does it."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = ROOT / ".github" / "workflows"
FILES = sorted(WORKFLOWS.glob("*.yaml"))
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
def test_a_job_that_may_write_runs_nothing_but_what_publishes(file: Path) -> None:
    """Tests, checks and the bill of materials run the code of all dependencies: none of it where a token may sign."""
    for name, job in _read(file)["jobs"].items():
        if "write" not in (job.get("permissions") or {}).values():
            continue
        steps = job.get("steps", ())
        targets = set(re.findall(r"\bmake ([a-z-]+)", " ".join(str(step.get("run", "")) for step in steps)))
        assert targets <= {"push", "sign", "attest", "chart", "helm"}, name
        assert not any("setup-python" in str(step.get("uses")) for step in steps), name


def test_nothing_is_released_that_was_not_tested_with_reading_rights_alone() -> None:
    jobs = _read(WORKFLOWS / "release.yaml")["jobs"]
    testing = [name for name, job in jobs.items() if "make test" in str(job.get("steps"))]
    assert [jobs[name]["permissions"] for name in testing] == [{"contents": "read"}]

    def follows(name: str) -> bool:
        before = jobs[name].get("needs", [])
        return name in testing or (bool(before) and all(map(follows, [before] if isinstance(before, str) else before)))

    assert all(map(follows, jobs))


@named
def test_a_job_of_a_workflow_that_grants_nothing_says_what_it_needs(file: Path) -> None:
    workflow = _read(file)
    granted = bool(workflow["permissions"])
    assert all(granted or job["permissions"] for job in workflow["jobs"].values())


@named
def test_every_job_has_a_limit(file: Path) -> None:
    jobs = _read(file)["jobs"]
    assert all("timeout-minutes" in job or "uses" in job for job in jobs.values())


def test_every_supported_python_is_tested_on_both_processors() -> None:
    matrix = _read(WORKFLOWS / "ci.yaml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]


@pytest.mark.parametrize("name", ["ci", "release", "deploy"])
def test_two_runs_do_not_get_into_each_others_way(name: str) -> None:
    assert _read(WORKFLOWS / f"{name}.yaml")["concurrency"]["group"]


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


@named
def test_what_a_workflow_does_of_its_own_is_a_make_target(file: Path) -> None:
    assert not re.findall(
        r"\b(?:cosign \w+|helm (?:package|push|upgrade)|apt-get|kind create)", _without_comments(file)
    )


@named
def test_a_registry_is_given_small_letters(file: Path) -> None:
    """An owner's name may have capitals; a repository's in a registry may not."""
    assert not re.search(r"ghcr\.io/\$\{\{|ghcr\.io/\$\{?\w+[^,\w]", file.read_text())


def test_releases_do_not_cancel_each_other() -> None:
    assert "${{ github.ref }}" in _read(WORKFLOWS / "release.yaml")["concurrency"]["group"]


def test_a_release_is_deployed_with_its_own_chart_and_by_its_own_signature() -> None:
    checkout = _read(WORKFLOWS / "deploy-to.yaml")["jobs"]["deploy"]["steps"][0]
    assert checkout["with"]["ref"] == "${{ inputs.ref }}"
    jobs = _read(WORKFLOWS / "deploy.yaml")["jobs"]
    assert all(jobs[name]["with"]["ref"] == "refs/tags/${{ inputs.tag }}" for name in ("staging", "production"))
    assert jobs["verify"]["steps"][-1]["run"].endswith('SIGNER="$RELEASE@refs/tags/$TAG"')


def test_staging_gets_what_has_passed_every_job_on_main_by_its_digest() -> None:
    jobs = _read(WORKFLOWS / "ci.yaml")["jobs"]
    assert set(jobs["image"]["needs"]) == jobs.keys() - {"image", "staging", "told"}
    assert jobs["image"]["if"] == "github.event_name == 'push'"
    assert _events("ci")["push"] == {"branches": ["main"]}
    assert "--platform linux/amd64,linux/arm64" in _dry_run("push")
    deployed = jobs["staging"]
    assert deployed["needs"] == "image"
    assert deployed["with"] == {
        "environment": "staging",
        "ref": "${{ github.sha }}",
        "digest": "${{ needs.image.outputs.digest }}",
    }


def test_a_release_asks_for_an_approval_of_production_by_itself() -> None:
    """GitHub asks the reviewers of the environment; what is deployed is what was built, by its digest."""
    release = _read(WORKFLOWS / "release.yaml")
    assert _events("release") == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    called = release["jobs"]["deploy"]
    assert (called["uses"], called["needs"]) == ("./.github/workflows/deploy.yaml", "chart")
    assert called["with"] == {"tag": "${{ github.ref_name }}", "digest": "${{ needs.chart.outputs.digest }}"}
    assert release["jobs"]["chart"]["outputs"]["digest"] == "${{ needs.image.outputs.digest }}"
    deploy = _read(WORKFLOWS / "deploy.yaml")
    assert _events("deploy").keys() == {"workflow_call", "workflow_dispatch"}
    granted = {name: rights for job in deploy["jobs"].values() for name, rights in job["permissions"].items()}
    assert granted == called["permissions"], "a called workflow has no more rights than its caller grants"
    production = deploy["jobs"]["production"]
    assert (production["needs"], production["with"]["environment"]) == ("staging", "production")
    assert production["with"]["digest"] == "${{ inputs.digest }}"


@pytest.mark.parametrize(("name", "deploying"), [("ci", {"staging"}), ("release", {"deploy"})])
def test_what_fails_before_a_deployment_is_told(name: str, deploying: set[str]) -> None:
    jobs = _read(WORKFLOWS / f"{name}.yaml")["jobs"]
    assert set(jobs["told"]["needs"]) == jobs.keys() - deploying - {"told"}
    assert jobs["told"]["if"].startswith("failure()")


@pytest.mark.parametrize(("name", "job"), [("ci", "told"), ("release", "told"), ("deploy-to", "deploy")])
def test_what_came_of_it_is_in_the_summary_and_at_a_webhook(name: str, job: str) -> None:
    last = _read(WORKFLOWS / f"{name}.yaml")["jobs"][job]["steps"][-1]
    assert last["env"]["NOTIFY_URL"] == "${{ secrets.NOTIFY_URL }}"
    assert last["run"] == 'make notify TEXT="$TEXT ($RUN)" | tee -a "$GITHUB_STEP_SUMMARY"'
    assert job == "told" or last["if"] == "always()"


def test_a_deployment_has_its_status_at_an_environment() -> None:
    """GitHub makes a deployment of a job that names one, and sets its status by how the job ends."""
    assert _read(WORKFLOWS / "deploy-to.yaml")["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://chat.example.com/x", ['--json {"text": "staging: \\"success\\""} https://chat.example.com/x']),
        ("", []),
    ],
)
def test_what_came_of_a_deployment_is_told_where_one_says(tmp_path: Path, url: str, asked: list[str]) -> None:
    (tmp_path / "asked").touch()
    code, calls = _with_tool(tmp_path, "curl", "", "notify", 'TEXT=staging: "success"', f"NOTIFY_URL={url}")
    assert code == 0
    assert [call.partition("--max-time 10 ")[2] for call in calls] == asked


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sign", "cosign sign --yes mine@sha256:1"),
        ("attest", "cosign attest --yes --type cyclonedx --predicate bill.json mine@sha256:1"),
        ("verify", "cosign verify mine@sha256:1 --certificate-identity me --certificate-oidc-issuer them"),
    ],
)
def test_signatures(tmp_path: Path, target: str, said: str) -> None:
    given = ["IMAGE=mine", "DIGEST=sha256:1", "SBOM=bill.json", "SIGNER=me", "SIGNERS=them"]
    assert _with_tool(tmp_path, "cosign", "", target, *given) == (0, [said])


@pytest.mark.parametrize(
    ("answer", "code", "digest"), [("echo Digest: sha256:1", 0, "sha256:1\n"), ("exit 1", 2, None)]
)
def test_a_chart_is_pushed_and_its_digest_kept(tmp_path: Path, answer: str, code: int, digest: str | None) -> None:
    kept = tmp_path / "new" / "digest"
    given = ["CHARTS=example.com/charts", "VERSION=1.2.3", f"DIGEST_FILE={kept}"]
    ended, asked = _with_tool(tmp_path, "helm", f'[ "$1" = package ] || {answer}', "chart", *given)
    assert (ended, asked) == (
        code,
        [
            "helm package helm/taskmaster --version 1.2.3 --app-version 1.2.3 --destination .local",
            "helm push .local/taskmaster-1.2.3.tgz oci://example.com/charts",
        ],
    )
    assert (kept.read_text() if kept.exists() else None) == digest


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


def test_every_image_is_named_by_tag_and_digest() -> None:
    """The tag says which it is, the digest that it stays what it was; Dependabot renews both together."""
    named = []
    for file in (ROOT / "Dockerfile", ROOT / "tests" / "cluster" / "hello" / "Dockerfile"):
        text = file.read_text()
        stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)) | {"scratch"}
        named += [name for name in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if name not in stages]
    services = yaml.safe_load((ROOT / "tests" / "compose.yaml").read_text())["services"]
    named += [service["image"] for service in services.values() if "build" not in service]
    assert len(named) == 5
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", name) for name in named), named


def test_dependabot_can_read_what_an_image_is_built_from() -> None:
    """It does not follow an ARG."""
    for file in (ROOT / "Dockerfile", ROOT / "tests" / "cluster" / "hello" / "Dockerfile"):
        assert not re.search(r"^FROM .*[$]", file.read_text(), re.MULTILINE)


def _dry_run(*arguments: str) -> str:
    """What make would do."""
    return _make("--dry-run", *arguments).stdout


def _with_tool(folder: Path, tool: str, script: str, *arguments: str) -> tuple[int, list[str]]:
    """How make ended, and what it asked of a tool that is a stand-in."""
    (folder / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >>{folder}/asked\n{script}\n')
    (folder / tool).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"  # told twice: an old make looks a plain command up in its own
    done = _make(f"PATH={path}", *arguments, path=path)
    return done.returncode, (folder / "asked").read_text().splitlines()


def _make(*arguments: str, path: str = os.environ["PATH"]) -> "subprocess.CompletedProcess[str]":
    """Without what a make around this one was told."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environ["PATH"] = path
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()))


def _events(name: str) -> dict[str, Any]:
    """What starts a workflow: its `on`, which YAML 1.1 takes for true."""
    read: dict[Any, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yaml").read_text())
    return dict(read[True])


def _without_comments(file: Path) -> str:
    return re.sub(r"#.*", "", file.read_text())
