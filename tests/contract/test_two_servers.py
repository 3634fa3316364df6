"""One function, two servers: plain functions-framework and our own give the same answers, and end the same way.

Real processes on real ports: what a server does to a request before the function sees it is part of the contract.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from knative.local.processes import base_environment, free_port, listening, spawn, stop
from tests.support import tokens
from tests.support.function_pack import FUNCTIONS, Json
from tests.support.raw_http import RawClient

SERVERS = ["functions-framework", "taskmaster.serve"]
LONGEST_START = 30.0  # seconds


def command(server: str, target: str, source: Path, port: int) -> tuple[list[str | Path], dict[str, str]]:
    """How a server is started, and what it wants in its environment."""
    ours = {"PYTHONPATH": str(FUNCTIONS)}  # of this checkout, and not of the one that the environment was made for
    if server == "functions-framework":
        program = Path(sys.executable).parent / "functions-framework"
        return [program, "--source", source, "--target", target, "--host", "127.0.0.1", "--port", str(port)], ours
    settings = {"FUNCTION_TARGET": target, "FUNCTION_SOURCE": str(source), "HOST": "127.0.0.1", "PORT": str(port)}
    return [sys.executable, "-m", "taskmaster.serve"], {**settings, **ours}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def comparable(self) -> tuple[int, dict[str, str], Any]:
        """Without what differs from one request to the next, or is the server's own business."""
        ours = ("content-type", "content-length", "location", "etag", "allow", "kne-reason", "www-authenticate")
        headers = {name: self.headers[name] for name in ours if name in self.headers}
        text = self.body.decode()
        if "location" in headers:
            headers["location"] = re.sub(r"\d+", "N", headers["location"])
            headers.pop("content-length")
            text = re.sub(r'"(task_id|created_at|updated_at)":("[^"]*"|\d+)', r'"\1":null', text)
        return self.status, headers, text


class Served:
    """A function under one of the servers, asked as one user who has it for himself."""

    def __init__(self, server: str, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.server = server
        self.user = f"user-{uuid4()}"
        self.process = process
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed_in: bool = True,
    ) -> Answer:
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if signed_in:
            sent["Authorization"] = tokens.bearer(self.user)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent |= headers or {}
            chunked = body is not None and not isinstance(body, bytes)
            if chunked:
                sent["Transfer-Encoding"] = "chunked"
            connection.request(method, path, body=body, headers=sent, encode_chunked=chunked)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def raw(self, target: str, *headers: str) -> int:
        """The status of an event's POST whose request line and headers no HTTP client would write."""
        lines = [
            f"POST {target} HTTP/1.1", *headers, f"ce-userid: {self.user}", f"ce-id: {uuid4()}",
            *("ce-specversion: 1.0", "ce-source: /raw", "ce-type: task.create", "Content-Type: application/json"),
            *("Content-Length: 14", "Connection: close"),
        ]  # fmt: skip
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, "", TASK.decode()]).encode())
            return int(connection.makefile("rb").readline().split()[1])

    def event(self, data: bytes, **attributes: str) -> Answer:
        headers = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "/two",
            "type": "task.create",
            "userid": self.user,
        }
        sent = {f"ce-{name}": value for name, value in {**headers, **attributes}.items()}
        return self.ask("POST", "/events", data, {"Host": "create-task.default.svc", **sent}, signed_in=False)


@contextmanager
def serving(
    server: str, function: str, environment: Mapping[str, str], *, source: Path | None = None
) -> Iterator[Served]:
    port = free_port()
    target = function.replace("-", "_")
    words, more = command(server, target, source or FUNCTIONS / f"{target}.py", port)
    process = spawn(words, env={**base_environment(), **environment, **more}, cwd=FUNCTIONS)
    try:
        deadline = time.monotonic() + LONGEST_START
        while not listening(port):
            assert process.poll() is None, f"{server} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{server} does not listen"
            time.sleep(0.02)
        yield Served(server, process, port)
    finally:
        stop(process, grace=LONGEST_START)


@pytest.fixture(scope="module")
def create_task(connected: dict[str, str]) -> Iterator[list[Served]]:
    with serving(SERVERS[0], "create-task", connected) as one, serving(SERVERS[1], "create-task", connected) as two:
        yield [one, two]


Request = Callable[[Served], Answer]
BINARY = {"ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create"}
TASK = b'{"title": "x"}'

