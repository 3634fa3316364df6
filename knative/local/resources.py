"""What the manifests declare, as typed records: the few resources of Knative and Kubernetes that run here.

Defaults are those of Knative, so that a field left out means the same on a laptop and on a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from knative.local.net import Net


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a pod runs, and where its environment comes from."""

    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    # The names of the Secrets and ConfigMaps of envFrom, in order: the later ones win, as in Kubernetes.
    env_from: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Service:
    """serving.knative.dev/v1 Service."""

    name: str
    namespace: str = "default"
    container: Container
    # Those of its pods.
    labels: dict[str, str] = field(default_factory=dict)
    # Requests one pod handles at a time; 0 is no limit.
    container_concurrency: int = 0
    # How long a request may take to its first byte.
    timeout: timedelta = timedelta(seconds=300)
    # How long a pod without requests lives.
    window: timedelta = timedelta(seconds=60)
    min_scale: int = 0
    # 0 is no limit.
    max_scale: int = 0
    # Reached by events alone, never through the gateway.
    cluster_local: bool = False


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The delivery section of a source (duck.knative.dev DeliverySpec)."""

    retry: int = 0
    # The n-th retry waits n times the delay (linear) or 2^n times (exponential).
    backoff_policy: str = "exponential"
    backoff_delay: timedelta = timedelta()
    # The longest wait for an answer.
    timeout: timedelta = timedelta(seconds=600)
    dead_letter_sink: str | None = None


@dataclass(frozen=True, kw_only=True)
class KafkaSource:
    """sources.knative.dev/v1 KafkaSource."""

    name: str
    namespace: str = "default"
    topics: tuple[str, ...]
    consumer_group: str
    sink: str
    ordering: str = "ordered"
    initial_offset: str = "latest"
    delivery: Delivery = Delivery()
    extensions: dict[str, str] = field(default_factory=dict)
    # How it signs in; None where the manifest does not say.
    net: Net | None = None


@dataclass(frozen=True, kw_only=True)
class PingSource:
    """sources.knative.dev/v1 PingSource."""

    name: str
    namespace: str = "default"
    schedule: str
    timezone: str = "UTC"
    content_type: str | None = None
    data: bytes = b""
    sink: str
    extensions: dict[str, str] = field(default_factory=dict)
    # The manifest as it was read: what a patch is merged into.
    manifest: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One match of an HTTPRoute's rule, and the function it leads to."""

    # Exact, PathPrefix or RegularExpression.
    path_type: str
    path: str
    # None matches every method.
    method: str | None
    service: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """batch/v1 Job: run to completion, before anything is served."""

    name: str
    container: Container


@dataclass(frozen=True, kw_only=True)
class Manifests:
    """Everything that a set of directories declares, in the order of the files' names."""

    services: dict[str, Service]
    kafka_sources: tuple[KafkaSource, ...]
    ping_sources: tuple[PingSource, ...]
    routes: tuple[Route, ...]
    jobs: tuple[Job, ...]
    config_maps: dict[str, dict[str, str]]


def cluster_url(name: str, namespace: str, path: str = "") -> str:
    """The address of a Knative Service inside the cluster."""
    return f"http://{name}.{namespace}.svc.cluster.local{path}"


def service_of(host: str) -> str | None:
    """The Service behind a host inside the cluster: NAME.NAMESPACE.svc, with or without .cluster.local."""
    labels = host.rpartition(":")[0].split(".") if ":" in host else host.split(".")
    return labels[0] if labels[2:] in (["svc"], ["svc", "cluster", "local"]) else None
