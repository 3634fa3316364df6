"""Dapr as the platform's carrier of events: made with a broker, and started in the place of its KafkaSources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from knative.local import inside, taskmaster_setup
from knative.local.dapr.side import REDIS, DaprSide
from knative.local.resources import Container, KafkaSource
from knative.local.secrets import Passwords, Secrets
from knative.local.serving import Serving, command_of
from knative.local.web import WebServer


class DaprCarrier:
    """Dapr on the Kafka at `bootstrap_servers`, or on Redis: the one that `environ` names, or one of its own."""

    def __init__(
        self,
        broker: str,
        *,
        state: Path,
        passwords: Passwords,
        environ: Mapping[str, str],
        bootstrap_servers: str,
        on_line: Callable[[str, str], None],
    ) -> None:
        self._bootstrap_servers = "" if broker == REDIS else bootstrap_servers
        self._has_jobs = taskmaster_setup.has_jobs(environ)
        self.side = DaprSide(
            state=state,
            passwords=passwords,
            kafka=self._bootstrap_servers,
            redis_url=environ.get(taskmaster_setup.RUNNING_REDIS, "") if broker == REDIS else "",
            has_jobs=self._has_jobs,
            on_line=on_line,
        )

    @property
    def replaced_ping_source(self) -> str:
        """The PingSource that a job is in the place of, or ''."""
        return taskmaster_setup.ALARMS_SOURCE if self._has_jobs else ""

    def secrets(self) -> Secrets:
        """What the functions are told of it."""
        return taskmaster_setup.dapr_secrets(
            url=self.side.url,
            token=self.side.api_token,
            kafka=self._bootstrap_servers,
            redis_url=self.side.redis_url,
            alarm=taskmaster_setup.DAPR_JOBS if self._has_jobs else "",
        )

    def start(self, sources: Sequence[KafkaSource], serving: Serving, *, cwd: Path, running: ExitStack) -> None:
        """Deliver the events of these sources to the functions, until `running` ends: before the functions do."""
        server = WebServer(inside.Inside(serving, self.side.event_token), threads=inside.THREADS, limits=inside.LIMITS)
        running.callback(server.stop)
        running.callback(self.side.stop_delivering)
        bridge = command_of(Container(command=taskmaster_setup.BRIDGE))
        self.side.start(sources, bridge=bridge, cwd=cwd, gateway=f"http://127.0.0.1:{server.port}")
