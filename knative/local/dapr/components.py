"""The resources that daprd reads: a Component to publish to, one for each mailbox, and how deliveries are retried.

The shape is that of the chart's templates; what differs is where secrets come from. Each mailbox has a Component of
its own, NAME-SOURCE, with the consumer group of the KafkaSource in whose place it is: a topic that is missing stops no
other, and on Redis, where `concurrency` is of the whole Component, one mailbox does not wait for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from knative.local.resources import KafkaSource

PUBSUB = "pubsub"
APP = "bridge"
REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105, the name of a variable
KAFKA, REDIS = "pubsub.kafka", "pubsub.redis"

_STORE = "envs"
_API = "dapr.io/v1alpha1"
# Key and values of headers are escaped, and headers that are no header of HTTP or mean something to Dapr left out: else
# a record could block its partition for ever, or pass for daprd itself.
_HEADERS = {
    "escapeHeaders": "true",
    "excludeHeaderMetaRegex": ("^$|[^!#$%&'*+.^_|~0-9A-Za-z-]|^(?i:dapr-api-token|host|rawPayload|partitionKey)$"),
}
_UNORDERED_AT_ONCE = 50  # more than one user may have under way (30)
# For a bridge that hangs: longer than it waits for a function and for the sink of dead letters, 430 s at most.
_TIMEOUT = "440s"
_RETRY = {"policy": "exponential", "maxInterval": "2s", "maxRetries": -1}


def kafka(bootstrap_servers: str, sources: Iterable[KafkaSource]) -> list[dict[str, Any]]:
    """Components on a Kafka without users."""
    common = {"brokers": bootstrap_servers, "authType": "none", "disableTls": "true", "initialOffset": "oldest"}
    groups = {PUBSUB: APP, **{of(each): each.consumer_group for each in sources}}
    return [_component(name, KAFKA, {**common, **_HEADERS, "consumerGroup": group}) for name, group in groups.items()]


def redis(address: str, sources: Iterable[KafkaSource], *, has_password: bool) -> list[dict[str, Any]]:
    """Components on a Redis at host:port, whose password is in the environment of daprd as REDIS_PASSWORD."""
    common = {"redisHost": address, "processingTimeout": "60000", "redeliverInterval": "5000"}
    publish = _component(PUBSUB, REDIS, {**common, "consumerID": APP, "poolSize": "50"}, with_password=has_password)
    mailboxes = []
    for each in sources:
        at_once = 1 if each.ordering == "ordered" else _UNORDERED_AT_ONCE
        own = {"consumerID": each.consumer_group, "concurrency": str(at_once), "poolSize": str(at_once + 10)}
        mailboxes.append(_component(of(each), REDIS, {**common, **own}, with_password=has_password))
    return [publish, *mailboxes]


def of(source: KafkaSource) -> str:
    """The name of the Component that is in the place of a KafkaSource."""
    return f"{PUBSUB}-{source.name}"


def write(directory: Path, components: Iterable[Mapping[str, Any]], *, has_jobs: bool = False) -> Path:
    """Write these, their resiliency and the store of secrets for --resources-path; returns the file for --config."""
    directory.mkdir(parents=True, exist_ok=True)
    found = list(components)
    read = [each["metadata"]["name"] for each in found if each["metadata"]["name"] != PUBSUB]
    (directory / "components.yaml").write_text(yaml.safe_dump_all([*found, _store()], sort_keys=False), "utf-8")
    # A file of its own: daprd 1.16 reads one Resiliency a file, and where a Component stands before it, none.
    (directory / "resiliency.yaml").write_text(yaml.safe_dump(_resiliency(read), sort_keys=False), "utf-8")
    config = directory / "config.yaml"
    config.write_text(yaml.safe_dump(_configuration(has_jobs), sort_keys=False), "utf-8")
    return config


def _component(name: str, kind: str, values: Mapping[str, str], *, with_password: bool = False) -> dict[str, Any]:
    metadata: list[dict[str, Any]] = [{"name": key, "value": value} for key, value in values.items()]
    component = {
        "apiVersion": _API,
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": kind, "version": "v1", "metadata": metadata},
        "scopes": [APP],
    }
    if with_password:
        metadata.append({"name": "redisPassword", "secretKeyRef": {"name": REDIS_PASSWORD, "key": REDIS_PASSWORD}})
        component["auth"] = {"secretStore": _STORE}
    elif kind == REDIS:
        metadata.append({"name": "redisPassword", "value": ""})
    return component


def _store() -> dict[str, Any]:
    spec = {"type": "secretstores.local.env", "version": "v1", "metadata": []}
    return {"apiVersion": _API, "kind": "Component", "metadata": {"name": _STORE}, "spec": spec, "scopes": [APP]}


def _configuration(has_jobs: bool) -> dict[str, Any]:
    """What callers of daprd may do: publish, and set the alarm where that is a job."""
    allowed = [
        {"name": "publish", "version": "v1.0", "protocol": "http"},
        # Without a rule for gRPC, daprd lets its callers do everything there.
        {"name": "publish", "version": "v1", "protocol": "grpc"},
    ]
    if has_jobs:
        allowed.append({"name": "jobs", "version": "v1.0-alpha1", "protocol": "http"})
    spec = {"api": {"allowed": allowed}}
    return {"apiVersion": _API, "kind": "Configuration", "metadata": {"name": APP}, "spec": spec}


def _resiliency(read: Iterable[str]) -> dict[str, Any]:
    """An event is retried until it is answered: the functions' inbox counts the attempts, and parks what fails."""
    inbound = {"inbound": {"timeout": "answer", "retry": "again"}}
    return {
        "apiVersion": _API,
        "kind": "Resiliency",
        "metadata": {"name": "mailboxes"},
        "spec": {
            "policies": {"timeouts": {"answer": _TIMEOUT}, "retries": {"again": _RETRY}},
            "targets": {"components": dict.fromkeys(read, inbound)},
        },
        "scopes": [APP],
    }
