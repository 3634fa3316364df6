"""The whole platform on one machine: database, broker, and Knative's part of it, from the manifests of a project.

    with Platform(root=Path(".")) as platform:
        requests.get(f"{platform.url}/...", headers={"Authorization": f"Bearer {platform.token('ada')}"})

Variables of the environment may name a database and a broker that run already, to use instead of the embedded ones.
taskmaster_setup.py has their names, and everything else that concerns the functions and not Knative.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from knative.local import backing, jobs, manifests, taskmaster_setup
from knative.local.clock import Clock, duration
from knative.local.dapr.carrier import DaprCarrier
from knative.local.dapr.side import KNATIVE
from knative.local.fetch_pace import FetchPace
from knative.local.gateway import Gateway
from knative.local.identity_provider import IdentityProvider
from knative.local.kafka_source import KafkaSourceAdapter
from knative.local.kubernetes_api import KubernetesApi
from knative.local.logs import LogStream
from knative.local.ping_source import PingSourceAdapter
from knative.local.pod import Pod
from knative.local.processes import free_port
from knative.local.report import FunctionReport
from knative.local.secrets import Secrets
from knative.local.serving import ClusterSink, Serving
from knative.local.watch import watching
from knative.local.web import LOOPBACK, Gate, WebServer

_logger = logging.getLogger(__name__)

# In the folder of the state: what else runs there needs them.
IDENTITY_KEY = "identity-key.pem"
ENVIRONMENT = "environment.json"

# Of these, some stay free for the identity provider, which a function that starts asks, and for who looks at the state.
_GATEWAY_THREADS, _FORWARDED_AT_ONCE = 256, 240
_DRAIN_SECONDS = 5.0
# The embedded broker allows any; Apache Kafka and Redpanda refuse less than six (group.min.session.timeout.ms).
_EMBEDDED_SESSION_SECONDS = 4.0
_SESSION_SECONDS = 6.0


class Platform:
    """Runs from `start` (or entering the context) to `stop`.

    `port` 0 takes a free port. `host` is the address that it listens on. `state` is where the database, the passwords
    and the clock's file lie: `.local` in the project unless given. `broker` is one of BROKERS. `session_timeout`
    (seconds) is that of the consumer groups, as short as the broker allows unless given: joining takes half of it.
    `viewer` is the user who sees the pack at work.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int = 0,
        host: str = LOOPBACK,
        state: Path | None = None,
        logs: LogStream | None = None,
        environ: Mapping[str, str] = os.environ,
        broker: str = KNATIVE,
        watch: bool = True,
        commit_interval: float = 5.0,
        session_timeout: float | None = None,
        viewer: str = "",
    ) -> None:
        self._root = root.resolve()
        self._port, self._host = port, host
        self._state = (state or self._root / ".local").resolve()
        self._on_line = logs.line if logs else lambda name, line: None
        self._environ = environ
        self.broker = broker
        self._watch = watch
        self._commit_interval = commit_interval
        self._session_timeout = session_timeout
        self._viewer = viewer
        self._running = contextlib.ExitStack()
        self._secrets: Secrets = {}
        self._provider: IdentityProvider
        self._serving: Serving
        self._sources: list[KafkaSourceAdapter] = []
        self._pings: list[PingSourceAdapter] = []
        self._dapr: DaprCarrier | None = None
        self.clock: Clock

    def __enter__(self) -> Platform:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when requests are answered and records are about to be; what goes wrong has said why."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Drain the sources, then the functions, then end the gateway, the broker and the database."""
        self._running.close()

    @property
    def url(self) -> str:
        """The REST address."""
        return f"http://localhost:{self._port}"

    @property
    def bootstrap_servers(self) -> str:
        """Of Kafka; '' on Redis."""
        return taskmaster_setup.bootstrap_servers(self._secrets)

    @property
    def redis_url(self) -> str:
        """'' on Kafka."""
        return taskmaster_setup.redis_url(self._secrets)

    @property
    def daprd(self) -> tuple[str, str]:
        """The address and the token of daprd; two empty texts where there is none."""
        return taskmaster_setup.daprd_settings(self._secrets)

    @property
    def database_urls(self) -> dict[str, str]:
        """By login: owner, user, system."""
        return taskmaster_setup.database_urls(self._secrets)

    def secret(self, name: str) -> dict[str, str]:
        """The content of a Secret as the functions get it."""
        return self._secrets[name]

    def token(self, user: str, *, seconds: float = 3600) -> str:
        """An access token of the identity provider for this user. Raises ValueError for what is no user."""
        return self._provider.token(user, seconds=seconds)

    def link(self, user: str) -> str:
        """An address of the page that signs this user in. Raises ValueError for what is no user."""
        return self._provider.link(user)

    def pods(self, function: str) -> list[Pod]:
        """The function's processes: starting, serving and draining."""
        return self._serving.pods(function)

    def report(self) -> dict[str, FunctionReport]:
        return self._serving.report()

    def travel(self, by: timedelta) -> datetime:
        """Move business time; returns what it is now."""
        now = self.clock.travel(by)
        _logger.info("business time is now %s", now.isoformat(timespec="seconds"))
        return now

    def wait_for_zero(self, timeout: float) -> bool:
        """Whether every function is at zero pods before `timeout` seconds are over."""
        return self._wait(timeout, lambda: not any(self.pods(name) for name in self.report()))

    def wait_until_consuming(self, timeout: float) -> bool:
        """Whether every KafkaSource has its partitions before `timeout` seconds are over."""
        return self._wait(timeout, lambda: all(source.assigned.is_set() for source in self._sources))

    def status(self) -> dict[str, Any]:
        """What /-/status answers: no secrets in it."""
        return {
            "url": self.url,
            "broker": self.broker,
            "bootstrap_servers": self.bootstrap_servers,
            "dapr": self._dapr.side.status() if self._dapr else {},
            "business_time": self.clock.now().isoformat(),
            "clock_offset_seconds": self.clock.offset.total_seconds(),
            "functions": {
                name: {
                    "pods": [
                        {"pid": pod.pid, "port": pod.port, "ready": pod.ready, "in_flight": pod.in_flight}
                        for pod in self.pods(name)
                    ],
                    **report.as_dict(),
                }
                for name, report in self.report().items()
            },
            "kafka_sources": {adapter.source.name: dict(adapter.dispatcher.counts) for adapter in self._sources},
            "ping_sources": {
                ping.source.name: {"schedule": ping.source.schedule, "ticks": ping.ticks} for ping in self._pings
            },
        }

    def _start(self) -> None:
        found = manifests.read(self._root / "knative", self._root / "eventing")
        # The port first: to learn after half a minute that it is taken would be a pity.
        gate = Gate()
        web = WebServer(gate, host=self._host, port=self._port, threads=_GATEWAY_THREADS)
        self._running.callback(web.stop)
        self._port = web.port
        self._state.mkdir(parents=True, exist_ok=True)
        self.clock = Clock(self._state / "clock-offset")
        self.clock.reset()
        self._provider = taskmaster_setup.identity_provider(self._state / IDENTITY_KEY, issuer=self.url)
        below = backing.started(
            self.broker, state=self._state, environ=self._environ, on_line=self._on_line, running=self._running
        )
        self._dapr = below.dapr
        self._secrets = {**below.secrets, **taskmaster_setup.identity_secret(self._provider)}
        everything = {**found.config_maps, **self._secrets}
        functions = self._root / taskmaster_setup.FUNCTIONS
        api_port = free_port()
        env = taskmaster_setup.settings(
            clock_file=self.clock.file, kubernetes_api=f"http://127.0.0.1:{api_port}", viewer=self._viewer
        )
        self._write_environment()
        jobs.run(found.jobs, cwd=functions, sources=everything, env=env, on_line=self._on_line)

        self._serving = Serving(
            found.services.values(), cwd=functions, sources=everything, env=env, on_line=self._on_line
        )
        self._running.callback(self._serving.stop)
        if self._dapr:
            self._dapr.start(found.kafka_sources, self._serving, cwd=functions, running=self._running)
        gateway = Gateway(
            self._serving,
            found.routes,
            admin=self._administer,
            provider=self._provider,
            forwarded_at_once=_FORWARDED_AT_ONCE,
        )
        gate.open(gateway)

        sink = ClusterSink(self._serving)
        is_embedded = not self._environ.get(taskmaster_setup.RUNNING_BROKER)
        shortest = _EMBEDDED_SESSION_SECONDS if is_embedded else _SESSION_SECONDS
        job = self._dapr.replaced_ping_source if self._dapr else ""
        self._pings = [
            PingSourceAdapter(ping, sink=sink, clock=self.clock) for ping in found.ping_sources if ping.name != job
        ]
        pace = FetchPace()
        self._sources = [
            KafkaSourceAdapter(
                source,
                client=taskmaster_setup.kafka_client(source.net, everything),
                sink=sink,
                pace=pace,
                commit_interval=self._commit_interval,
                session_timeout=self._session_timeout or shortest,
            )
            for source in (() if self._dapr else found.kafka_sources)
        ]
        self._running.callback(WebServer(KubernetesApi(self._pings, self._serving.pod_manifests), port=api_port).stop)
        self._running.callback(self._stop_sources)
        for ping in self._pings:
            ping.start()
        for source in self._sources:
            source.start()
        if self._watch:
            self._running.enter_context(watching(functions, self._serving.renew))

    def _write_environment(self) -> None:
        """For commands that somebody runs beside the functions, with their settings."""
        file = self._state / ENVIRONMENT
        file.touch(mode=0o600)
        file.write_text(json.dumps(taskmaster_setup.commands_environment(self._secrets)))
        self._running.callback(file.unlink, missing_ok=True)

    def _stop_sources(self) -> None:
        adapters: list[PingSourceAdapter | KafkaSourceAdapter] = [*self._pings, *self._sources]
        with ThreadPoolExecutor(max(len(adapters), 1)) as pool:
            stopping = [pool.submit(adapter.stop) for adapter in adapters]
            if wait(stopping, timeout=_DRAIN_SECONDS).not_done:
                self._serving.stop(grace=1)  # a request that waits for something
            for stopped in stopping:
                stopped.result()

    def _administer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]] | None:
        if (method, path) == ("GET", "/-/status"):
            return 200, self.status()
        if (method, path) == ("POST", "/-/travel"):
            try:
                by = duration(json.loads(body)["by"])
                return 200, {"business_time": self.travel(by).isoformat()}
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                return 422, {"title": "Unprocessable", "detail": f'send {{"by": "31d"}}: {error}'}
        return None

    @staticmethod
    def _wait(timeout: float, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True
