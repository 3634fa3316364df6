"""Reminders by Apprise: it makes the request, and what sends it is what sends webhooks, under the same rules."""

import json
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster.reminding import apprise_channel, webhook
from tests.support.channels import send_by_apprise

LOCAL = ("127.0.0.0/8",)
TITLE, TEXT = "Reminder: call Grace", "call Grace\nDue 2026-11-24 09:00 (Europe/Zurich)\n"


class Receiver:
    """Another end, over TLS under the name of any host: answers with `status`, and keeps what it was sent."""

    def __init__(self, server: HTTPServer) -> None:
        self.status, self.headers = 200, {"Content-Type": "text/plain"}
        self.got: list[Request] = []
        self.port = server.port
        server.expect_request("/", method="POST").respond_with_handler(self._take)
        server.expect_request("/services/T1/B2/x3", method="POST").respond_with_handler(self._take)
        server.expect_request("/hooks/3ccdd1", method="POST").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        _ = request.data
        self.got.append(request)
        return Response("ok", status=self.status, headers=self.headers)


@pytest.fixture
def receiver(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The receiver that every name leads to, by a resolver of the test."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = ("ntfy.sh", "hooks.slack.com", "mattermost.example.com")
    authority.issue_cert(*names).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setattr(webhook, "_authorities", str(tmp_path / "authority.pem"))
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        leads_to("127.0.0.1", monkeypatch, port=server.port)
        yield Receiver(server)


def leads_to(address: str, monkeypatch: pytest.MonkeyPatch, *, port: int | None = None) -> list[str]:
    """Every name is at this address. Returns the list of those that were asked for."""
    asked: list[str] = []

    def resolve(host: str, wanted: int, **_: Any) -> list[Any]:
        asked.append(f"{host}:{wanted}")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or wanted))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def sent(url: str, title: str = TITLE, text: str = TEXT) -> tuple[str, str]:
    outcome = send_by_apprise(url, title, text, allowed=LOCAL)
    return outcome.outcome, outcome.detail


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ("", None),
        ("tk_abc@", "Bearer tk_abc"),
        ("ada:p%40s%2Fs%3A@", "Basic YWRhOnBAcy9zOg=="),
    ],
)
def test_ntfy_has_its_message_and_login(receiver: Receiver, login: str, header: str | None) -> None:
    assert sent(f"ntfys://{login}ntfy.sh/ada") == ("delivered", "")
    [request] = receiver.got
    assert json.loads(request.data) == {"topic": "ada", "title": TITLE, "message": TEXT.strip()}
    assert (request.headers.get("Authorization"), request.headers["Host"]) == (header, "ntfy.sh")


def test_slack_and_what_is_like_it_have_theirs(receiver: Receiver) -> None:
    assert sent("slack://T1/B2/x3") == sent("mmosts://mattermost.example.com/3ccdd1") == ("delivered", "")
    assert [request.path for request in receiver.got] == ["/services/T1/B2/x3", "/hooks/3ccdd1"]
    for request in receiver.got:
        assert "call Grace" in request.get_data(as_text=True)
        assert "Due 2026-11-24 09:00" in request.get_data(as_text=True)
        assert "apprise" not in request.get_data(as_text=True).lower()


@pytest.mark.parametrize(
    ("status", "outcome"), [(201, "delivered"), (302, "failed"), (403, "failed"), (429, "later"), (500, "later")]
)
def test_an_answer_means_what_a_webhooks_does(receiver: Receiver, status: int, outcome: str) -> None:
    receiver.status, receiver.headers = status, {"Location": "https://127.0.0.1/", "Retry-After": "90"}
    assert sent("ntfys://ntfy.sh/ada")[0] == outcome
    assert len(receiver.got) == 1  # a redirect is not followed, and Apprise tries nothing again


