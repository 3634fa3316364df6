"""Which pods live, since when and how long: what scaling to zero costs, counted in pod-seconds.

A pod counts from when it was asked for until nothing of it is left. One that is told to end lives on for half a minute,
and counts all that time: it holds memory, and on a metered cluster it is paid for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType

from knative.cluster.kubectl import Json, Kubectl

FUNCTION_LABEL = "serving.knative.dev/service"


@dataclass(frozen=True, kw_only=True)
class Life:
    """One pod's: when it was asked for, had a node, answered, was told to end, was gone; None is not yet."""

    pod: str
    uid: str
    function: str
    asked: datetime
    scheduled: datetime | None = None
    ready: datetime | None = None
    told: datetime | None = None
    gone: datetime | None = None

    @property
    def state(self) -> str:
        """starting, ready, leaving or gone."""
        if self.gone:
            return "gone"
        if self.told:
            return "leaving"
        return "ready" if self.ready else "starting"

    def seconds(self, *, since: datetime, until: datetime) -> float:
        """How much of that time it lived."""
        begin, end = max(self.asked, since), min(self.gone or until, until)
        return max(0.0, (end - begin).total_seconds())


class Ledger:
    """The lives of the pods of functions, from what a watch tells; it may tell the same twice."""

    def __init__(self) -> None:
        self._lives: dict[str, Life] = {}
        self._changed = threading.Condition()

    def record(self, event: str, pod: Json, *, at: datetime) -> None:
        """Take one watch event (ADDED, MODIFIED, DELETED) that came at this moment."""
        metadata = pod["metadata"]
        function = metadata.get("labels", {}).get(FUNCTION_LABEL)
        if not function:
            return
        with self._changed:
            life = self._lives.get(metadata["uid"])
            if life is None:
                if event == "DELETED":
                    return
                # Kubernetes says it in whole seconds; the watch told within moments, unless the pod is older than it.
                created = datetime.fromisoformat(metadata["creationTimestamp"])
                asked = at if at - created < timedelta(seconds=1.5) else created
                life = Life(pod=metadata["name"], uid=metadata["uid"], function=function, asked=asked)
            if not life.scheduled and _is(pod, "PodScheduled"):
                life = replace(life, scheduled=at)
            if not life.ready and _is(pod, "Ready"):
                life = replace(life, ready=at)
            if not life.told and metadata.get("deletionTimestamp"):
                life = replace(life, told=at)
            if not life.gone and (event == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed")):
                life = replace(life, gone=at)
            self._lives[metadata["uid"]] = life
            self._changed.notify_all()

    def lives(self, function: str | None = None) -> list[Life]:
        """By the time they were asked for."""
        with self._changed:
            lives = [life for life in self._lives.values() if function in (None, life.function)]
        return sorted(lives, key=lambda life: life.asked)

    def living(self, function: str | None = None) -> list[Life]:
        """Those of which something is left, leaving ones included."""
        return [life for life in self.lives(function) if life.gone is None]

    def serving(self, function: str | None = None) -> list[Life]:
        """Those that are wanted: without those on their way out. None of them is what Knative calls zero."""
        return [life for life in self.living(function) if life.told is None]

    def pod_seconds(self, function: str | None = None, *, since: datetime, until: datetime) -> float:
        return sum(life.seconds(since=since, until=until) for life in self.lives(function))

    def wait_until(self, what: str, condition: Callable[[], bool], *, timeout: float) -> None:
        """Wait until `condition()` is true. Raises TimeoutError that names `what` and whoever lives."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                alive = ", ".join(f"{life.pod} ({life.state})" for life in self.living())
                raise TimeoutError(f"{what}: not within {timeout:.0f} s; pods: {alive or 'none'}")
            with self._changed:
                self._changed.wait(min(left, 0.5))


class PodWatch:
    """Keeps the ledger of a namespace while its context is entered; on entering, what is there is known."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.ledger = Ledger()
        self.since = datetime.now(UTC)
        self._kubectl = kubectl

    def __enter__(self) -> PodWatch:
        now = self.since = datetime.now(UTC)
        for pod in self._kubectl.all("pods", selector=FUNCTION_LABEL):
            self.ledger.record("ADDED", pod, at=now)
        self._watch = self._kubectl.watch(
            "pods",
            selector=FUNCTION_LABEL,
            seen=lambda event, pod: self.ledger.record(event, pod, at=datetime.now(UTC)),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.stop()

    def wait_for_zero(
        self, functions: Iterable[str] | None = None, *, timeout: float = 120, gone: bool = False
    ) -> None:
        """Wait until no pod of these functions (all, unless given) is wanted; with `gone`, until none is left."""
        names: list[str | None] = list(functions) if functions is not None else [None]
        look = self.ledger.living if gone else self.ledger.serving
        self.ledger.wait_until("zero pods", lambda: not any(look(name) for name in names), timeout=timeout)


def _is(pod: Json, condition: str) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
