"""What README and docs tell to type on a cluster is what the chart takes: values, profiles, Secrets and their keys."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from taskmaster.settings import Settings

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "taskmaster"
MANIFESTS = ROOT / "knative" / "README.md"
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), CHART / "README.md", MANIFESTS])
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
KEYS = {
    "taskmaster-database": {"DATABASE_URL", "SYSTEM_DATABASE_URL"},
    "taskmaster-database-owner": {"MIGRATION_DATABASE_URL"},
    "taskmaster-kafka": {"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_MECHANISM"},
}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def fenced(document: Path, language: str) -> list[str]:
    """The code blocks of a language, whatever they are indented by."""
    text = document.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def commands(document: Path) -> list[str]:
    """The shell's lines, those joined that end in a backslash."""
    text = re.sub(r"^( *)```.*?^\1```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    pieces = [
        *fenced(document, "sh"),
        *re.findall(r"^ {4}(.+)$", text, re.MULTILINE),
        *re.findall(r"`([^`\n]+)`", text),
    ]
    return [line.strip() for piece in pieces for line in piece.replace("\\\n", " ").splitlines()]


def values_set(command: str) -> list[str]:
    """The names of `helm --set NAME=VALUE,NAME=VALUE`, those of lists and maps included. Another chart has its own."""
    if re.search(r"\bhelm\b.* (install|upgrade) ", command) and "helm/taskmaster" not in command:
        return []
    given = re.findall(r"--set[= ]('[^']*'|\S+)", command)
    return [name for each in given for name in re.findall(r"(?:^|,)([\w.-]+)=", each.strip("'"))]


def known(name: str) -> bool:
    """Whether the chart has such a value. settings.* are open there; their names are those of the environment."""
    if name.startswith("settings."):
        return name.removeprefix("settings.").lower() in Settings.model_fields
    here: Any = VALUES
    for part in name.split("."):
        if not isinstance(here, dict) or part not in here:
            return False
        here = here[part]
    return True


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for name, value in over.items():
        both[name] = (
            merged(base[name], value) if isinstance(base.get(name), dict) and isinstance(value, dict) else value
        )
    return both


@each_document
def test_every_value_that_is_set_exists(document: Path) -> None:
    assert [name for command in commands(document) for name in values_set(command) if not known(name)] == []


@each_document
def test_every_file_that_is_given_to_helm_is_a_profile_or_written_before(document: Path) -> None:
    given = [file for command in commands(document) for file in re.findall(r" -f (helm/\S+)", command)]
    assert [file for file in given if not (ROOT / file).is_file()] == []


@each_document
def test_values_that_are_shown_are_values_of_the_chart(document: Path) -> None:
    for values in [each for shown in fenced(document, "yaml") for each in yaml.safe_load_all(shown)]:
        if isinstance(values, dict) and values.keys() <= VALUES.keys():
            jsonschema_rs.validate(SCHEMA, merged(VALUES, filled_in(values)))


def filled_in(values: dict[str, Any]) -> dict[str, Any]:
    """With a name in place of each one in capitals, which the reader replaces."""
    filled: dict[str, Any] = yaml.safe_load(re.sub(r"\b[A-Z]{3,}\b", "name", yaml.safe_dump(values)))
    return filled


@each_document
def test_secrets_that_are_made_have_the_keys_that_are_read(document: Path) -> None:
    for command in commands(document):
        made = re.search(r"create secret generic (taskmaster-\S+)(.*)", command)
        if made and made[1] in KEYS and "--from-literal" in made[2]:
            assert set(re.findall(r"--from-literal=(\w+)=", made[2])) == KEYS[made[1]], command


def test_the_secrets_of_these_tests_are_those_of_the_chart() -> None:
    named = {VALUES["database"]["secret"], VALUES["database"]["ownerSecret"], VALUES["kafka"]["secret"]}
    assert named == KEYS.keys()


def test_what_is_said_of_the_manifests_applies_them_all_in_order(tmp_path: Path) -> None:
    """All but the route, which wants a Gateway; with the image and the broker put in. kubectl is a stand-in."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        '#!/bin/sh\ncase "$1" in apply) echo ---; cat ;; *) echo "---\nkubectl: $1 $2" ;; esac >>"$APPLIED"\n'
    )
    kubectl.chmod(0o755)
    [script, _] = fenced(MANIFESTS, "sh")
    script = script.replace("BROKER=redpanda.redpanda:9092", "BROKER=broker.example.com:9092")
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "APPLIED": str(tmp_path / "applied")}
    subprocess.run(["sh", "-eu", "-c", script], cwd=ROOT, env=environ, check=True)
    text = (tmp_path / "applied").read_text()
    applied = [each for each in yaml.safe_load_all(text) if each]
    files = [file for folder in ("knative", "eventing") for file in (ROOT / folder).glob("*.yaml")]
    there = [each for file in files if file.stem != "route" for each in yaml.safe_load_all(file.read_text())]
    assert sorted(map(name_of, there)) == sorted(name_of(each) for each in applied if "kind" in each)
    assert "taskmaster-functions:" not in text
    assert "redpanda.redpanda" not in text
    steps = [each.get("kind") or each["kubectl"] for each in applied]
    order = ["ConfigMap", "delete jobs", "Job", "wait jobs", "Service", "wait ksvc", "KafkaSource"]
    assert sorted(order, key=steps.index) == order


def test_the_gateway_that_is_shown_is_the_one_of_the_route_and_takes_it_by_https_alone() -> None:
    shown = [each for code in fenced(ROOT / "docs" / "https.md", "yaml") for each in yaml.safe_load_all(code)]
    [gateway] = [each for each in shown if each.get("kind") == "Gateway"]
    [route] = [each["route"] for each in shown if "route" in each]
    assert gateway["metadata"] | {"annotations": {}} == {
        "name": VALUES["route"]["gateway"]["name"],
        "namespace": route["gateway"]["namespace"],
        "annotations": {},
    }
    proofs, https = gateway["spec"]["listeners"]
    assert proofs["allowedRoutes"]["namespaces"] == {"from": "Same"}
    assert (https["protocol"], [https["hostname"]]) == ("HTTPS", route["hostnames"])
    assert https["allowedRoutes"]["namespaces"]["selector"]["matchLabels"] == {"kubernetes.io/metadata.name": "todo"}


def name_of(manifest: dict[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def test_the_readers_of_the_documents_see_what_is_there() -> None:
    """A parser that finds nothing would pass everything."""
    page = ROOT / "docs" / "deploy-oke.md"
    assert any(values_set(command) for command in commands(page))
    assert fenced(page, "yaml")
    assert sum("create secret generic" in command for command in commands(page)) >= 3
    assert not known("image.repositry")