REQUESTS: dict[str, Request] = {
    "a create": lambda s: s.ask("POST", "/tasks", TASK),
    "a create at the root": lambda s: s.ask("POST", "/", TASK),
    "a query string that nobody asked for": lambda s: s.ask("POST", "/tasks?x=1", TASK),
    "non-ASCII": lambda s: s.ask("POST", "/tasks", json.dumps({"title": "Zürich 牛乳"}, ensure_ascii=False).encode()),
    "a chunked body": lambda s: s.ask("POST", "/tasks", [b'{"title"', b': "x"}']),
    "a chunked body that is too large": lambda s: s.ask("POST", "/tasks", [b" " * 100_000] * 3),
    "a body that is too large": lambda s: s.ask("POST", "/tasks", b" " * 300_000),
    "a body that is not JSON": lambda s: s.ask("POST", "/tasks", b"{"),
    "a body of another type": lambda s: s.ask("POST", "/tasks", TASK, {"Content-Type": "text/plain"}),
    "a form": lambda s: s.ask("POST", "/tasks", b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}),
    "no body": lambda s: s.ask("POST", "/tasks"),
    "an invalid command": lambda s: s.ask("POST", "/tasks", b'{"titel": "x"}'),
    "a name that breaks a line": lambda s: s.ask("POST", "/tasks", b'{"a\\r\\nX-Injected: 1": 1}'),
    "another method": lambda s: s.ask("PUT", "/tasks", TASK),
    "GET": lambda s: s.ask("GET", "/tasks"),
    "HEAD": lambda s: s.ask("HEAD", "/tasks"),
    "OPTIONS": lambda s: s.ask("OPTIONS", "/tasks"),
    "DELETE": lambda s: s.ask("DELETE", "/tasks"),
    "a method of somebody's own": lambda s: s.ask("BREW", "/tasks"),
    "another path": lambda s: s.ask("POST", "/nothing/here", TASK),
    "a path with escapes": lambda s: s.ask("POST", "/t%61sks", TASK),
    "a path with escapes that are no UTF-8": lambda s: s.ask("POST", "/%ff%fe", TASK),
    "nobody signed in": lambda s: s.ask("POST", "/tasks", TASK, signed_in=False),
    "an event": lambda s: s.event(TASK),
    "an event of another type": lambda s: s.event(TASK, type="task.created"),
    "an event that is malformed": lambda s: s.event(b"{"),
    "an event without an id": lambda s: s.event(TASK, id=""),
    "an event in structured mode": lambda s: s.ask(
        "POST",
        "/events",
        json.dumps({"specversion": "1.0", "id": "j", "source": "/", "type": "task.create", "userid": s.user}).encode(),
        {"Content-Type": "application/cloudevents+json", "Host": "create-task.default.svc"},
    ),
    "an event from outside": lambda s: s.ask("POST", "/events", TASK, {**BINARY, "ce-userid": "ada"}),
    "an event behind a forwarded host": lambda s: s.ask(
        "POST", "/events", TASK, {**BINARY, "ce-userid": "ada", "X-Forwarded-Host": "create-task.default.svc"}
    ),
    "a person's event": lambda s: s.ask("POST", "/", TASK, BINARY),
    "a person's event at another path": lambda s: s.ask("POST", "/tasks/1/complete", TASK, BINARY),
    "a person's event by GET": lambda s: s.ask("GET", "/tasks", None, BINARY),
    "a person's event on a condition": lambda s: s.ask("POST", "/", TASK, {**BINARY, "If-Match": '"1"'}),
    "a condition where there is no ETag": lambda s: s.ask("POST", "/tasks", TASK, {"If-Match": "*"}),
    "a condition that is none": lambda s: s.ask("POST", "/tasks", TASK, {"If-None-Match": "1"}),
    "an escaped slash": lambda s: s.ask("POST", "/%2Ftasks", TASK),
    "an escaped slash within": lambda s: s.ask("POST", "/tasks%2F", TASK),
    "a query in raw UTF-8": lambda s: s.ask("DELETE", "/tasks?text=%FF"),
    "a body of GET": lambda s: s.ask("GET", "/tasks", b"{}"),
    "a body that is packed": lambda s: s.ask("POST", "/tasks", TASK, {"Content-Encoding": "gzip"}),
    "a body without a type": lambda s: s.ask("POST", "/tasks", TASK, {"Content-Type": ""}),
    "an underscore where a hyphen belongs": lambda s: s.ask("POST", "/", TASK, {"ce_specversion": "1.0", **BINARY}),
    "two events of which one is a list": lambda s: s.ask(
        "POST", "/events", b"[]", {"Content-Type": "application/cloudevents-batch+json", "Host": "x.svc"}
    ),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_both_servers_give_the_same_answer(create_task: list[Served], case: str) -> None:
    one, two = (REQUESTS[case](served) for served in create_task)
    assert two.comparable == one.comparable
    assert one.status < 500
    assert "x-injected" not in {**one.headers, **two.headers}


