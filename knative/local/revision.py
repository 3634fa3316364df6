"""A function's pods: made when requests wait, shared by containerConcurrency, ended when nobody has called for a while.

This is Knative's activator and autoscaler for one revision: requests wait here while a pod starts; there are as many
pods as the requests under way need, up to max-scale; a pod that has had nothing to do for the window is drained.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from knative.local.pod import Pod, Request, Response, UnavailableError
from knative.local.report import Statistics
from knative.local.resources import Service

_logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
_ENDING_SECONDS = 5.0  # of a process that is given less for its requests: to publish what it has committed
# Without a limit on the requests of a pod, Knative adds pods by this many (container-concurrency-target-default).
_SOFT_TARGET = 100

Launcher = Callable[[Callable[[Pod], None]], Pod]


class Revision:
    """The running side of one Service. `launch` starts a pod's process and is told what to call when that exits."""

    def __init__(self, service: Service, launch: Launcher, *, on_wake: Callable[[], None] = lambda: None) -> None:
        self.service = service
        self.statistics = Statistics()
        self._launch = launch
        self._on_wake = on_wake
        self._changed = threading.Condition()
        self._pods: list[Pod] = []
        self._draining: list[Pod] = []
        self._waiting = 0
        # How many starts have failed, the last failure, and whether nothing has started since.
        self._failures = 0
        self._last_failure = UnavailableError("")
        self._broken = False
        self._stopping = False

    def handle(self, request: Request, timeout: float | None = None) -> Response:
        """Answer through a pod, started if need be. UnavailableError says why there is no answer.

        `timeout` (seconds) limits the wait for a pod and the function's answer together; the Service's own
        timeoutSeconds limits the answer.
        """
        arrived = time.monotonic()
        deadline = arrived + (timeout if timeout is not None else _START_SECONDS)
        pod, cold = self._acquire(deadline)
        limit = self.service.timeout.total_seconds()
        if timeout is not None:
            limit = min(limit, max(deadline - time.monotonic(), 0.001))
        try:
            response = pod.request(request, limit)
        except BaseException:
            self._release(pod)
            raise
        self.statistics.invoked(time.monotonic() - arrived, cold=cold)
        return self._until_closed(response, pod)

    def pods(self) -> list[Pod]:
        """Every process there is: starting, serving and draining."""
        with self._changed:
            return [*self._pods, *self._draining]

    def sweep(self) -> None:
        """Drain the pods that have been idle for the window; keep min-scale alive."""
        now, window = time.monotonic(), self.service.window.total_seconds()
        with self._changed:
            idle = [p for p in self._pods if p.ready and not p.in_flight and now - p.last_used >= window]
            spare = len(self._pods) - self.service.min_scale
            for pod in list(reversed(idle))[: max(spare, 0)]:
                self._drain(pod)
            if not self._stopping and not self._broken:
                for _ in range(self.service.min_scale - len(self._pods)):
                    self._start()

    def renew(self) -> None:
        """Drain every pod, so that the next request starts new ones: the code has changed."""
        with self._changed:
            self._broken = False
            for pod in list(self._pods):
                self._drain(pod)

    def stop(self, grace: float | None = None) -> None:
        """Refuse new requests, drain all pods and wait until they are gone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            for pod in list(self._pods):
                self._drain(pod, grace)
            self._changed.wait_for(lambda: not self._draining)

    def _acquire(self, deadline: float) -> tuple[Pod, bool]:
        """A pod with a free slot, which is taken; and whether it had to be waited for while it started."""
        cold = False
        with self._changed:
            self._waiting += 1
            failures = self._failures
            try:
                while True:
                    if self._stopping:
                        raise UnavailableError(f"{self.service.name} is shutting down")
                    if pod := self._with_free_slot():
                        pod.in_flight += 1
                        return pod, cold
                    if self._failures > failures and not any(pod.ready for pod in self._pods):
                        raise self._last_failure
                    self._scale_up()
                    cold = cold or not any(pod.ready for pod in self._pods)
                    if not self._changed.wait(deadline - time.monotonic()):
                        raise UnavailableError(f"{self.service.name} has no free pod: all are busy or starting")
            finally:
                self._waiting -= 1

    def _with_free_slot(self) -> Pod | None:
        """The first pod with room: filling the oldest lets the youngest fall idle."""
        limit = self.service.container_concurrency or math.inf
        return next((pod for pod in self._pods if pod.ready and pod.in_flight < limit), None)

    def _scale_up(self) -> None:
        demand = self._waiting + sum(pod.in_flight for pod in self._pods)
        wanted = math.ceil(demand / (self.service.container_concurrency or _SOFT_TARGET))
        if self.service.max_scale:
            wanted = min(wanted, self.service.max_scale)
        for _ in range(wanted - len(self._pods)):
            self.statistics.cold_start()
            self._start()

    def _start(self) -> None:
        try:
            pod = self._launch(self._exited)
        except OSError as error:
            raise UnavailableError(f"{self.service.name} cannot be started: {error}") from None
        self._pods.append(pod)
        self._count()
        self._on_wake()
        threading.Thread(target=self._await_ready, args=(pod,), name=f"{pod.name}-start", daemon=True).start()

    def _await_ready(self, pod: Pod) -> None:
        try:
            pod.wait_until_ready(_START_SECONDS)
        except UnavailableError as error:
            with self._changed:
                if pod not in self._pods:
                    return  # drained before it was ready
                self._failures += 1
                self._last_failure = error
                self._broken = True
                self._forget(pod)
            pod.stop(grace=0)
            _logger.error("%s", str(error).splitlines()[0])
            return
        with self._changed:
            pod.ready_at = datetime.now(UTC)
            pod.last_used = time.monotonic()
            self._broken = False
            self._changed.notify_all()

    def _release(self, pod: Pod) -> None:
        with self._changed:
            pod.in_flight -= 1
            pod.last_used = time.monotonic()
            self._changed.notify_all()

    def _until_closed(self, response: Response, pod: Pod) -> Response:
        """The slot is taken until the body has been read, or given up."""
        released = threading.Event()

        def close() -> None:
            if not released.is_set():
                released.set()
                response.close()
                self._release(pod)

        return Response(response.status, response.headers, response.body, close, response.interrupt)

    def _drain(self, pod: Pod, grace: float | None = None) -> None:
        self._pods.remove(pod)
        pod.deleted_at = datetime.now(UTC)
        self._draining.append(pod)
        self._changed.notify_all()
        threading.Thread(target=self._end, args=(pod, grace), name=f"{pod.name}-drain", daemon=True).start()

    def _end(self, pod: Pod, grace: float | None) -> None:
        limit = self.service.timeout.total_seconds()
        with self._changed:
            self._changed.wait_for(lambda: not pod.in_flight, limit if grace is None else grace)
        pod.stop(limit if grace is None else max(grace, _ENDING_SECONDS))
        with self._changed:
            self._forget(pod)

    def _exited(self, pod: Pod) -> None:
        """A process has ended: by our doing, or by its own."""
        with self._changed:
            if pod in self._pods and pod.ready:
                _logger.error("%s: a pod died (process %d); the next request starts another", pod.name, pod.pid)
                self._forget(pod)

    def _forget(self, pod: Pod) -> None:
        for pods in (self._pods, self._draining):
            if pod in pods:
                pods.remove(pod)
        self._count()
        self._changed.notify_all()

    def _count(self) -> None:
        self.statistics.pods(len(self._pods) + len(self._draining))
