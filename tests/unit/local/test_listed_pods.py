"""The stand-in lists pods as the Kubernetes API does, chosen by labels and namespace."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from knative.local.kubernetes_api import KubernetesApi
from knative.local.web import WebServer

PODS: list[dict[str, Any]] = [
    {"metadata": {"name": name, "namespace": namespace, "labels": labels}}
    for name, namespace, labels in (
        ("a", "default", {"part-of": "taskmaster", "app": "a"}),
        ("b", "default", {"part-of": "taskmaster", "app": "b"}),
        ("c", "default", {"part-of": "another"}),
        ("d", "elsewhere", {"part-of": "taskmaster"}),
    )
]


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    server = WebServer(KubernetesApi([], lambda: PODS))
    yield f"http://127.0.0.1:{server.port}/api/v1/namespaces/default/pods"
    server.stop()


@pytest.mark.parametrize(
    ("selector", "names"),
    [(None, "abc"), ("part-of=taskmaster", "ab"), ("part-of==taskmaster,app=b", "b"), ("app=none", "")],
)
def test_pods_are_chosen_by_their_labels(api: str, selector: str | None, names: str) -> None:
    answer = requests.get(api, params={"labelSelector": selector} if selector else None, timeout=10).json()
    assert (answer["kind"], answer["apiVersion"]) == ("PodList", "v1")
    assert "".join(each["metadata"]["name"] for each in answer["items"]) == names


@pytest.mark.parametrize("selector", ["app!=a", "app in (a, b)", "app"])
def test_a_selector_that_is_not_known_here_is_refused(api: str, selector: str) -> None:
    answer = requests.get(api, params={"labelSelector": selector}, timeout=10)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_pods_are_listed_and_never_changed(api: str) -> None:
    assert requests.delete(api, timeout=10).status_code == 405
