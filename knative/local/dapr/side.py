"""What stands beside the functions when Dapr carries their events: Redis, the scheduler, the bridge and daprd.

All listen on the loopback alone, on free ports, and ask for a secret that is made up: daprd and the bridge for a token
each, Redis for its password, the way to the functions for the token of events. (The scheduler asks for none, and its
health port listens on all addresses.)
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from knative.local import taskmaster_setup
from knative.local.dapr import commands, components
from knative.local.dapr.kept import Kept
from knative.local.processes import base_environment, free_port, listening
from knative.local.resources import KafkaSource
from knative.local.secrets import Passwords
from knative.local.wheels import EmbeddedError

BROKERS = (KNATIVE, KAFKA, REDIS) = ("kafka", "dapr-kafka", "dapr-redis")
_START_SECONDS = 60.0
_STOP_SECONDS = 8.0
_MAX_BODY = "16Mi"


class DaprSide:
    """Runs between `start` and `stop`. `state` is for Redis, the scheduler, Components and the token of events.

    `kafka` names a broker that runs, `redis_url` a Redis that does; without either a Redis is started. With
    `has_jobs` the scheduler runs too.
    """

    def __init__(
        self,
        *,
        state: Path,
        passwords: Passwords,
        kafka: str = "",
        redis_url: str = "",
        has_jobs: bool = False,
        on_line: Callable[[str, str], None],
    ) -> None:
        self._state = state
        self._kafka = kafka
        self._given_redis = redis_url
        self._has_jobs = has_jobs
        self._on_line = on_line
        self._passwords = passwords
        self._ports = {name: free_port() for name in _PORTS}
        self._running = contextlib.ExitStack()
        self.processes: dict[str, Kept] = {}
        if said := missing(with_redis=not kafka and not redis_url, has_jobs=has_jobs):
            raise EmbeddedError(said)

    @property
    def url(self) -> str:
        """Of daprd's HTTP API."""
        return f"http://127.0.0.1:{self._ports['daprd']}"

    @property
    def api_token(self) -> str:
        return self._passwords["dapr-api-token"]

    @property
    def event_token(self) -> str:
        """What the bridge shows where it brings events to the functions."""
        return self._passwords["event-token"]

    @property
    def redis_url(self) -> str:
        """'' where the events are on Kafka."""
        if self._kafka:
            return ""
        return self._given_redis or f"redis://:{self._passwords['redis']}@127.0.0.1:{self._ports['redis']}/0"

    def start_redis(self) -> None:
        """Start it, where it is ours: before the topics' Job."""
        if self._kafka or self._given_redis:
            return
        directory = self._state / "redis"
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "redis.conf"
        file.touch(mode=0o600)
        file.write_text(
            f"bind 127.0.0.1\nport {self._ports['redis']}\ndir {directory}\n"
            f'requirepass {self._passwords["redis"]}\nsave ""\nappendonly yes\nloglevel warning\n'
        )
        self._run("redis", [_path("redis-server"), file], {})
        self._wait("redis", lambda: listening(self._ports["redis"]))

    def start(self, sources: Sequence[KafkaSource], *, bridge: Sequence[str | Path], cwd: Path, gateway: str) -> None:
        """Start the bridge by its command, and daprd, in the place of these sources; returns when events are delivered.

        `gateway` is where the bridge reaches functions with their internal host. Raises EmbeddedError.
        """
        self._start_bridge(bridge, cwd, gateway)
        if self._has_jobs:
            self._start_scheduler()
        self._start_daprd(sources)

    def stop_delivering(self) -> None:
        """End the bridge: what daprd cannot deliver comes again. Functions may publish still."""
        if bridge := self.processes.get("bridge"):
            bridge.stop(_STOP_SECONDS)

    def stop(self) -> None:
        """End everything that is left, daprd before its brokers."""
        self._running.close()

    def status(self) -> dict[str, dict[str, int | None]]:
        """By process, its id and how often it was started."""
        return {name: {"pid": kept.pid, "starts": kept.starts} for name, kept in self.processes.items()}

    def _start_bridge(self, command: Sequence[str | Path], cwd: Path, gateway: str) -> None:
        token = self._state / "event-token"
        token.touch(mode=0o600)
        token.write_text(self.event_token)
        self._run(
            "bridge",
            command,
            taskmaster_setup.bridge_settings(
                port=self._ports["bridge"],
                app_token=self._passwords["app-api-token"],
                pubsub=components.PUBSUB,
                gateway=gateway,
                token_file=token,
            ),
            cwd=cwd,
        )
        self._wait("bridge", lambda: _status(f"http://127.0.0.1:{self._ports['bridge']}/healthz") == 204)

    def _start_scheduler(self) -> None:
        port = self._ports["scheduler"]
        command = commands.scheduler(
            _path("scheduler"),
            port=port,
            health=self._ports["scheduler-health"],
            etcd=self._ports["etcd"],
            peer=self._ports["etcd-peer"],
            state=self._state / "scheduler",
        )
        self._run("scheduler", command, {})
        self._wait("scheduler", lambda: listening(port))

    def _start_daprd(self, sources: Sequence[KafkaSource]) -> None:
        resources = self._state / "dapr"
        secrets = taskmaster_setup.daprd_tokens(api=self.api_token, app=self._passwords["app-api-token"])
        if self._kafka:
            found = components.kafka(self._kafka, sources)
        else:
            parts = urlsplit(self.redis_url)
            address = f"{parts.hostname}:{parts.port or 6379}"
            found = components.redis(address, sources, has_password=bool(parts.password))
            secrets[components.REDIS_PASSWORD] = parts.password or ""
        config = components.write(resources, found, has_jobs=self._has_jobs)
        more: dict[str, str | int | Path] = {
            "config": config,
            **commands.of_application(self._ports["bridge"]),
            "max-body-size": _MAX_BODY,
            "dapr-graceful-shutdown-seconds": 5,
            "log-level": "warn",
        }
        if self._has_jobs:
            more["scheduler-host-address"] = f"127.0.0.1:{self._ports['scheduler']}"
        command = commands.daprd(
            _path("daprd"),
            app=components.APP,
            http=self._ports["daprd"],
            grpc=self._ports["grpc"],
            internal=self._ports["internal"],
            resources=resources,
            more=more,
        )
        self._run("daprd", command, secrets)
        self._wait("daprd", lambda: _status(f"{self.url}/v1.0/healthz") == 204)

    def _run(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], *, cwd: Path | None = None
    ) -> None:
        kept = Kept(name, command, env={**base_environment(), **env}, cwd=cwd, on_line=self._on_line)
        self.processes[name] = kept
        kept.start()
        self._running.callback(kept.stop, _STOP_SECONDS)

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{name} does not start: {self.processes[name].last_words}")
            time.sleep(0.05)


_PORTS = ("daprd", "grpc", "internal", "bridge", "redis", "scheduler", "scheduler-health", "etcd", "etcd-peer")
_http = urllib3.PoolManager(retries=False)


def missing(*, with_redis: bool, has_jobs: bool = False) -> str:
    """Which program is not on the PATH, and what to do, as a sentence; '' where all are."""
    programs = {"daprd": True, "redis-server": with_redis, "scheduler": has_jobs}
    for program, is_needed in programs.items():
        if is_needed and not shutil.which(program):
            how = "install Debian's package redis-server" if program == "redis-server" else "see docs/dapr.md"
            return f"{program} is not on the PATH, and this broker needs it: {how}"
    return ""


def _path(program: str) -> str:
    return shutil.which(program) or program


def _status(url: str) -> int:
    try:
        return int(_http.request("GET", url, timeout=2).status)
    except urllib3.exceptions.HTTPError:
        return 0
