"""A KafkaSource of the cluster as settings of Kafka's client: who signs in, and whom it trusts."""

import base64
import json
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from knative.cluster.kubectl import ClusterError, Kubectl
from knative.cluster.sources import KafkaSources, has_controller
from knative.local.fields import Field
from knative.local.manifests import kafka_source
from knative_delivery.sink import HttpSink

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

    read = kafka_source(Field(source, Path("KafkaSource create-task")))
    return KafkaSources(kubectl, HttpSink())._client(read, source["spec"]["bootstrapServers"])


def reference(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


@pytest.mark.parametrize(
    ("deployment", "delivers"),
    [("kafka-controller", True), ("kafka-source-controller", True), ("eventing-controller", False)],
)
def test_a_cluster_with_either_controller_delivers_itself(tmp_path: Path, deployment: str, delivers: bool) -> None:
    program = tmp_path / "kubectl"  # --namespace=knative-eventing get deployment NAME
    program.write_text(f'#!/bin/sh\n[ "$1 $4" != "--namespace=knative-eventing {deployment}" ] || echo "{{}}"\n')
    program.chmod(0o755)
    kubectl = Kubectl("here", environ={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert has_controller(kubectl) is delivers


def test_a_plain_broker_needs_nothing_more(tmp_path: Path) -> None:
    assert client(tmp_path, manifest()) == {"bootstrap_servers": ["broker:9093"], "security_protocol": "PLAINTEXT"}


def test_sasl_over_tls_takes_the_user_and_the_authority_out_of_secrets(tmp_path: Path) -> None:
    sasl = {
        "enable": True, "user": reference("kafka", "KAFKA_SASL_USERNAME"),
        "password": reference("kafka", "KAFKA_SASL_PASSWORD"), "type": reference("kafka", "KAFKA_SASL_MECHANISM"),
    }  # fmt: skip
    tls = {"enable": True, "caCert": reference("ca", "ca.crt")}
    authority = trustme.CA().cert_pem.bytes().decode()
    settings = client(tmp_path, manifest(sasl=sasl, tls=tls), kafka=SECRET, ca={"ca.crt": authority})
    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == ("ada", "secret")
    [trusted] = settings["ssl_context"].get_ca_certs(binary_form=True)
    assert trusted == ssl.PEM_cert_to_DER_cert(authority)


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    wanted = {part: reference("kafka", f"KAFKA_SASL_{part.upper()}") for part in ("user", "password")}
    with pytest.raises(
        ClusterError, match=r"net.sasl.user.secretKeyRef: there is no KAFKA_SASL_USER in a Secret kafka"
    ):
        client(tmp_path, manifest(sasl={"enable": True, **wanted}))
