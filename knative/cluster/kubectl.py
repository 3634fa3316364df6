"""kubectl, as functions: what it prints as data, what it refuses as one sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]


class ClusterError(Exception):
    """kubectl refused, or there is no cluster; the message is a sentence for whoever reads it."""


class Kubectl:
    """Speaks to one namespace of the cluster that KUBECONFIG, or kubectl's context, points at."""

    def __init__(self, namespace: str | None = None, *, environ: Mapping[str, str] = os.environ) -> None:
        if shutil.which("kubectl", path=environ.get("PATH")) is None:
            raise ClusterError("kubectl is not installed: see kubernetes.io/docs/tasks/tools")
        self._environ = dict(environ)
        self.namespace = namespace or self._current_namespace()

    def in_namespace(self, namespace: str) -> Kubectl:
        return Kubectl(namespace, environ=self._environ)

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """What kubectl printed. Raises ClusterError with what it said instead."""
        try:
            done = subprocess.run(
                self._command(*arguments),
                input=stdin, capture_output=True, text=True, check=False, timeout=timeout, env=self._environ,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ClusterError(f"kubectl {' '.join(arguments[:3])}: no answer within {timeout:.0f} s") from None
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def get(self, kind: str, name: str) -> Json | None:
        """One object, or None where there is none."""
        printed = self.run("get", kind, name, "--output=json", "--ignore-not-found")
        return json.loads(printed) if printed.strip() else None

    def all(self, kind: str, *, selector: str = "") -> list[Json]:
        """All objects of a kind, or those of the labels."""
        chosen = [f"--selector={selector}"] if selector else []
        items: list[Json] = json.loads(self.run("get", kind, "--output=json", *chosen))["items"]
        return items

    def apply(self, *objects: Json) -> None:
        """Create or change objects."""
        self.run("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def watch(self, kind: str, *, selector: str = "", seen: Callable[[str, Json], None]) -> Watch:
        """Call `seen` with ADDED, MODIFIED or DELETED and the object, beginning with what is there, until stopped."""
        chosen = [f"--selector={selector}"] if selector else []
        command = self._command("get", kind, "--watch", "--output-watch-events", "--output=json", *chosen)
        return Watch(command, self._environ, seen)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A kubectl that goes on, such as port-forward, in a process group of its own; for the caller to end."""
        return subprocess.Popen(
            self._command(*arguments),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self._environ, start_new_session=True,
        )  # fmt: skip

    def _command(self, *arguments: str) -> list[str]:
        return ["kubectl", f"--namespace={self.namespace}", *arguments]

    def _current_namespace(self) -> str:
        command = ["kubectl", "config", "view", "--minify", "--output=jsonpath={..namespace}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environ)
        if done.returncode:
            raise ClusterError("kubectl knows no cluster: set KUBECONFIG, or choose one of kubectl config get-contexts")
        return done.stdout.strip() or "default"


class Watch:
    """A `kubectl get --watch` that is started anew whenever the API server ends it."""

    def __init__(self, command: Iterable[str], environ: Mapping[str, str], seen: Callable[[str, Json], None]) -> None:
        self._command = list(command)
        self._environ = environ
        self._seen = seen
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="kubectl-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=self._environ, start_new_session=True,
            )  # fmt: skip
            with self._process as process:
                assert process.stdout is not None
                for event in _objects(process.stdout.fileno()):
                    self._seen(event["type"], event["object"])
            self._stopping.wait(1)


def _objects(descriptor: int) -> Iterable[Json]:
    """JSON objects out of a stream in which one follows another, each as soon as it is whole."""
    decoder, pending = json.JSONDecoder(), ""
    while block := os.read(descriptor, 1 << 20):
        pending += block.decode(errors="replace")
        while pending := pending.lstrip():
            try:
                found, end = decoder.raw_decode(pending)
            except ValueError:
                break
            pending = pending[end:]
            yield found
