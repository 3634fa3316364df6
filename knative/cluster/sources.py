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

from knative.cluster.kubectl import ClusterError, Json, Kubectl
from knative.local.fields import Field
from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.manifests import kafka_source
from knative.local.sink import Sink

_logger = logging.getLogger(__name__)

KIND = "kafkasources.sources.knative.dev"


def has_controller(kubectl: Kubectl) -> bool:
    """Whether the cluster delivers records itself."""
    return kubectl.in_namespace("knative-eventing").get("deployment", "kafka-controller") is not None


class KafkaSources:
    """Every KafkaSource of the namespace, delivered from entering to leaving.

    `certificates` is a folder of its own for what a Secret says of TLS. `reached` maps the brokers as pods know them to
    how they are reached from here. Raises ClusterError where a Secret is missing.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        sink: Sink,
        *,
        certificates: Path,
        reached: Callable[[str], str] = lambda address: address,
    ) -> None:
        self._kubectl = kubectl
        self._certificates = certificates
        self._reached = reached
        self._sink = sink
        self.adapters: list[KafkaSourceAdapter] = []

    def __enter__(self) -> KafkaSources:
        for manifest in self._kubectl.all(KIND):
            source = kafka_source(Field(manifest, Path(f"KafkaSource {manifest['metadata']['name']}")))
            self.adapters.append(KafkaSourceAdapter(source, client=self._client(manifest), sink=self._sink))
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

    def _client(self, manifest: Json) -> dict[str, Any]:
        """kafka-python's settings from spec.net (KafkaSource's KafkaNetSpec)."""
        spec = manifest["spec"]
        sasl, tls = (spec.get("net", {}).get(part, {}) for part in ("sasl", "tls"))
        secured, signed = bool(tls.get("enable")), bool(sasl.get("enable"))
        client: dict[str, Any] = {
            "bootstrap_servers": [self._reached(address) for address in spec["bootstrapServers"]],
            "security_protocol": ("SASL_" if signed else "") + ("SSL" if secured else "PLAINTEXT"),
        }
        if signed:
            client |= {
                "sasl_mechanism": self._secret(sasl.get("type")) or "PLAIN",
                "sasl_plain_username": self._secret(sasl.get("user")),
                "sasl_plain_password": self._secret(sasl.get("password")),
            }
        if secured:
            for setting, part in (("ssl_cafile", "caCert"), ("ssl_certfile", "cert"), ("ssl_keyfile", "key")):
                if pem := self._secret(tls.get(part)):
                    file = self._certificates / f"{manifest['metadata']['name']}-{part}.pem"
                    file.touch(mode=0o600)
                    file.write_text(pem)
                    client[setting] = str(file)
        return client

    def _secret(self, reference: Json | None) -> str | None:
        wanted = (reference or {}).get("secretKeyRef")
        if not wanted:
            return None
        secret = self._kubectl.get("secret", wanted["name"])
        encoded = (secret or {}).get("data", {}).get(wanted["key"])
        if encoded is None:
            raise ClusterError(f"the Secret {wanted['name']} with the key {wanted['key']} is missing")
        return base64.b64decode(encoded).decode()
