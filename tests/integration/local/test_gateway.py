"""The one address: routes as the HTTPRoute and Knative's ingress have them, and no way in for an internal host."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from knative.local.gateway import Gateway
from knative.local.pod import Request, Response
from knative.local.resources import Route
from knative.local.serving import Serving
from knative.local.web import Gate, PortInUseError, WebServer
from tests.support.function_process import eventually
from tests.support.raw_http import RawAnswer, RawClient

from .fixture_functions import DIRECTORY, service

ROUTES = [
    Route(path_type="PathPrefix", path="/tasks", method="GET", service="echo"),
    Route(path_type="PathPrefix", path="/tasks", method="HEAD", service="echo"),
    Route(path_type="Exact", path="/tasks", method="POST", service="echo"),
    Route(path_type="RegularExpression", path="/tasks/[^/]+/complete", method="POST", service="fail"),
    Route(path_type="PathPrefix", path="/inside", method=None, service="hello"),
    Route(path_type="Exact", path="/tasks/events", method="GET", service="pieces"),
    Route(path_type="PathPrefix", path="/broken", method=None, service="crash"),
]


def admin(method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]] | None:
    return (200, {"method": method, "body": body.decode()}) if path == "/-/status" else None


@pytest.fixture(scope="module")
def gateway() -> Iterator[WebServer]:
    names = ("echo", "fail", "crash", "pieces")
    services = [*map(service, names), service("hello", cluster_local=True)]
    with Serving(services, cwd=DIRECTORY) as serving:
        server = WebServer(Gateway(serving, ROUTES, admin=admin), threads=8)
        yield server
        server.stop()


def ask(gateway: WebServer, method: str, path: str, host: str | None = None, **options: Any) -> requests.Response:
    headers = {**({"host": host} if host else {}), **options.pop("headers", {})}
    url = f"http://127.0.0.1:{gateway.port}{path}"
    return requests.request(method, url, headers=headers, timeout=30, allow_redirects=False, **options)


def test_a_path_leads_to_its_function_with_target_and_body_untouched(gateway: WebServer) -> None:
    seen = ask(gateway, "POST", "/tasks?b=%C3%BC&a=1", data=b"body").json()
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/tasks?b=%C3%BC&a=1", "body")
    assert ask(gateway, "GET", "/tasks/7").json()["target"] == "/tasks/7"


def test_a_functions_own_host_leads_to_it(gateway: WebServer) -> None:
    assert ask(gateway, "PUT", "/anything", host="echo.localhost:8080").json()["target"] == "/anything"
    assert ask(gateway, "GET", "/", host="echo.default.example.com").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/tasksheet"), ("PUT", "/tasks"), ("POST", "/tasks/1/2/complete"), ("GET", "/inside")],
)
def test_what_no_route_matches_is_a_404_problem(gateway: WebServer, method: str, path: str) -> None:
    answer = ask(gateway, method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stream_is_passed_on_as_it_comes(gateway: WebServer) -> None:
    answer = ask(gateway, "GET", "/tasks/events", stream=True)
    lines = answer.iter_lines(chunk_size=1)
    assert next(lines) == b"first"
    first = time.monotonic()
    assert next(lines) == b"second"
    assert time.monotonic() - first > 1, "the first was held back"
    assert list(lines) == []


def test_a_stream_whose_client_has_gone_occupies_its_pod_no_longer() -> None:
    with Serving([service("quiet")], cwd=DIRECTORY) as serving:
        server = WebServer(Gateway(serving, []), threads=2)
        answer = ask(server, "GET", "/", host="quiet.localhost", stream=True)
        assert next(answer.iter_lines(chunk_size=1)) == b"first"
        [pod] = serving.pods("quiet")
        assert pod.in_flight == 1
        answer.close()
        eventually(lambda: not pod.in_flight, "that its request is over", within=10)
        server.stop()
        os.kill(pod.pid, signal.SIGKILL)  # the function itself goes on for a minute, and would be waited for


def test_an_expression_matches_the_whole_path(gateway: WebServer) -> None:
    answer = ask(gateway, "POST", "/tasks/7/complete")
    assert (answer.status_code, answer.headers["kne-reason"]) == (422, "always")
    assert ask(gateway, "POST", "/tasks/7/complete/more").status_code == 404


def test_an_escaped_slash_does_not_end_a_segment(gateway: WebServer) -> None:
    assert ask(gateway, "POST", "/tasks/1%2F2/complete").status_code == 422


@pytest.mark.parametrize(
    "host",
    [
        "echo.default.svc",
        "echo.default.svc.cluster.local",
        "ECHO.default.SVC:8080",
        "echo.default.svc.",
        "echo.default.svc.cluster.local:80",
        "localhost:echo.default.svc",
    ],
)
def test_an_internal_host_is_not_served(gateway: WebServer, host: str) -> None:
    assert ask(gateway, "POST", "/events", host=host).status_code == 404


def test_an_internal_host_beside_another_is_no_request(gateway: WebServer) -> None:
    """RFC 9112, 3.2: a Host that is there twice is 400."""
    assert ask(gateway, "POST", "/events", host="echo.localhost, echo.default.svc").status_code == 400


def test_a_cluster_local_function_is_not_served(gateway: WebServer) -> None:
    assert ask(gateway, "GET", "/", host="hello.localhost").status_code == 404


def test_no_host_of_the_clients_making_reaches_a_function(gateway: WebServer) -> None:
    forged = {"X-Forwarded-Host": "echo.default.svc", "Forwarded": "host=echo.default.svc"}
    seen = ask(gateway, "GET", "/tasks", headers=forged).json()
    assert seen["headers"]["Host"] == f"echo.localhost:{gateway.port}"
    assert ".svc" not in json.dumps(seen["headers"])


def test_hop_by_hop_headers_stay_behind(gateway: WebServer) -> None:
    headers = {"Connection": "X-Mine", "X-Mine": "1", "TE": "trailers", "X-Yours": "2"}
    seen = ask(gateway, "GET", "/tasks", headers=headers).json()["headers"]
    assert seen["X-Yours"] == "2"
    assert "X-Mine" not in seen
    assert "Te" not in seen


def test_a_chunked_body_arrives(gateway: WebServer) -> None:
    assert ask(gateway, "POST", "/tasks", data=iter([b"one", b"two"])).json()["body"] == "onetwo"


def test_a_body_of_megabytes_arrives(gateway: WebServer) -> None:
    assert ask(gateway, "POST", "/tasks", data=b"x" * 5_000_000).json()["size"] == 5_000_000


@pytest.mark.parametrize(
    ("path", "status"),
    [("/tasks/7", 200), ("/nothing", 404), ("/inside", 404), ("/broken", 503), ("/-/status", 200), ("/-/other", 404)],
)
def test_head_has_no_body_and_leaves_the_connection_whole(gateway: WebServer, path: str, status: int) -> None:
    """What follows on the connection would be taken for the next answer."""
    with RawClient(gateway.port) as client:
        for _ in range(2):
            answer = client.ask(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert answer.status == status
        assert client.ask(b"GET /tasks/8 HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200


def test_a_gate_that_is_not_open_yet_answers_head() -> None:
    server = WebServer(Gate())
    try:
        with RawClient(server.port) as client:
            for _ in range(2):
                assert client.ask(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 503
    finally:
        server.stop()


def expect_problem(answer: RawAnswer, status: int) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(answer.body)["status"] == status


def test_a_body_that_is_too_large_goes_no_further(gateway: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is announced and by what has come; others are answered meanwhile, and no file is written."""
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    post = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\n"
    with RawClient(gateway.port) as announced, RawClient(gateway.port) as chunked:
        chunked.send(post + b"Transfer-Encoding: chunked\r\n\r\n")
        expect_problem(announced.ask(post + b"Content-Length: 314572800\r\n\r\n"), 413)
        chunk = b"100000\r\n" + b"x" * 1_048_576 + b"\r\n"
        assert chunked.send_until_refused(chunk for _ in range(300)) < 100_000_000
        assert ask(gateway, "GET", "/tasks/7").status_code == 200


