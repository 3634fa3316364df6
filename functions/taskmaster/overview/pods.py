"""The pods of the functions, as the Kubernetes API lists them; the laptop's stand-in answers the same."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from taskmaster.errors import TaskmasterError
from taskmaster.outbound import http_get, kubernetes
from taskmaster.outbound.deadline import Deadline, within
from taskmaster.overview.functions import FUNCTIONS
from taskmaster.overview.shown import FunctionShown, FunctionState, PodShown, PodState

TOTAL_SECONDS = 3.0  # until the pods are listed, or PodsUnknown is raised
_PATH = "/api/v1/namespaces/{namespace}/pods"
_SELECTOR = "app.kubernetes.io/part-of=taskmaster,app.kubernetes.io/component=function"
_FUNCTION = "serving.knative.dev/service"  # Knative's label, which names the Service of a pod
_LARGEST = 16_777_216  # bytes; a pod has about ten thousand
_ENDED = ("Succeeded", "Failed")
_MOST_AWAKE_FIRST: tuple[PodState, ...] = ("awake", "waking", "draining")

Pod = Mapping[str, Any]


class PodsUnknown(TaskmasterError):
    """The pods cannot be listed now. The text is a sentence for people."""


def functions_now(api: str) -> list[FunctionShown]:
    """Every function with its pods. Raises PodsUnknown."""
    try:
        return shown(within(TOTAL_SECONDS, lambda deadline: _listed(api, deadline)))
    except (OSError, ValueError, LookupError, TypeError) as error:  # no answer, another status, no list of pods
        if str(error) in ("HTTP 401", "HTTP 403"):
            raise PodsUnknown("The Kubernetes API lets show-pack list no pods: its Role is not there.") from None
        raise PodsUnknown("The Kubernetes API does not say which pods there are.") from error


def shown(pods: Iterable[Pod]) -> list[FunctionShown]:
    """Every function, with those of these pods that are its own: objects of kind Pod (core/v1). Without I/O."""
    by_function: dict[str, list[PodShown]] = {name: [] for name in FUNCTIONS}
    for pod in pods:
        if pod.get("status", {}).get("phase") not in _ENDED:
            by_function.setdefault(pod["metadata"]["labels"][_FUNCTION], []).append(_shown(pod))
    return [
        FunctionShown(function=name, state=_state(own), pods=sorted(own, key=lambda pod: pod.created_at))
        for name, own in sorted(by_function.items())
    ]


def _listed(api: str, deadline: Deadline) -> list[Pod]:
    query = urlencode({"labelSelector": _SELECTOR})
    body = http_get.body(
        f"{api.rstrip('/')}{_PATH.format(namespace=kubernetes.namespace())}?{query}",
        headers=kubernetes.headers(),
        trusting=kubernetes.trusted(),
        deadline=deadline,
        largest=_LARGEST,
    )
    found: list[Pod] = json.loads(body)["items"]
    return found


def _shown(pod: Pod) -> PodShown:
    metadata = pod["metadata"]
    created_at = datetime.fromisoformat(metadata["creationTimestamp"])
    conditions = pod.get("status", {}).get("conditions") or []
    ready = next((each for each in conditions if each["type"] == "Ready" and each["status"] == "True"), None)
    start = datetime.fromisoformat(ready["lastTransitionTime"]) - created_at if ready else None
    return PodShown(
        name=metadata["name"],
        state="draining" if metadata.get("deletionTimestamp") else "awake" if ready else "waking",
        created_at=created_at,
        start_ms=round(start.total_seconds() * 1000) if start is not None else None,
    )


def _state(pods: Iterable[PodShown]) -> FunctionState:
    there = {pod.state for pod in pods}
    return next((state for state in _MOST_AWAKE_FIRST if state in there), "asleep")
