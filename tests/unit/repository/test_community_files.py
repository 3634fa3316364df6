"""The licence, the changelog and what GitHub shows a contributor: the same everywhere, in the form that is expected."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yaml") if path.name != "config.yaml")
# Of https://www.apache.org/licenses/LICENSE-2.0.txt, to the byte.
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_licence_is_apache_2_wherever_it_is_named() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    chart = yaml.safe_load((ROOT / "helm" / "taskmaster" / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_changelog_is_one_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_wants_of_it(form: Path) -> None:
    """https://docs.github.com/en/communities/using-templates/syntax-for-issue-forms"""
    read: dict[str, Any] = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= read.keys() <= {"name", "description", "title", "labels", "body"}
    asked = [each for each in read["body"] if each["type"] != "markdown"]
    assert asked
    assert {each["type"] for each in asked} <= {"checkboxes", "dropdown", "input", "textarea"}
    assert all(re.fullmatch(r"[\w-]+", each["id"]) and each["attributes"]["label"] for each in asked)
    for unique in ([each["id"] for each in asked], [each["attributes"]["label"] for each in asked]):
        assert len(set(unique)) == len(unique)


def test_a_vulnerability_is_sent_to_where_it_stays_private() -> None:
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yaml").read_text(encoding="utf-8"))
    assert config["blank_issues_enabled"] is False
    assert all(each.keys() == {"name", "url", "about"} for each in config["contact_links"])
    assert "private vulnerability reporting" in (GITHUB / "SECURITY.md").read_text(encoding="utf-8")
