"""daprd, its scheduler and a Redis as real processes on loopback, for as long as a test needs them."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from knative.local.dapr import commands
from knative.local.processes import base_environment, free_port, listening, spawn, stop
from tests.support.function_process import eventually

APP_ID = "bridge"


def program(name: str) -> str:
    """Where a program is. Skips the test where it is not."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on the PATH: docs/dapr.md says where it comes from")
    return found


@contextlib.contextmanager
def redis_server(*, host: str = "127.0.0.1", password: str = "") -> Iterator[str]:
    """An empty Redis; its redis:// address. With a password it also writes down what it takes, to a file."""
    port = free_port()
    lines = [f"bind {host}", f"port {port}", 'save ""', f"appendonly {'yes' if password else 'no'}"]
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as directory:
        file = Path(directory, "redis.conf")
        file.touch(mode=0o600)
        file.write_text("\n".join([*lines, *([f"requirepass {password}"] if password else []), ""]))
        process = spawn([program("redis-server"), str(file)], env=base_environment(), cwd=Path(directory))
        try:
            eventually(lambda: listening(port, host), "Redis")
            yield f"redis://{f':{password}@' if password else ''}{host}:{port}/0"
        finally:
            stop(process, grace=2)


def publish(
    client: requests.Session, url: str, topic: str, headers: Mapping[str, str], data: bytes, *, key: str
) -> None:
    """A record by daprd's HTTP API, as the functions publish it; returns once it is acknowledged.

    The client has daprd's token among its headers.
    """
    metadata = {"rawPayload": "true", "partitionKey": key, **headers}
    answer = client.post(
        f"{url}/v1.0/publish/pubsub/{topic}",
        params={f"metadata.{name}": text for name, text in metadata.items()},
        data=data,
        timeout=20,
    )
    assert answer.status_code == 204, answer.text


def component(name: str, kind: str, **metadata: str) -> dict[str, Any]:
    """A Component of Dapr's."""
    values = [{"name": each, "value": value} for each, value in metadata.items()]
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": kind, "version": "v1", "metadata": values},
    }


def redis_pubsub(url: str, name: str = "pubsub") -> dict[str, Any]:
    """Publishing to a Redis of `redis_server`."""
    host = url.removeprefix("redis://").removesuffix("/0")
    return component(name, "pubsub.redis", redisHost=host, redisPassword="", consumerID=APP_ID, poolSize="100")


def kafka_pubsub(environment: Mapping[str, str], name: str = "pubsub") -> dict[str, Any]:
    """Publishing to a broker, as a role's KAFKA_* say."""
    metadata = {"brokers": environment["KAFKA_BOOTSTRAP_SERVERS"], "initialOffset": "oldest", "consumerGroup": APP_ID}
    metadata["excludeHeaderMetaRegex"] = "^(rawPayload|partitionKey)$"
    if environment.get("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") == "PLAINTEXT":
        return component(name, "pubsub.kafka", authType="none", disableTls="true", **metadata)
    return component(
        name,
        "pubsub.kafka",
        authType="password",
        saslMechanism=environment["KAFKA_SASL_MECHANISM"].removeprefix("SCRAM-"),
        saslUsername=environment["KAFKA_SASL_USERNAME"],
        saslPassword=environment["KAFKA_SASL_PASSWORD"],
        caCert=Path(environment["KAFKA_SSL_CAFILE"]).read_text(),
        **metadata,
    )


@dataclass(kw_only=True)
class Daprd:
    """A daprd that can be stopped and started again on its port. `app_port` is where its application listens."""

    directory: Path
    components: Sequence[Mapping[str, Any]]
    token: str = ""
    app_port: int = 0
    scheduler: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)  # of daprd's options, by their names
    files: Mapping[str, str] = field(default_factory=dict)  # beside those of the components, by their names
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for number, each in enumerate(self.components):
            (self.directory / f"{number}.yaml").write_text(yaml.safe_dump(each))
        for name, text in self.files.items():
            (self.directory / name).write_text(text)
        more: dict[str, str | int | Path] = dict(self.more)
        if self.app_port:
            more |= commands.of_application(self.app_port)
        if self.scheduler:
            more["scheduler-host-address"] = self.scheduler
        command = commands.daprd(
            program("daprd"),
            app=APP_ID,
            http=self.port,
            grpc=self.grpc_port,
            internal=free_port(),
            resources=self.directory,
            more=more,
        )
        tokens = {"DAPR_API_TOKEN": self.token, "APP_API_TOKEN": self.token} if self.token else {}
        with open(self.directory / "log", "ab") as log:
            self.process = spawn(
                command,
                env={**base_environment(), **tokens, **self.environment},
                cwd=self.directory,
                output=log,
            )
        eventually(self._is_ready, "a daprd that publishes")

    def stop(self, *, grace: float = 5) -> None:
        if self.process is not None:
            stop(self.process, grace=grace)
            self.process = None

    def log(self) -> str:
        """What it wrote so far."""
        return (self.directory / "log").read_text(errors="replace")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-2000:]
        with contextlib.suppress(requests.RequestException):
            found = requests.get(f"{self.url}/v1.0/healthz/outbound", headers={"dapr-api-token": self.token}, timeout=5)
            return found.status_code == 204
        return False


@contextlib.contextmanager
def daprd(*components: Mapping[str, Any], **how: Any) -> Iterator[Daprd]:
    """A daprd with these components, ready to publish; `how` is as Daprd has it."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as directory:
        running = Daprd(directory=Path(directory), components=components, **how)
        try:
            running.start()
            yield running
        finally:
            running.stop(grace=1)


@contextlib.contextmanager
def scheduler() -> Iterator[str]:
    """Dapr's scheduler, which keeps jobs; the address that a daprd is told."""
    port, health, etcd, peer = free_port(), free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as directory:
        command = commands.scheduler(
            program("scheduler"), port=port, health=health, etcd=etcd, peer=peer, state=Path(directory)
        )
        process = spawn(command, env={**base_environment(), "HOME": directory}, cwd=Path(directory))
        try:
            eventually(lambda: _is_healthy(health), "a scheduler")
            yield f"127.0.0.1:{port}"
        finally:
            stop(process, grace=2)


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    return False


def settings_of(running: Daprd, **more: str) -> dict[str, str]:
    """The settings of functions that publish by this daprd."""
    token = {"DAPR_API_TOKEN": running.token} if running.token else {}
    return {"TRANSPORT": "dapr", "DAPR_URL": running.url, **token, **more}
