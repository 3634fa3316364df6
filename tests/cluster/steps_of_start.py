"""Where a start from zero spends its time, by the processes of the pod, as the kernel of its node has them.

Kubernetes tells moments in whole seconds, and the kubelet when it gets to it. So this needs a cluster whose pods are
processes of this machine, such as kind; elsewhere nothing is told.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from knative.cluster.pods import Life

# Each until the next begins, and the last until the answer.
DECISION = "Knative asks for a pod"
SCHEDULING = "scheduling"
SANDBOX = "sandbox"
CONTAINER = "our container"
QUEUE_PROXY = "queue-proxy's"
ANSWER = "both run, to the answer"
_STEPS = (DECISION, SCHEDULING, SANDBOX, CONTAINER, QUEUE_PROXY, ANSWER)
_TICKS = 100.0  # USER_HZ of Linux, on every processor: the resolution is 10 ms


@dataclass(frozen=True, kw_only=True)
class Start:
    """`steps` are milliseconds by name, in their order; none where they cannot be known."""

    milliseconds: float
    steps: Mapping[str, float]


class _Process(NamedTuple):
    began: float  # Unix time
    name: str


def steps(life: Life, *, begun: datetime, milliseconds: float, root: Path = Path("/proc")) -> dict[str, float]:
    """The steps of the start of a pod that lives, for a call that began then and took so long."""
    processes = _of_pod(life.uid, root)
    pause = [each.began for each in processes if each.name == "pause"]
    queue_proxy = [each.began for each in processes if each.name.endswith("queue")]  # Knative's image, or built anew
    ours = [each.began for each in processes if each.name != "pause" and not each.name.endswith("queue")]
    if not (life.scheduled and pause and queue_proxy and ours):
        return {}
    moments = {
        DECISION: begun.timestamp(),
        SCHEDULING: life.asked.timestamp(),
        SANDBOX: life.scheduled.timestamp(),
        CONTAINER: min(pause),
        QUEUE_PROXY: min(ours),
        ANSWER: min(queue_proxy),
        "": begun.timestamp() + milliseconds / 1000,
    }
    return {name: (end - start) * 1000 for (name, start), (_, end) in pairwise(moments.items())}


def shares(measured: Mapping[str, Sequence[Start]]) -> Table:
    """The median of each step, by what started."""
    table = Table(title="Where a start spends its time, ms (medians)", title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    for what in measured:
        table.add_column(what, justify="right")
    known = [[each.steps for each in starts if each.steps] for starts in measured.values()]
    for name in _STEPS if all(known) else ():
        table.add_row(name, *(f"{statistics.median(each[name] for each in starts):,.0f}" for starts in known))
    return table


def _of_pod(uid: str, root: Path) -> list[_Process]:
    """The processes in the cgroups of a pod: the kubelet writes its uid with hyphens, systemd's driver with lines."""
    if not root.is_dir():  # as on macOS
        return []
    names = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found = []
    for directory in root.glob("[0-9]*"):
        try:
            if not any(name in (directory / "cgroup").read_text() for name in names):
                continue
            name, _, fields = (directory / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        found.append(_Process(booted + int(fields.split()[19]) / _TICKS, name))
    return found
