"""This project's manifests as somebody deploys them on a broker that asks for a password: every KafkaSource with a net.

spec:
  net:
    sasl: {enable: true, user: {secretKeyRef: {name: taskmaster-kafka-source, key: KAFKA_SASL_USERNAME}}, ...}
    tls: {enable: true, caCert: {secretKeyRef: {name: taskmaster-kafka-source, key: ca.crt}}}
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def guarded(root: Path, environment: Mapping[str, str], into: Path) -> Path:
    """A project in the folder `into`: the functions of `root`, and its manifests for the broker of these KAFKA_*."""
    into.mkdir(parents=True)
    (into / "functions").symlink_to(root / "functions")
    net = _net(environment["KAFKA_SECURITY_PROTOCOL"])
    for file in (*root.glob("knative/*.yaml"), *root.glob("eventing/*.yaml")):
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        for document in documents:
            if document["kind"] == "KafkaSource":
                document["spec"]["net"] = net
        copy = into / file.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return into


def _net(protocol: str) -> dict[str, Any]:
    net: dict[str, Any] = {}
    if protocol.startswith("SASL_"):
        keys = {"user": "KAFKA_SASL_USERNAME", "password": "KAFKA_SASL_PASSWORD", "type": "KAFKA_SASL_MECHANISM"}
        net["sasl"] = {"enable": True, **{name: _key(key) for name, key in keys.items()}}
    if protocol.endswith("SSL"):
        net["tls"] = {"enable": True, "caCert": _key("ca.crt")}
    return net


def _key(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "taskmaster-kafka-source", "key": key}}
