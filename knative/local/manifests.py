"""Read and check the Kubernetes manifests that the stand-in acts on; what it does not know, it names.

Read are Knative Services, KafkaSources, PingSources, an HTTPRoute, Jobs and ConfigMaps. What only a cluster
needs (roles, service accounts, grants between namespaces) is passed over; every other kind is an error, so
that nobody believes something to run here which does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from knative.local import cron, net
from knative.local.fields import Field, ManifestError, documents
from knative.local.resources import (
    Container,
    Delivery,
    Job,
    KafkaSource,
    Manifests,
    PingSource,
    Route,
    Service,
    cluster_url,
    service_of,
)

__all__ = ["ManifestError", "kafka_source", "ping_source", "read"]

_EVERY_MINUTE = "* * * * *"  # of a PingSource that does not say when, as Knative's webhook has it
_CLUSTER_ONLY = {
    "Namespace",
    "ReferenceGrant",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
    "NetworkPolicy",
}


def read(*directories: Path) -> Manifests:
    """Read every *.yaml directly inside the directories; ManifestError says what is missing or wrong."""
    services: dict[str, Service] = {}
    kafka_sources: list[KafkaSource] = []
    ping_sources: list[PingSource] = []
    routes: list[Route] = []
    jobs: list[Job] = []
    config_maps: dict[str, dict[str, str]] = {}
    for document in _documents(directories):
        kind = document["kind"].text()
        name = document["metadata"]["name"].text()
        match kind, document["apiVersion"].text():
            case "Service", "serving.knative.dev/v1":
                if name in services:
                    raise ManifestError(f"{document.file}: there are two Services named {name}: rename one")
                services[name] = _service(document)
            case "KafkaSource", "sources.knative.dev/v1":
                kafka_sources.append(kafka_source(document))
            case "PingSource", "sources.knative.dev/v1":
                ping_sources.append(ping_source(document))
            case "HTTPRoute", "gateway.networking.k8s.io/v1":
                routes.extend(_routes(document))
            case "Job", "batch/v1":
                jobs.append(Job(name=name, container=_container(document["spec"]["template"]["spec"])))
            case "ConfigMap", "v1":
                config_maps[name] = document["data"].mapping()
            case _ if kind not in _CLUSTER_ONLY:
                raise ManifestError(
                    f"{document.file}: kind is {kind} of {document['apiVersion'].text()}: "
                    "the local stand-in does not know it; move the file elsewhere"
                )
    found = Manifests(
        services=services,
        kafka_sources=tuple(kafka_sources),
        ping_sources=tuple(ping_sources),
        routes=tuple(routes),
        jobs=tuple(jobs),
        config_maps=config_maps,
    )
    _check_references(found)
    return found


def _documents(directories: tuple[Path, ...]) -> Iterator[Field]:
    for directory in directories:
        files = sorted(directory.glob("*.yaml"))
        if not files:
            raise ManifestError(f"{directory}: holds no *.yaml: run this from the project, or name its directory")
        for file in files:
            yield from documents(file)


def _service(document: Field) -> Service:
    template = document["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    return Service(
        name=document["metadata"]["name"].text(),
        namespace=document["metadata"]["namespace"].text("default"),
        container=_container(template["spec"]),
        labels=template["metadata"]["labels"].mapping(),
        container_concurrency=template["spec"]["containerConcurrency"].integer(0),
        timeout=timedelta(seconds=template["spec"]["timeoutSeconds"].integer(300)),
        window=annotations["autoscaling.knative.dev/window"].go_duration("60s"),
        min_scale=annotations["autoscaling.knative.dev/min-scale"].integer(0),
        max_scale=annotations["autoscaling.knative.dev/max-scale"].integer(0),
        cluster_local=document["metadata"]["labels"]["networking.knative.dev/visibility"].value == "cluster-local",
    )


def _container(pod: Field) -> Container:
    containers = list(pod["containers"])
    if len(containers) != 1:
        raise pod["containers"].wrong("a list of one container")
    container = containers[0]
    command = container["command"].texts() + container["args"].texts()
    if not command:
        raise container["command"].wrong("the command to run: an image's own entrypoint is not known here")
    env = {}
    for variable in container["env"]:
        if variable["valueFrom"]:
            raise ManifestError(f"{variable.file}: {variable.path}.valueFrom is not known here: use envFrom")
        env[variable["name"].text()] = str(variable["value"].value or "")
    env_from = []
    for source in container["envFrom"]:
        reference = source["secretRef"] if source["secretRef"] else source["configMapRef"]
        env_from.append(reference["name"].text())
    return Container(command=command, env=env, env_from=tuple(env_from))


def kafka_source(document: Field) -> KafkaSource:
    """Read a KafkaSource, from a file or a cluster; ManifestError says what is wrong."""
    spec, namespace = document["spec"], document["metadata"]["namespace"].text("default")
    topics = spec["topics"].texts()
    if not topics:
        raise spec["topics"].wrong("a list of topics")
    return KafkaSource(
        name=document["metadata"]["name"].text(),
        namespace=namespace,
        topics=topics,
        # Knative makes one up where it is missing, and then every source made anew starts from nowhere.
        consumer_group=spec["consumerGroup"].text(),
        sink=_destination(spec["sink"], namespace),
        ordering=spec["ordering"].text("ordered", among=("ordered", "unordered")),
        initial_offset=spec["initialOffset"].text("latest", among=("earliest", "latest")),
        delivery=_delivery(spec["delivery"], namespace),
        extensions=spec["ceOverrides"]["extensions"].mapping(),
        net=net.read(spec["net"]),
    )


def ping_source(document: Field) -> PingSource:
    """Read a PingSource, from a file or patched; ManifestError says what is wrong."""
    spec, namespace = document["spec"], document["metadata"]["namespace"].text("default")
    data = spec["data"].text() if spec["data"] else ""
    try:
        cron.parse(spec["schedule"].text(_EVERY_MINUTE), spec["timezone"].text("UTC"))
    except ValueError as error:
        raise ManifestError(f"{document.file}: spec.schedule: {error}") from None
    return PingSource(
        name=document["metadata"]["name"].text(),
        namespace=namespace,
        schedule=spec["schedule"].text(_EVERY_MINUTE),
        timezone=spec["timezone"].text("UTC"),
        content_type=spec["contentType"].text() if spec["contentType"] else None,
        data=data.encode(),
        sink=_destination(spec["sink"], namespace),
        extensions=spec["ceOverrides"]["extensions"].mapping(),
        manifest=document.value,
    )


def _delivery(spec: Field, namespace: str) -> Delivery:
    sink = spec["deadLetterSink"]
    return Delivery(
        retry=spec["retry"].integer(0),
        backoff_policy=spec["backoffPolicy"].text("exponential", among=("linear", "exponential")),
        backoff_delay=spec["backoffDelay"].iso_duration("PT0S"),
        timeout=spec["timeout"].iso_duration("PT600S"),
        dead_letter_sink=_destination(sink, namespace) if sink else None,
    )


def _destination(sink: Field, namespace: str) -> str:
    """A sink as a URL (duck.knative.dev Destination): a reference, with or without a path, or a URI."""
    uri = sink["uri"].text() if sink["uri"] else ""
    if not sink["ref"]:
        if "://" not in uri:
            raise sink.wrong("a ref, or a uri with its scheme and host")
        return uri
    if uri and not uri.startswith("/"):
        raise sink["uri"].wrong("a path that starts with / (the host is that of ref)")
    sink["ref"]["kind"].text(among=("Service",))
    return cluster_url(sink["ref"]["name"].text(), sink["ref"]["namespace"].text(namespace), uri)


def _routes(document: Field) -> Iterator[Route]:
    for rule in document["spec"]["rules"]:
        service = _backend(rule)
        for match in rule["matches"]:
            yield Route(
                path_type=match["path"]["type"].text("PathPrefix", among=("Exact", "PathPrefix", "RegularExpression")),
                path=match["path"]["value"].text("/"),
                method=match["method"].text() if match["method"] else None,
                service=service,
            )


def _backend(rule: Field) -> str:
    """The function behind a rule: on a cluster all share the ingress, and the rewritten host tells which."""
    for step in rule["filters"]:
        if step["type"].text() == "URLRewrite" and step["urlRewrite"]["hostname"]:
            return step["urlRewrite"]["hostname"].text().partition(".")[0]
    for backend in rule["backendRefs"]:
        return backend["name"].text()
    raise rule["backendRefs"].wrong("the service to route to")


def _check_references(found: Manifests) -> None:
    """Every sink inside the cluster and every route has to lead to a Service that is there."""
    sinks: list[tuple[str, str | None]] = []
    for source in found.kafka_sources:
        sinks += [(f"KafkaSource {source.name}", source.sink)]
        sinks += [(f"the dead letter sink of {source.name}", source.delivery.dead_letter_sink)]
    sinks += [(f"PingSource {ping.name}", ping.sink) for ping in found.ping_sources]
    targets = [(who, service_of(url.split("/")[2])) for who, url in sinks if url]
    targets += [(f"the route {route.method or 'any'} {route.path}", route.service) for route in found.routes]
    for who, target in targets:
        if target is not None and target not in found.services:
            raise ManifestError(f"{who} leads to the Service {target}, which no manifest declares: add it or fix it")
