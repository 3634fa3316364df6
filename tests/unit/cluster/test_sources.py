"""A KafkaSource of the cluster as settings of Kafka's client: who signs in, and whom it trusts."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from knative.cluster.kubectl import ClusterError, Kubectl
from knative.cluster.sources import KafkaSources
from knative.local.sink import HttpSink

SINK = {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "create-task"}, "uri": "/events"}
SECRET = {"KAFKA_SASL_USERNAME": "ada", "KAFKA_SASL_PASSWORD": "secret", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}


def manifest(**net: Any) -> dict[str, Any]:
    spec = {
        "bootstrapServers": ["broker:9093"],
        "topics": ["create-task"],
        "consumerGroup": "g",
        "sink": SINK,
        "net": net,
    }
    return {"metadata": {"name": "create-task", "namespace": "here"}, "spec": spec}


def client(tmp_path: Path, source: dict[str, Any], **secrets: dict[str, str]) -> dict[str, Any]:
    """What the adapter would connect with, on a cluster that has these Secrets."""
    for name, content in secrets.items():
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
        (tmp_path / name).write_text(json.dumps({"data": encoded}))
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$4" 2>/dev/null || true\n')  # --namespace=here get secret NAME
    program.chmod(0o755)
    kubectl = Kubectl("here", environ={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return KafkaSources(kubectl, HttpSink(), certificates=tmp_path)._client(source)


def reference(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def test_a_plain_broker_needs_nothing_more(tmp_path: Path) -> None:
    assert client(tmp_path, manifest()) == {"bootstrap_servers": ["broker:9093"], "security_protocol": "PLAINTEXT"}


def test_sasl_over_tls_takes_the_user_and_the_authority_out_of_secrets(tmp_path: Path) -> None:
    sasl = {
        "enable": True, "user": reference("kafka", "KAFKA_SASL_USERNAME"),
        "password": reference("kafka", "KAFKA_SASL_PASSWORD"), "type": reference("kafka", "KAFKA_SASL_MECHANISM"),
    }  # fmt: skip
    tls = {"enable": True, "caCert": reference("ca", "ca.crt")}
    settings = client(tmp_path, manifest(sasl=sasl, tls=tls), kafka=SECRET, ca={"ca.crt": "PEM"})
    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == ("ada", "secret")
    authority = Path(settings["ssl_cafile"])
    assert authority.read_text() == "PEM"
    assert authority.stat().st_mode & 0o077 == 0


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    sasl = {"enable": True, "user": reference("kafka", "KAFKA_SASL_USERNAME")}
    with pytest.raises(ClusterError, match="the Secret kafka with the key KAFKA_SASL_USERNAME is missing"):
        client(tmp_path, manifest(sasl=sasl))
