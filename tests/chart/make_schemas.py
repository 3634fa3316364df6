"""Make schemas.json: what the API servers of Kubernetes, Knative, the Gateway API, Dapr and Prometheus' operator take.

    .venv/bin/python -m tests.chart.make_schemas

As JSON Schema. It reads the pinned Go modules (go has to be there) and keeps the kinds that the chart makes, without
descriptions. An unknown field is an error in it, as in `kubectl apply --validate=strict`. KafkaSource is in no module
that can be had by name: its schema is written by hand, kafka_source.yaml.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas.json"
MODULES = {
    "kubernetes": "k8s.io/kubernetes@v1.34.4",
    "serving": "knative.dev/serving@v0.42.2",
    "eventing": "knative.dev/eventing@v0.42.0",
    "gateway": "sigs.k8s.io/gateway-api@v1.3.0",
    "dapr": "github.com/dapr/dapr@v1.16.0",
    "prometheus": "github.com/prometheus-operator/prometheus-operator@v0.85.0",
}
CRDS = (
    ("serving", "config/core/300-resources/service.yaml"),
    ("eventing", "config/core/resources/pingsource.yaml"),
    ("gateway", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    ("gateway", "config/crd/standard/gateway.networking.k8s.io_referencegrants.yaml"),
    ("dapr", "charts/dapr/crds/components.yaml"),
    ("dapr", "charts/dapr/crds/configuration.yaml"),
    ("dapr", "charts/dapr/crds/resiliency.yaml"),
    ("prometheus", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
)
# Kind, the file of its API in Kubernetes' OpenAPI, its name there.
_RBAC = "apis__rbac.authorization.k8s.io__v1"
BUILT_IN = (
    ("v1 ConfigMap", "api__v1", "io.k8s.api.core.v1.ConfigMap"),
    ("v1 Pod", "api__v1", "io.k8s.api.core.v1.Pod"),
    ("v1 Secret", "api__v1", "io.k8s.api.core.v1.Secret"),
    ("v1 Service", "api__v1", "io.k8s.api.core.v1.Service"),
    ("v1 ServiceAccount", "api__v1", "io.k8s.api.core.v1.ServiceAccount"),
    ("apps/v1 Deployment", "apis__apps__v1", "io.k8s.api.apps.v1.Deployment"),
    ("batch/v1 CronJob", "apis__batch__v1", "io.k8s.api.batch.v1.CronJob"),
    ("batch/v1 Job", "apis__batch__v1", "io.k8s.api.batch.v1.Job"),
    ("networking.k8s.io/v1 NetworkPolicy", "apis__networking.k8s.io__v1", "io.k8s.api.networking.v1.NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1 Role", _RBAC, "io.k8s.api.rbac.v1.Role"),
    ("rbac.authorization.k8s.io/v1 RoleBinding", _RBAC, "io.k8s.api.rbac.v1.RoleBinding"),
)  # fmt: skip
_REF = "#/components/schemas/"
_KEPT = {
    "type", "properties", "items", "required", "enum", "pattern", "minimum", "maximum", "minItems", "maxItems",
    "minLength", "maxLength", "anyOf", "oneOf", "allOf", "not", "additionalProperties",
}  # fmt: skip


def main() -> None:
    kinds: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for module, path in CRDS:
        for crd in yaml.safe_load_all((_directory(MODULES[module]) / path).read_text()):
            for version in crd["spec"]["versions"] if crd else ():
                if version["served"]:
                    name = f"{crd['spec']['group']}/{version['name']} {crd['spec']['names']['kind']}"
                    kinds[name] = _with_metadata(_strict(version["schema"]["openAPIV3Schema"]))
    for name, api, definition in BUILT_IN:
        file = _directory(MODULES["kubernetes"]) / "api/openapi-spec/v3" / f"{api}_openapi.json"
        of_api = json.loads(file.read_text())["components"]["schemas"]
        kinds[name] = {"$ref": f"#/definitions/{definition}"}
        _collect(definition, of_api, definitions)
    made = {"kinds": kinds, "definitions": dict(sorted(definitions.items()))}
    SCHEMAS.write_text(json.dumps(made, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")


def _directory(module: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", module], check=True, capture_output=True, cwd="/")
    return Path(json.loads(done.stdout)["Dir"])


def _collect(name: str, of_api: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Keep a definition and all that it refers to."""
    if name in definitions:
        return
    definitions[name] = {}
    definitions[name] = _strict(of_api[name])
    text = json.dumps(of_api[name])
    for other in of_api:
        if f'"{_REF}{other}"' in text:
            _collect(other, of_api, definitions)


def _strict(schema: Any) -> Any:
    """The schema in JSON Schema's words, where a field that is not named is an error."""
    if "$ref" in schema:
        return {"$ref": "#/definitions/" + schema["$ref"].removeprefix(_REF)}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in kept:
        kept["properties"] = {name: _strict(value) for name, value in kept["properties"].items()}
    for key in ("anyOf", "oneOf", "allOf"):
        if key in kept:
            kept[key] = [_strict_part(value) for value in kept[key]]
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _strict(kept[key])
    if "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields", False))
    return kept


def _strict_part(schema: Any) -> Any:
    """One of several that must hold together: it names a few fields, and forbids none."""
    part = _strict(schema)
    if part.get("additionalProperties") is False:
        del part["additionalProperties"]
    return part


def _with_metadata(schema: dict[str, Any]) -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    metadata = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "namespace": {"type": "string"},
            "labels": texts,
            "annotations": texts,
        },
    }
    named = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
    return {**schema, "properties": {**schema["properties"], **named}, "required": [*named, "spec"]}


if __name__ == "__main__":
    main()
