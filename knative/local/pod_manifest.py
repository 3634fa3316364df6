"""A pod as the Kubernetes API shows it: of kind Pod, of all its fields those that say whose it is and how it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from knative.local.pod import Pod
from knative.local.resources import Service


def revision_of(service: Service) -> str:
    """The name of the one revision that a Service has here."""
    return f"{service.name}-00001"


def pod_manifest(service: Service, pod: Pod) -> dict[str, Any]:
    """The pod of a Service. Its moments have fractions of a second, which those of a cluster have not."""
    metadata: dict[str, Any] = {
        "name": f"{revision_of(service)}-deployment-{pod.pid}",
        "namespace": service.namespace,
        "labels": {
            **service.labels,
            "serving.knative.dev/service": service.name,
            "serving.knative.dev/revision": revision_of(service),
        },
        "creationTimestamp": _written(pod.created_at),
    }
    if pod.deleted_at is not None:
        metadata["deletionTimestamp"] = _written(pod.deleted_at)
    changed_at = pod.ready_at or pod.created_at
    ready = {"type": "Ready", "status": str(pod.ready), "lastTransitionTime": _written(changed_at)}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": [ready]}}


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
