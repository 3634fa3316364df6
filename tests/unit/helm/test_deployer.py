"""The Role in docs/security.md lets its account install whatever the chart can render, and nothing else."""

from typing import Any

import pytest
import yaml

from tests.chart.conftest import needs_helm
from tests.chart.rendering import PLATFORMS, Manifest, render, with_profiles
from tests.unit.repository.test_guides import ROOT, fenced

pytestmark = needs_helm

VERBS = {"get", "list", "watch", "create", "update", "patch", "delete"}
ALL_OF_IT = (
    "--set=route.enabled=true",
    "--set=mail.secret=mail",
    *(f"--set=database.tryOut.{name}=postgresql://a:b@host/taskmaster" for name in ("url", "systemUrl", "ownerUrl")),
)
# Helm's own record, and what its checks look up.
HELMS = {("todo", "", "secrets"), ("todo", "", "serviceaccounts")}


@pytest.fixture(scope="module")
def rendered() -> list[Manifest]:
    """With the Jobs as hooks and without, the alarm on and off, and what `helm test` runs."""
    chosen = [
        (),
        ("--set=jobs.hooks=false",),
        ("--set=alarm.enabled=false",),
        *(with_profiles(each) for each in PLATFORMS),
    ]
    return [manifest for each in chosen for manifest in render(*each, *ALL_OF_IT).manifests]


def allowed() -> dict[tuple[str, str, str], set[str]]:
    """The verbs by namespace, group and resource."""
    roles = [
        document
        for code in fenced(ROOT / "docs" / "security.md", "yaml")
        for document in yaml.safe_load_all(code)
        if document["kind"] == "Role"
    ]
    return {
        (role["metadata"]["namespace"], group, resource): set(rule["verbs"])
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def wanted(manifest: Manifest) -> tuple[str, str, str]:
    """Where it is made, its API group, and its kind as the API server has it in an address."""
    group, slash, _ = manifest["apiVersion"].partition("/")
    kind = manifest["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return manifest["metadata"].get("namespace", "todo"), group if slash else "", plural


def test_every_kind_may_be_made_changed_and_deleted(rendered: list[Manifest]) -> None:
    assert {wanted(manifest) for manifest in rendered} - allowed().keys() == set()
    assert all(verbs == VERBS for verbs in allowed().values())


def test_nothing_is_allowed_that_the_chart_does_not_make(rendered: list[Manifest]) -> None:
    assert allowed().keys() == {wanted(manifest) for manifest in rendered} | HELMS


def test_a_role_of_the_chart_gives_no_more_than_its_maker_has(rendered: list[Manifest]) -> None:
    """The API server refuses it otherwise."""
    rules: list[dict[str, Any]] = [rule for each in rendered if each["kind"] == "Role" for rule in each["rules"]]
    assert rules
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                assert set(rule["verbs"]) <= allowed()[("todo", group, resource)]


def test_each_role_is_bound_to_the_account() -> None:
    documents = [each for code in fenced(ROOT / "docs" / "security.md", "yaml") for each in yaml.safe_load_all(code)]
    roles = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in documents if each["kind"] == "Role"}
    bound = {
        (each["metadata"]["namespace"], each["roleRef"]["name"])
        for each in documents
        if each["kind"] == "RoleBinding"
        and each["subjects"] == [{"kind": "ServiceAccount", "name": "deployer", "namespace": "todo"}]
    }
    assert roles == bound
