"""`make demo-cluster`: the functions of the cluster that kubectl points at, woken from zero and back at zero, live.

Somebody uses them through Kafka: a Job in their namespace, with their own image and settings. On leaving, by the end of
the story or by Ctrl-C, the Job goes and what remains is said.
"""

from __future__ import annotations

import json
import logging
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from knative.cluster import ingress
from knative.cluster.kubectl import ClusterError, Json, Kubectl
from knative.cluster.pods import PodWatch
from knative.cluster.report import lives
from knative.cluster.sources import KafkaSources, has_controller
from knative.cluster.view import View

_SERVICES = "services.serving.knative.dev"
_PART_OF = "app.kubernetes.io/part-of=taskmaster"
_JOB = "taskmaster-demo"
_TICK = 0.2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--namespace", "-n", default=None, help="Where the chart is installed; kubectl's current one unless given."
)
@click.option("--pace", default=4.0, show_default=True, help="Seconds between two steps of the story.")
def main(namespace: str | None, pace: float) -> None:
    """Show the functions of a cluster waking from zero pods and going back there."""
    console = Console(highlight=False)
    logging.disable(logging.CRITICAL)
    try:
        run(Kubectl(namespace), console, pace=pace)
    except ClusterError as error:
        console.print(f"[bold red]No demo:[/] {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def run(kubectl: Kubectl, console: Console, *, pace: float) -> None:
    """The whole demo. Raises ClusterError for a cluster on which it cannot be shown."""
    functions = _functions(kubectl)
    console.print(f"[bold]taskmaster functions[/bold] in namespace {kubectl.namespace}: {len(functions)} of them")
    player = f"demo-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        pods = stack.enter_context(PodWatch(kubectl))
        stack.enter_context(_delivery(kubectl, console))
        view = stack.enter_context(View(console, pods.ledger, functions))
        begun = datetime.now(UTC)
        try:
            _until_zero(view, pods, "waiting until nothing runs")
            begun = datetime.now(UTC)
            with _playing(kubectl, functions["create-task"], player, pace) as said:
                _follow(view, said, kubectl)
            _until_zero(view, pods, "the story is over: one function after the other goes back to zero")
        finally:
            view.refresh()
            stack.pop_all().close()
            _conclude(console, kubectl, pods, begun, player)


def _functions(kubectl: Kubectl) -> dict[str, Json]:
    services = {each["metadata"]["name"]: each for each in kubectl.all(_SERVICES, selector=_PART_OF)}
    if "create-task" not in services:
        raise ClusterError(
            f"the namespace {kubectl.namespace} has no taskmaster: install the chart helm/taskmaster, or name its "
            "namespace: make demo-cluster NAMESPACE=..."
        )
    for name, service in services.items():
        conditions = {each["type"]: each for each in service.get("status", {}).get("conditions", [])}
        if conditions.get("Ready", {}).get("status") != "True":
            why = conditions.get("Ready", {}).get("message", "")
            raise ClusterError(f"{name} is not Ready: {why or 'Knative has not said why'}")
    return services


@contextmanager
def _delivery(kubectl: Kubectl, console: Console) -> Iterator[None]:
    """Records reach the functions: by the cluster's own KafkaSource, or where it has none, from here."""
    if has_controller(kubectl):
        yield
        return
    console.print("This cluster has no controller for KafkaSource: records are delivered from here, as one would.")
    with ingress.found(kubectl) as way_in, KafkaSources(kubectl, way_in.sink) as sources:
        sources.wait_until_consuming()
        yield


@contextmanager
def _playing(kubectl: Kubectl, service: Json, user: str, pace: float) -> Iterator[subprocess.Popen[str]]:
    """The Job while it is needed; what it says comes from the process."""
    kubectl.run("delete", "job", _JOB, "--ignore-not-found", "--wait")
    kubectl.apply(_job(service, user, pace))
    process = None
    try:
        kubectl.run(
            "wait", "pod", f"--selector=job-name={_JOB}", "--for=jsonpath={.status.phase}=Running", "--timeout=60s"
        )
        process = kubectl.start("logs", f"job/{_JOB}", "--follow")
        yield process
    finally:
        if process is not None:
            process.terminate()
        kubectl.run("delete", "job", _JOB, "--ignore-not-found", "--wait=false")


def _job(service: Json, user: str, pace: float) -> Json:
    """The pod of a function, with another program in it."""
    pod: Json = service["spec"]["template"]["spec"]
    container = {
        key: value for key, value in pod["containers"][0].items() if key not in ("ports", "readinessProbe", "name")
    }
    container |= {
        "name": "player",
        "command": ["python3", "-c", (Path(__file__).parent / "player.py").read_text()],
        "env": [{"name": "DEMO_USER", "value": user}, {"name": "DEMO_PACE", "value": str(pace)}],
    }
    kept = {key: pod[key] for key in ("volumes", "imagePullSecrets", "nodeSelector", "tolerations") if key in pod}
    template: Json = {
        "spec": {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container], **kept}
    }
    labels = {"app.kubernetes.io/name": _JOB}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _JOB, "labels": labels},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 900, "ttlSecondsAfterFinished": 60, "template": template},
    }


def _follow(view: View, said: subprocess.Popen[str], kubectl: Kubectl) -> None:
    """Show what the player says until it is done. Raises ClusterError if it came to grief."""
    lines: list[dict[str, Any]] = []
    unreadable: list[str] = []

    def read() -> None:
        assert said.stdout is not None
        for line in said.stdout:
            try:
                lines.append(json.loads(line))
            except ValueError:
                unreadable.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    last: dict[str, Any] = {}
    while reader.is_alive() or lines:
        while lines:
            last = lines.pop(0)
            view.say(last["said"], style="red" if last.get("wrong") else "")
        view.refresh()
        time.sleep(_TICK)
    if not last.get("tidy"):
        raise ClusterError(
            last.get("said") or "".join(unreadable[-5:]).strip() or "the player said nothing: see its pod"
        )


def _until_zero(view: View, pods: PodWatch, what: str) -> None:
    if pods.ledger.living():
        view.say(what)
    while pods.ledger.living():
        view.refresh()
        time.sleep(_TICK)


def _conclude(console: Console, kubectl: Kubectl, pods: PodWatch, begun: datetime, user: str) -> None:
    until = datetime.now(UTC)
    console.print()
    console.print(lives(pods.ledger, since=begun, until=until))
    functions = len(kubectl.all(_SERVICES, selector=_PART_OF))
    kept = functions * (until - begun).total_seconds()
    console.print(f"Kept warm, {functions} functions would have been {kept:,.0f} pod-seconds in that time.")
    console.print(f"The Job {_JOB} is gone. Whatever the story did not get to delete belongs to user {user}.")
    if left := pods.ledger.living():
        console.print(f"Still on their way to zero: {', '.join(sorted({life.function for life in left}))}.")


if __name__ == "__main__":
    main()