INSIDE = "create-task.default.svc"


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        (f"http://{INSIDE}/events", ["tasks.example.com"]),
        (f"http://{INSIDE}/events", []),
        (f"//{INSIDE}/events", ["tasks.example.com"]),
        ("/events", ["tasks.example.com", INSIDE]),
        ("/events", [INSIDE, "tasks.example.com"]),
        ("/events", [f"tasks.example.com\t{INSIDE}"]),
        ("/events", []),
    ],
)
def test_no_request_line_and_no_second_host_opens_the_event_door(
    create_task: list[Served], target: str, hosts: list[str]
) -> None:
    """RFC 9112, 3.2: the absolute form of a target, and a Host that is there twice or not at all."""
    for served in create_task:
        assert served.raw("/events", f"Host: {INSIDE}") == 204  # as it is let in
        assert served.raw(target, *(f"Host: {host}" for host in hosts)) in (400, 401, 404)


@pytest.fixture(scope="module")
def query_tasks(connected: dict[str, str]) -> Iterator[list[Served]]:
    with serving(SERVERS[0], "query-tasks", connected) as one, serving(SERVERS[1], "query-tasks", connected) as two:
        yield [one, two]


READING: dict[str, Request] = {
    "GET": lambda s: s.ask("GET", "/tasks"),
    "HEAD": lambda s: s.ask("HEAD", "/tasks"),
    "an ETag that is known": lambda s: s.ask(
        "GET", "/tasks", headers={"If-None-Match": s.ask("GET", "/").headers["etag"]}
    ),
    "any ETag": lambda s: s.ask("GET", "/tasks", headers={"If-None-Match": "*"}),
    "any ETag, by HEAD": lambda s: s.ask("HEAD", "/tasks", headers={"If-None-Match": "*"}),
    "another ETag": lambda s: s.ask("GET", "/tasks", headers={"If-None-Match": '"x", W/"y"'}),
    "a version that is another": lambda s: s.ask("GET", "/tasks", headers={"If-Match": '"x"'}),
    "a version that is weak": lambda s: s.ask(
        "GET", "/tasks", headers={"If-Match": f"W/{s.ask('GET', '/').headers['etag']}"}
    ),
    "a version that is none": lambda s: s.ask("GET", "/tasks", headers={"If-Match": "x"}),
    "a parameter that is unknown": lambda s: s.ask("GET", "/tasks?x=1"),
    "a parameter that is there twice": lambda s: s.ask("GET", "/tasks?limit=1&limit=1"),
    "a query that is no UTF-8": lambda s: s.ask("GET", "/tasks?text=%FF"),
    "a slash at the end": lambda s: s.ask("GET", "/tasks/"),
    "a range": lambda s: s.ask("GET", "/tasks", headers={"Range": "bytes=0-1"}),
}


@pytest.mark.parametrize("case", READING)
def test_both_servers_show_the_same(query_tasks: list[Served], case: str) -> None:
    one, two = (READING[case](served) for served in query_tasks)
    assert two.comparable == one.comparable
    assert one.status < 500
    assert "ETag" not in case or one.status in (200, 304)


def test_a_condition_that_is_there_twice_is_one_list(query_tasks: list[Served]) -> None:
    """RFC 9110, 5.3: two lines of a header are one, joined by a comma."""
    for served in query_tasks:
        etag = served.ask("GET", "/tasks").headers["etag"].encode()
        bearer = tokens.bearer(served.user).encode()
        asked = b"GET /tasks HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer + b"\r\n"
        for twice, status in (
            (b'If-None-Match: "x"\r\nIf-None-Match: ' + etag, 304),
            (b"If-Match: " + etag + b'\r\nIf-Match: "x"', 200),
            (b'If-Match: *\r\nIf-Match: "x"', 400),
        ):
            with RawClient(served.port) as client:
                assert client.ask(asked + twice + b"\r\n\r\n").status == status


def test_an_idempotency_key_holds_across_servers(create_task: list[Served], connected: dict[str, str]) -> None:
    one, two = create_task
    key = {"Idempotency-Key": "across", "X-Correlation-Id": "c"}
    signed_in = {**key, "Authorization": tokens.bearer(one.user)}
    first = one.ask("POST", "/tasks", TASK, signed_in)
    second = two.ask("POST", "/tasks", TASK, signed_in)
    assert first.status == second.status == 201
    assert (first.body, first.headers["location"]) == (second.body, second.headers["location"])


def test_sigterm_ends_a_server_cleanly_with_everything_published(connected: dict[str, str]) -> None:
    user = told_to_stop("taskmaster.serve", connected, calls=5)
    assert still_in_the_outbox(user, connected) == 0


