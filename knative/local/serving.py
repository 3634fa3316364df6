"""Serving: every function by name, asleep until somebody calls, with the environment its manifest asks for.

Usable alone, with any command:

    with Serving([Service(name="hello", container=Container(command=("python", "-m", "hello")))], cwd=here) as serving:
        serving.handle("hello", Request("GET", "/", []))
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import urllib3

from knative.local.pod import Pod, Request, Response, UnavailableError
from knative.local.pod_manifest import pod_manifest, revision_of
from knative.local.processes import base_environment
from knative.local.report import FunctionReport
from knative.local.resources import Container, Service, service_of
from knative.local.revision import Launcher, Revision
from knative_delivery.sink import Answer, HttpSink, NoAnswerError

_SWEEP_SECONDS = 0.25


def command_of(container: Container) -> list[str]:
    """The container's command, with the Python of this virtual environment for the image's."""
    program, *arguments = container.command
    return [sys.executable if program in {"python", "python3"} else program, *arguments]


def environment_of(
    container: Container, sources: Mapping[str, Mapping[str, str]], extra: Mapping[str, str]
) -> dict[str, str]:
    """What a container finds in its environment: env wins over envFrom, as in Kubernetes."""
    environment = {**base_environment(), **extra}
    for name in container.env_from:
        environment.update(sources.get(name, {}))
    return {**environment, **container.env}


class Serving:
    """Runs the Services until `stop`.

    `sources` holds the content of Secrets and ConfigMaps by name, `env` what every pod gets besides. `on_line` is
    called with a function's name and each line it writes.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        cwd: Path,
        sources: Mapping[str, Mapping[str, str]] | None = None,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str, str], None] = lambda name, line: None,
    ) -> None:
        self._cwd = cwd
        self._sources = sources or {}
        self._env = env or {}
        self._on_line = on_line
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._revisions = {
            service.name: Revision(service, self._launcher(service), on_wake=self._awake.set) for service in services
        }
        self._autoscaler = threading.Thread(target=self._autoscale, name="autoscaler", daemon=True)
        self._autoscaler.start()

    def __enter__(self) -> Serving:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __contains__(self, name: str) -> bool:
        return name in self._revisions

    def service(self, name: str) -> Service:
        return self._revisions[name].service

    def handle(self, name: str, request: Request, timeout: float | None = None) -> Response:
        """Answer through the function. UnavailableError has the sentence and the status for the caller."""
        if name not in self._revisions:
            raise UnavailableError(f"there is no function {name}", 404)
        return self._revisions[name].handle(request, timeout)

    def pods(self, name: str) -> list[Pod]:
        return self._revisions[name].pods()

    def pod_manifests(self) -> list[dict[str, Any]]:
        """Every pod there is, as the Kubernetes API shows it."""
        return [pod_manifest(each.service, pod) for each in self._revisions.values() for pod in each.pods()]

    def report(self) -> dict[str, FunctionReport]:
        return {name: revision.statistics.report() for name, revision in self._revisions.items()}

    def renew(self) -> None:
        """The code has changed: drain every pod; the next request starts the new code."""
        for revision in self._revisions.values():
            revision.renew()

    def stop(self, grace: float | None = None) -> None:
        """Drain all functions side by side, and return when no process is left.

        A request gets `grace` seconds to end: its Service's timeoutSeconds unless given.
        """
        self._stopping.set()
        self._awake.set()
        self._autoscaler.join()
        with ThreadPoolExecutor(max(len(self._revisions), 1)) as pool:
            list(pool.map(lambda revision: revision.stop(grace), self._revisions.values()))

    def _launcher(self, service: Service) -> Launcher:
        def launch(on_exit: Callable[[Pod], None]) -> Pod:
            # What Knative itself adds (runtime contract), and the loopback alone to listen on.
            own = {
                "K_SERVICE": service.name,
                "K_CONFIGURATION": service.name,
                "K_REVISION": revision_of(service),
                "HOST": "127.0.0.1",
            }
            return Pod(
                service.name,
                command_of(service.container),
                env=environment_of(service.container, self._sources, {**self._env, **own}),
                cwd=self._cwd,
                on_line=lambda line: self._on_line(service.name, line),
                on_exit=on_exit,
            )

        return launch

    def _autoscale(self) -> None:
        while not self._stopping.is_set():
            for revision in self._revisions.values():
                revision.sweep()
            if any(revision.pods() for revision in self._revisions.values()):
                self._stopping.wait(_SWEEP_SECONDS)
            else:
                # Everything sleeps, and so does the autoscaler.
                self._awake.clear()
                self._awake.wait(1)


class ClusterSink:
    """The sink of every source: hosts inside the cluster lead to the functions, all others out over the network."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._network = HttpSink()

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        address = urlsplit(url)
        name = service_of(address.netloc)
        if name is None:
            return self._network(url, headers, body, timeout)
        request = Request(
            "POST",
            address.path or "/",
            [("host", address.netloc), ("content-length", str(len(body))), *headers.items()],
            body,
        )
        try:
            response = self._serving.handle(name, request, timeout)
            return Answer(response.status, {key.lower(): value for key, value in response.headers}, response.read())
        except UnavailableError as error:
            return Answer(error.status, {}, str(error).encode())
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(f"{name}: {error}") from error