@pytest.mark.parametrize("url", ["ntfys://ntfy.sh/ada", "slack://T1/B2/x3", "mmosts://mattermost.example.com/3ccdd1"])
@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1"])
def test_a_private_address_is_not_sent_to(url: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a resolver that says so: nothing is connected to, by whatever library."""
    asked, connected = leads_to(address, monkeypatch), []
    monkeypatch.setattr(socket.socket, "connect", lambda _, to: connected.append(to))
    outcome = send_by_apprise(url, TITLE, TEXT, allowed=())
    assert (outcome.outcome, len(asked), connected) == ("failed", 1, [])
    assert "private" in outcome.detail


@pytest.mark.parametrize("url", ["ntfy://ntfy.example.com/ada", "mmost://mattermost.example.com/3ccdd1"])
def test_plain_http_is_for_allowed_networks_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    leads_to("8.8.8.8", monkeypatch)
    monkeypatch.setattr(socket.socket, "connect", lambda _, to: connected.append(to))
    outcome = send_by_apprise(url, TITLE, TEXT, allowed=())
    assert (outcome.outcome, outcome.detail, connected) == ("failed", "it is plain http: use https", [])


def test_apprise_itself_can_send_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its modules do with requests: they have none that sends."""
    sent("ntfys://ntfy.sh/ada")
    modules = apprise_channel._modules()
    for module in (modules.ntfy, modules.slack, modules.mattermost):
        assert module.requests is not requests
        assert {name for name in vars(module.requests) if callable(getattr(module.requests, name))} == {
            "post", "request", "RequestException",
        }  # fmt: skip
    with pytest.raises(AttributeError):
        modules.slack.requests.get("https://slack.com/api/users.lookupByEmail")


@pytest.mark.parametrize("times", [0, 2])
def test_one_message_is_one_request(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    modules = apprise_channel._modules()

    def send_so_often(self: Any, *_: Any, **__: Any) -> bool:
        for _each in range(times):
            modules.ntfy.requests.post("https://ntfy.sh", data="{}", headers={})
        return True

    monkeypatch.setattr(modules.ntfy.NotifyNtfy, "send", send_so_often)
    assert sent("ntfys://ntfy.sh/ada") == ("failed", "Apprise makes no request of it that can be sent")
    assert receiver.got == []


def test_a_request_to_elsewhere_is_not_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = apprise_channel._modules()
    post = lambda _, *__, **___: modules.ntfy.requests.post("https://evil.example", data="{}", headers={})  # noqa: E731
    monkeypatch.setattr(modules.ntfy.NotifyNtfy, "send", post)
    assert sent("ntfys://ntfy.sh/ada") == ("failed", "Apprise would send it elsewhere")
    assert receiver.got == []


@pytest.mark.parametrize("letter", ["a", "ü", "\N{OK HAND SIGN}", '"', "\x01"])
def test_a_long_message_is_cut_and_stays_one(receiver: Receiver, letter: str) -> None:
    assert sent("ntfys://ntfy.sh/ada", "Reminder: " + letter * 500, letter * 10_000) == ("delivered", "")
    [request] = receiver.got
    message = json.loads(request.data)["message"]
    assert len(message) <= apprise_channel.LONGEST_TEXT
    assert message.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_nothing_of_a_channel_is_in_the_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        receiver.status = 500
        for url in ("ntfys://ada:hush-hush@ntfy.sh/ada-topic", "slack://T1/B2/x3"):
            sent(url)
    others = {"urllib3.connectionpool", "werkzeug"}  # one is silenced by log.py, the other is the receiver's
    said = "".join(record.getMessage() for record in caplog.records if record.name not in others)
    for secret in ("hush-hush", "ada-topic", "T1/B2", "call Grace"):
        assert secret not in said


def test_without_apprise_a_channel_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_channel, "is_installed", lambda: False)
    assert sent("ntfys://ntfy.sh/ada") == ("failed", apprise_channel.NOT_INSTALLED)


def test_what_was_stored_under_other_rules_fails() -> None:
    outcome, detail = sent("json://example.com/")
    assert outcome == "failed"
    assert "set this channel anew" in detail
