"""The command lines of daprd and of Dapr's scheduler 1.16 on one machine: on the loopback alone, each port given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LARGEST_HEADERS = "512Ki"  # of a dead letter, in the query by which it is published
_LOOPBACK = "127.0.0.1"
_SCHEDULER = "dapr-scheduler-server-0"

Options = Mapping[str, "str | int | Path"]


def daprd(program: str, *, app: str, http: int, grpc: int, internal: int, resources: Path, more: Options) -> list[str]:
    """`app` is its application's id; the ports are those of its two APIs and of other daprds; `more` by option."""
    options: Options = {
        "mode": "standalone",
        "app-id": app,
        "dapr-http-port": http,
        "dapr-grpc-port": grpc,
        "dapr-internal-grpc-port": internal,
        "dapr-internal-grpc-listen-address": _LOOPBACK,
        "dapr-listen-addresses": _LOOPBACK,
        "read-buffer-size": LARGEST_HEADERS,
        "enable-metrics": "false",
        "resources-path": resources,
    }
    return _command(program, {**options, **more})


def of_application(port: int) -> Options:
    """Where daprd delivers to."""
    return {"app-port": port, "app-channel-address": _LOOPBACK, "app-protocol": "http"}


def scheduler(program: str, *, port: int, health: int, etcd: int, peer: int, state: Path) -> list[str]:
    """Its etcd, which it brings, listens on `etcd` and `peer`, and lies below `state`."""
    options: Options = {
        "mode": "standalone",
        "port": port,
        "listen-address": _LOOPBACK,
        "healthz-port": health,
        "healthz-listen-address": _LOOPBACK,
        "override-broadcast-host-port": f"{_LOOPBACK}:{port}",
        "id": _SCHEDULER,
        "etcd-data-dir": state / "etcd",
        "etcd-client-port": etcd,
        "etcd-initial-cluster": f"{_SCHEDULER}=http://{_LOOPBACK}:{peer}",
        "identity-directory-write": state / "identity",
        "enable-metrics": "false",
        "log-level": "warn",
    }
    return _command(program, options)


def _command(program: str, options: Options) -> list[str]:
    return [program, *(f"--{name}={value}" for name, value in options.items())]
