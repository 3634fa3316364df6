"""The cluster that kubectl points at, with the chart installed on it for this run; what was made here goes again."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from knative.cluster import ingress
from knative.cluster.ingress import Ingress
from knative.cluster.kubectl import Json, Kubectl
from knative.cluster.pods import PodWatch
from knative.cluster.sources import KIND, KafkaSources, has_controller
from tests.cluster import images
from tests.cluster.one_address import OneAddress, one_address
from tests.cluster.person import Person
from tests.cluster.release import Helm
from tests.cluster.surroundings import OnKafka, on_kafka

NAMESPACE = os.environ.get("TEST_NAMESPACE", "taskmaster-test")
ON_FUNCTIONS_FRAMEWORK = "update-task"  # the others run waitress, the chart's default
Tell = Callable[[RenderableType], None]


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskmaster-cluster-") as made:
        yield Path(made)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Say something to whoever reads the run: figures, not verdicts."""
    console = Console(highlight=False, width=min(Console().width, 120))

    def say(what: RenderableType) -> None:
        with capsys.disabled():
            console.print(what)

    return say


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    """In a namespace of its own that enforces restricted Pod Security. It goes when all is over."""
    here = Kubectl(NAMESPACE)
    with Made(here, {"pod-security.kubernetes.io/enforce": "restricted"}):
        yield here


@pytest.fixture(scope="session")
def address(directory: Path) -> Iterator[OneAddress]:
    with one_address(directory / "identity-key.pem") as served:
        yield served


@pytest.fixture(scope="session")
def around(kubectl: Kubectl, directory: Path) -> Iterator[OnKafka]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with on_kafka(kubectl, directory) as running:
        kubectl.apply(*running.objects())
        yield running
        # While the broker is there: a real controller deletes the consumer group with each of them.
        kubectl.run("delete", KIND, "--all", "--timeout=60s")


@pytest.fixture(scope="session")
def pods(kubectl: Kubectl) -> Iterator[PodWatch]:
    with PodWatch(kubectl) as watch:
        yield watch


@pytest.fixture(scope="session")
def helm(kubectl: Kubectl, around: OnKafka, pods: PodWatch, address: OneAddress, directory: Path) -> Helm:
    """The release, installed."""
    release = Helm(NAMESPACE, directory / "values.json")
    repository, _, tag = images.ours().rpartition(":")
    release.install(
        {
            **around.values(),
            "image": {"repository": repository, "tag": tag},
            "settings": {**address.settings(), "WEBHOOK_ALLOW": f"{around.address}/32", "PACK_VIEWERS": "ada"},
            "functions": {ON_FUNCTIONS_FRAMEWORK: {"server": "functions-framework"}},
            # The receiver of the webhooks listens on this machine, at a port that is known only later.
            "networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": f"{around.address}/32"}}]}]},
        }
    )
    return release


@pytest.fixture(scope="session")
def way_in(kubectl: Kubectl) -> Iterator[Ingress]:
    with ingress.found(kubectl) as found:
        yield found


@pytest.fixture(scope="session")
def person(kubectl: Kubectl, helm: Helm, way_in: Ingress, address: OneAddress) -> Person:
    ada = Person(kubectl, way_in, address.provider.token("ada", seconds=7200))
    address.leads_to(way_in, ada.host)
    return ada


@pytest.fixture(scope="session")
def sources(kubectl: Kubectl, helm: Helm, way_in: Ingress) -> Iterator[KafkaSources | None]:
    """Records are delivered while this lives: by the cluster, or where it has no controller for that, from here."""
    if has_controller(kubectl):
        yield None
        return
    with ExitStack() as stack:
        delivering = stack.enter_context(KafkaSources(kubectl, way_in.sink))
        delivering.wait_until_consuming()
        yield delivering


@pytest.fixture(scope="session")
def hello(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A hello world beside ours, in a namespace of its own: the same resources, the same window."""
    here = kubectl.in_namespace(f"{NAMESPACE}-hello")
    with Made(here, {}):
        here.apply(_hello_world(images.hello()))
        here.run("wait", "ksvc/hello", "--for=condition=Ready", "--timeout=120s")
        yield here


def _hello_world(image: str) -> Json:
    annotations = {
        "autoscaling.knative.dev/window": "6s",
        "queue.sidecar.serving.knative.dev/cpu-resource-request": "10m",
        "queue.sidecar.serving.knative.dev/memory-resource-request": "32Mi",
    }
    resources = {"requests": {"cpu": "25m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}
    container = {"image": image, "resources": resources}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello"},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}},
    }


class Made:
    """A namespace while the context is entered; one that an earlier run left goes first."""

    def __init__(self, kubectl: Kubectl, labels: dict[str, str]) -> None:
        self._kubectl = kubectl
        self._labels = labels

    def __enter__(self) -> None:
        self._remove()
        name = self._kubectl.namespace
        labels = {"app.kubernetes.io/part-of": "taskmaster-test", **self._labels}
        self._kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for _ in range(50):  # what is made in a namespace needs its account
            if self._kubectl.get("serviceaccount", "default"):
                return
            time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        # A request that runs the dispatch loop may take its whole time-out, and the pod with it.
        self._kubectl.run(
            "delete", "namespace", self._kubectl.namespace, "--ignore-not-found", "--timeout=360s", timeout=400
        )
