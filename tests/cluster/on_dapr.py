"""The chart on Dapr, installed in a namespace of its own, and what a test asks of it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from knative.cluster import ingress
from knative.cluster.ingress import Ingress
from knative.cluster.kubectl import Json, Kubectl
from knative.cluster.pods import PodWatch
from taskmaster import settings
from taskmaster.broker import transports
from tests.cluster import images
from tests.cluster.conftest import NAMESPACE, Made
from tests.cluster.person import Person
from tests.cluster.release import Helm
from tests.cluster.surroundings import Surroundings, on_kafka, on_redis
from tests.cluster.tokens import Issuer
from tests.support import dapr

KINDS = (KAFKA, REDIS) = ("dapr-kafka", "dapr-redis")
BRIDGE = "taskmaster-bridge"
_SELECTOR = f"app.kubernetes.io/name={BRIDGE}"


@dataclass(frozen=True, kw_only=True)
class OnDapr:
    kind: str
    kubectl: Kubectl
    around: Surroundings
    pods: PodWatch
    helm: Helm
    person: Person
    way_in: Ingress
    api_token: str

    def bridge(self) -> Any:
        """Its pod, once that is Ready, else None; a pod that is on its way out does not count."""
        pods = [pod for pod in self.kubectl.all("pods", selector=_SELECTOR) if is_ready(pod)]
        return next((pod for pod in pods if not pod["metadata"].get("deletionTimestamp")), None)

    def publish(self, topic: str, event_type: str, data: Any) -> str:
        """A command of ada's, by the bridge's daprd; its id."""
        event_id = str(uuid4())
        headers = {**command(event_type, event_id, prefix="ce_"), "content-type": "application/json"}
        with ingress.forwarded(self.kubectl, BRIDGE, port=3500) as url, requests.Session() as client:
            client.headers["dapr-api-token"] = self.api_token
            dapr.publish(client, url, topic, headers, json.dumps(data).encode(), key="ada")
        return event_id

    def records(self, topic: str) -> list[tuple[dict[str, str], Json]]:
        """Headers and value of each record of a topic."""
        read = settings.read(self.around.settings(), needs=(settings.TOPICS,))
        with transports.reading(read, [topic]) as reader:
            return [
                ({name.lower(): (value or b"").decode() for name, value in record.headers}, json.loads(record.value))
                for record in reader.read()
            ]

    def events(self, task: Json) -> list[str]:
        """The types of what task-events has about a task, each id once."""
        found = {
            head["ce_id"]: head["ce_type"]
            for head, fact in self.records("task-events")
            if fact["task_id"] == task["task_id"]
        }
        return list(found.values())


def command(event_type: str, event_id: str, *, prefix: str) -> dict[str, str]:
    """The attributes of a command of ada's: `ce_` begins their names in a record, `ce-` in a request."""
    attributes = {"specversion": "1.0", "type": event_type, "source": "/test", "id": event_id, "userid": "ada"}
    return {prefix + name: text for name, text in attributes.items()}


def is_ready(pod: Json) -> bool:
    return ready_after(pod) is not None


def ready_after(pod: Json) -> timedelta | None:
    """From when the pod was asked for until it was Ready, in whole seconds, as Kubernetes notes it; None: not yet."""
    for each in pod["status"].get("conditions", []):
        if (each["type"], each["status"]) == ("Ready", "True"):
            asked = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            return datetime.fromisoformat(each["lastTransitionTime"]) - asked
    return None


def memory(kubectl: Kubectl, pod: Json) -> dict[str, int]:
    """By container, the bytes of its working set, as the kubelet counts them."""
    path = f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/stats/summary"
    for each in json.loads(kubectl.run("get", "--raw", path))["pods"]:
        if each["podRef"]["name"] == pod["metadata"]["name"]:
            return {one["name"]: one.get("memory", {}).get("workingSetBytes", 0) for one in each["containers"]}
    return {}


@contextmanager
def installed(kind: str, directory: Path) -> Iterator[OnDapr]:
    """The release, with its broker and database on this machine, until the block ends."""
    kubectl = Kubectl(f"{NAMESPACE}-{kind}")
    beside = {KAFKA: on_kafka, REDIS: on_redis}[kind]
    with Made(kubectl, {"pod-security.kubernetes.io/enforce": "restricted"}), beside(kubectl, directory) as around:
        tokens = {
            "taskmaster-dapr-api-token": secrets.token_hex(32),
            "taskmaster-dapr-app-token": secrets.token_hex(32),
        }
        kubectl.apply(*around.objects(), *(_secret(name, {"token": token}) for name, token in tokens.items()))
        issuer = Issuer()
        with PodWatch(kubectl) as pods, ingress.found(kubectl) as way_in:
            helm = Helm(kubectl.namespace, directory / "values.json", profiles=(kind,))
            helm.install(_values(around, {**issuer.settings(), **_door_of_events(kubectl)}))
            yield OnDapr(
                kind=kind,
                kubectl=kubectl,
                around=around,
                pods=pods,
                helm=helm,
                person=Person(kubectl, way_in, issuer.token("ada")),
                way_in=way_in,
                api_token=tokens["taskmaster-dapr-api-token"],
            )


def _values(around: Surroundings, given: Mapping[str, str | bool]) -> dict[str, Any]:
    values = around.values()
    repository, _, tag = images.ours_with_redis().rpartition(":")
    return {
        **values,
        "image": {"repository": repository, "tag": tag},
        "settings": given,
        "dapr": {**values.get("dapr", {}), "image": images.daprd()},
    }


def _door_of_events(kubectl: Kubectl) -> dict[str, str | bool]:
    """Nobody sends events but with a token that the cluster has signed: the bridge has one, of its service account."""
    found = json.loads(kubectl.run("get", "--raw", "/.well-known/openid-configuration"))
    return {
        "EVENT_OIDC_ISSUER": found["issuer"],
        "EVENT_OIDC_AUDIENCE": "taskmaster",
        "EVENT_OIDC_JWKS": kubectl.run("get", "--raw", "/openid/v1/jwks"),
        "EVENT_OIDC_REQUIRED": True,
    }


def _secret(name: str, content: Mapping[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(content)}
