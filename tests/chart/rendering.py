"""The chart rendered into objects, and what the API servers would say to them."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from helm import command

HERE = Path(__file__).parent
Manifest = dict[str, Any]

PLATFORMS = ("oke", "aks", "gke", "local")
BROKERS = ("redpanda-cloud", "confluent-cloud", "strimzi", "cloudkarafka", "plain")
DATABASES = ("neon",)
TRANSPORTS = ("dapr-kafka", "dapr-redis")
# What `.Capabilities` has on a cluster with all of Knative and the Gateway API.
CLUSTER = (
    "apiregistration.k8s.io/v1",
    "serving.knative.dev/v1",
    "sources.knative.dev/v1",
    "sources.knative.dev/v1/PingSource",
    "sources.knative.dev/v1/KafkaSource",
    "gateway.networking.k8s.io/v1",
)


class Rendered:
    """What one set of values makes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.manifests: list[Manifest] = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    def of(self, kind: str) -> dict[str, Manifest]:
        return {each["metadata"]["name"]: each for each in self.manifests if each["kind"] == kind}

    def settings(self) -> dict[str, str]:
        """What the ConfigMap gives every function."""
        data: dict[str, str] = self.of("ConfigMap")["taskmaster"]["data"]
        return data

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """The pods' specifications by `kind/name`, of Knative Services, Deployments, Jobs and the tests."""
        for each in self.manifests:
            where = f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield where, each["spec"]
            elif each["kind"] in ("Job", "Deployment") or each["apiVersion"].startswith("serving."):
                yield where, each["spec"]["template"]["spec"]


@cache
def render(*arguments: str, namespace: str = "todo") -> Rendered:
    """The chart with these arguments of helm template. Raises HelmFailed."""
    return Rendered(command.template(*arguments, namespace=namespace))


def with_profiles(*names: str) -> list[str]:
    """The arguments that choose profiles."""
    return [word for name in names for word in ("--values", str(command.PROFILES / f"{name}.yaml"))]


def with_values(tmp_path: Path, **values: Any) -> list[str]:
    """The arguments that set values, through a file as a person would."""
    text = yaml.safe_dump(values)
    file = tmp_path / f"values-{sha256(text.encode()).hexdigest()[:12]}.yaml"
    file.write_text(text)
    return ["--values", str(file)]


def on_a_cluster(*versions: str) -> list[str]:
    """The arguments that make helm believe in a cluster which has these APIs, and the image somewhere."""
    image = ["--set", "image.repository=example/taskmaster"]
    return image + [word for version in versions for word in ("--api-versions", version)]


def faults(manifest: Manifest) -> list[str]:
    """What the API server would refuse: unknown fields, wrong types, what is missing."""
    return _faults(json.dumps(manifest))


@cache
def _faults(text: str) -> list[str]:
    manifest = json.loads(text)
    name = f"{manifest['apiVersion']} {manifest['kind']}"
    if manifest["kind"] == "KafkaSource":
        validator = _kafka_source()
    else:
        assert name in _schemas()["kinds"], f"no schema of {name}: tests/chart/make_schemas.py"
        validator = _validator(name)
    return [
        f"{manifest['kind']}/{manifest['metadata']['name']}: {'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]


@cache
def _schemas() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((HERE / "schemas.json").read_text())
    return found


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**_schemas()["kinds"][name], "definitions": _schemas()["definitions"]})


@cache
def _kafka_source() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(yaml.safe_load((HERE / "kafka_source.yaml").read_text()))