def test_what_functions_framework_leaves_behind_the_next_function_publishes(connected: dict[str, str]) -> None:
    """From Python 3.12 on no thread begins while the interpreter ends, and Kafka's client may still need one."""
    user = told_to_stop("functions-framework", connected, calls=5)
    told_to_stop("taskmaster.serve", connected, calls=1)
    assert still_in_the_outbox(user, connected) == 0


def told_to_stop(server: str, environment: dict[str, str], *, calls: int) -> str:
    """Create tasks, then SIGTERM, and an end that is none of a failure. Whose tasks they are."""
    with serving(server, "create-task", environment) as served:
        for _ in range(calls):
            assert served.ask("POST", "/tasks", TASK).status == 201
        os.kill(served.process.pid, signal.SIGTERM)
        assert served.process.wait(LONGEST_START) == 0
        return served.user


def still_in_the_outbox(user: str, environment: dict[str, str]) -> int:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        [count] = connection.execute("SELECT count(*) FROM outbox WHERE headers->>'ce_userid' = %s", [user])
        return int(count[0])


# Starting with what is wrong ------------------------------------------------------------------------------------------

# What can be wrong at once is, so that few processes tell of all.
WRONG: list[tuple[Json, tuple[str, ...]]] = [
    (
        {"DATABASE_URL": None, "SYSTEM_DATABASE_URL": "", "KAFKA_BOOTSTRAP_SERVERS": None},
        ("DATABASE_URL is not set", "SYSTEM_DATABASE_URL is not set", "KAFKA_BOOTSTRAP_SERVERS is not set"),
    ),
    (
        {"MAX_ATTEMPTS": "many", "DATABASE_POOL_SIZE": "0", "KAFKA_SECURITY_PROTOCOL": "TLS", "LOG_LEVEL": "LOUD"},
        (
            "MAX_ATTEMPTS is wrong",
            "DATABASE_POOL_SIZE is wrong",
            "KAFKA_SECURITY_PROTOCOL is wrong",
            "LOG_LEVEL is wrong",
        ),
    ),
    (
        {"KAFKA_TOPICS": "task-events=x", "DEV_TOKEN_SECRET": "user's"},
        ("KAFKA_TOPICS is wrong", "DEV_TOKEN_SECRET is no longer read"),
    ),
    ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, ("KAFKA_SASL_PASSWORD is not set",)),
]


def started(server: str, target: str, environment: Json, *, source: Path | None = None) -> tuple[int, str]:
    """What comes of starting a server that cannot start: its exit code and what it wrote."""
    words, more = command(server, target, source or FUNCTIONS / "create_task.py", free_port())
    given = {name: value for name, value in environment.items() if value is not None}
    ended = subprocess.run(
        words, env={**base_environment(), **more, **given}, cwd=FUNCTIONS, capture_output=True, text=True,
        timeout=LONGEST_START, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_wrong_settings_are_refused_at_start_by_name(environment: dict[str, str], server: str) -> None:
    for wrong, said in WRONG:
        code, output = started(server, "create_task", {**environment, **wrong})
        assert code == 1, (wrong, output)
        assert [each for each in said if each not in output] == []
        assert "Traceback" not in output
        assert "user's" not in output.replace("%27", "'")  # no password


@pytest.mark.parametrize("name", ["PORT", "THREADS"])
@pytest.mark.parametrize("value", ["http", "0", "-1", "70000", "8080.0", "٨"])
def test_a_port_or_a_number_of_threads_that_is_none_is_refused_by_name(
    environment: dict[str, str], name: str, value: str
) -> None:
    code, output = started("taskmaster.serve", "create_task", {**environment, name: value})
    assert code == 1
    assert f"{name} is wrong" in output
    assert "Traceback" not in output


def test_a_port_that_is_taken_is_said_to_be_so(environment: dict[str, str]) -> None:
    with serving("taskmaster.serve", "create-task", environment) as served:
        port = str(served.port)
        code, output = started("taskmaster.serve", "create_task", {**environment, "PORT": port})
    assert code == 1
    assert f"PORT {port}" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("target", ["", "no_such_function", "CreateTask", "../create_task"])
def test_a_target_that_is_no_function_is_said_to_be_so(environment: dict[str, str], target: str) -> None:
    code, output = started("taskmaster.serve", target, environment)
    assert code == 1
    assert "taskmaster cannot start" in output
    assert repr(target) in output or f"no function {target}" in output
    assert "Traceback" not in output


def test_a_source_that_is_no_file_is_said_to_be_so(environment: dict[str, str], tmp_path: Path) -> None:
    code, output = started("taskmaster.serve", "create_task", environment, source=tmp_path / "gone.py")
    assert code == 1
    assert "gone.py" in output
    assert "Traceback" not in output
