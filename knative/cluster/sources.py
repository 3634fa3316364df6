"""Deliver records as KafkaSource does, by the stand-in's own code, where a cluster has the type and no controller.

What is delivered, how and to whom is read from the cluster's KafkaSource objects and the Secrets that they name.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from knative.cluster.kubectl import ClusterError, Kubectl
from knative.local.fetch_pace import FetchPace
from knative.local.fields import Field, ManifestError
from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.manifests import kafka_source
from knative.local.resources import KafkaSource
from knative_delivery.sink import Sink

_logger = logging.getLogger(__name__)

KIND = "kafkasources.sources.knative.dev"

# The controller of KafkaSource: the first of the release with brokers and channels, the second of the bundle that has
# KafkaSource alone.
CONTROLLERS = ("kafka-controller", "kafka-source-controller")


def has_controller(kubectl: Kubectl) -> bool:
    """Whether the cluster delivers records itself."""
    eventing = kubectl.in_namespace("knative-eventing")
    return any(eventing.get("deployment", name) is not None for name in CONTROLLERS)


class KafkaSources:
    """Every KafkaSource of the namespace, delivered from entering to leaving.

    `reached` maps the brokers as pods know them to how they are reached from here. Raises ClusterError where a Secret
    is missing.
    """

    def __init__(
        self, kubectl: Kubectl, sink: Sink, *, reached: Callable[[str], str] = lambda address: address
    ) -> None:
        self._kubectl = kubectl
        self._reached = reached
        self._sink = sink
        self.adapters: list[KafkaSourceAdapter] = []

    def __enter__(self) -> KafkaSources:
        pace = FetchPace()
        for manifest in self._kubectl.all(KIND):
            source = kafka_source(Field(manifest, Path(f"KafkaSource {manifest['metadata']['name']}")))
            client = self._client(source, manifest["spec"]["bootstrapServers"])
            self.adapters.append(KafkaSourceAdapter(source, client=client, sink=self._sink, pace=pace))
        for adapter in self.adapters:
            adapter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for adapter in self.adapters:
            adapter.stop()

    def wait_until_consuming(self, timeout: float = 60) -> None:
        for adapter in self.adapters:
            if not adapter.assigned.wait(timeout):
                raise ClusterError(f"KafkaSource {adapter.source.name} got no partitions within {timeout:.0f} s")

    def counts(self) -> dict[str, dict[str, int]]:
        """By source: delivered, dead_lettered, dropped, retries."""
        return {adapter.source.name: dict(adapter.dispatcher.counts) for adapter in self.adapters}

    def _client(self, source: KafkaSource, brokers: list[str]) -> dict[str, Any]:
        """kafka-python's settings of a source whose `brokers` the manifest names."""
        reached = [self._reached(address) for address in brokers]
        if source.net is None:
            return {"bootstrap_servers": reached, "security_protocol": "PLAINTEXT"}
        try:
            signed_in = source.net.client({name: self._secret(name) for name in source.net.secrets})
        except ManifestError as error:
            raise ClusterError(str(error)) from None
        return {"bootstrap_servers": reached, **signed_in}

    def _secret(self, name: str) -> dict[str, str]:
        """What a Secret holds; nothing where there is none."""
        found = self._kubectl.get("secret", name) or {}
        return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}