def test_too_many_headers_go_no_further(gateway: WebServer) -> None:
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    with RawClient(gateway.port) as client:
        expect_problem(client.ask(b"GET /tasks/7 HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n"), 431)
    assert ask(gateway, "GET", "/tasks/7").status_code == 200


def test_connections_that_ask_nothing_keep_nobody_out(gateway: WebServer) -> None:
    idle = [RawClient(gateway.port) for _ in range(400)]
    try:
        for client in idle[::2]:
            client.send(b"GET /tasks/7 HTTP/1.1\r\nX-")
        for _ in range(3):
            assert ask(gateway, "GET", "/tasks/7").status_code == 200
    finally:
        for client in idle:
            client.close()


def test_a_function_that_does_not_start_is_a_503_that_says_why(gateway: WebServer) -> None:
    answer = ask(gateway, "GET", "/broken")
    assert answer.status_code == 503
    assert "No module named 'no_such_module'" in answer.json()["detail"]


def test_the_admin_area_is_on_localhost_alone(gateway: WebServer) -> None:
    assert ask(gateway, "GET", "/-/status", host="localhost:8080").json()["method"] == "GET"
    assert ask(gateway, "GET", "/-/status", host="evil.example").status_code == 404
    assert ask(gateway, "GET", "/-/other").status_code == 404


def test_a_web_page_cannot_post_to_the_admin_area(gateway: WebServer) -> None:
    assert ask(gateway, "POST", "/-/status", data="x", headers={"content-type": "text/plain"}).status_code == 415
    assert ask(gateway, "POST", "/-/status", json={}).json()["body"] == "{}"


def test_a_request_without_a_host_is_answered(gateway: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
        assert b"404" in connection.recv(1000)


def test_a_port_in_use_is_said(gateway: WebServer) -> None:
    with pytest.raises(PortInUseError, match=f"port {gateway.port} is in use"):
        WebServer(lambda environ, start_response: [], port=gateway.port)


class StartsLater(Serving):
    """Its functions answer when they are told to: until then every request waits, as for a pod that starts."""

    def __init__(self) -> None:
        super().__init__([service("echo")], cwd=DIRECTORY)
        self.started = threading.Event()

    def handle(self, name: str, request: Request, timeout: float | None = None) -> Response:
        self.started.wait(30)
        return super().handle(name, request, timeout)


def test_requests_that_wait_for_functions_leave_the_gateway_reachable() -> None:
    """A function that starts fetches the keys of the provider by the gateway, before it can answer any of them."""
    serving = StartsLater()
    with serving:
        server = WebServer(Gateway(serving, ROUTES, admin=admin, forwarded_at_once=2), threads=3)
        clients = [RawClient(server.port) for _ in range(6)]
        for client in clients:
            client.send(b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ask(server, "GET", "/-/status").status_code == 200
        serving.started.set()
        assert [client.answer().status for client in clients] == [200] * 6
        server.stop()
