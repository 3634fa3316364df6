"""The token that Knative's sources send with their events where the cluster has authentication-oidc switched on."""

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response
from werkzeug.test import TestResponse

from tests.support import tokens
from tests.support.function_pack import Pack
from tests.support.issuer import AUDIENCE, Issuer

OUTSIDE = "tasks.example.com"
INSIDE = "create-task.default.svc.cluster.local"
SOURCE = "system:serviceaccount:default:create-task-oidc-sources.knative.dev-kafkasource"

Post = Callable[..., TestResponse]
Configure = Callable[..., None]


@pytest.fixture
def issuer(httpserver: HTTPServer) -> Issuer:
    return Issuer.on(httpserver)


@pytest.fixture
def configure(pack: Pack, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Set further variables, once the issuer's are."""

    def configure(**variables: str) -> None:
        for name, value in {**issuer.event_settings, **variables}.items():
            monkeypatch.setenv(name, value)
        pack.restart()

    configure()
    return configure


@pytest.fixture
def post(pack: Pack, configure: Configure) -> Post:
    """An event in the user's name, under a host and with a token or without."""

    def post(
        host: str, token: str = "", function: str = "create-task", event_type: str = "task.create"
    ) -> TestResponse:
        headers = {
            "Host": host,
            "ce-specversion": "1.0",
            "ce-id": str(uuid4()),
            "ce-source": "/tests",
            "ce-type": event_type,
            "ce-userid": pack.user,
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return pack.client(function).post(
            "/events", data=b'{"title": "x"}', headers=headers, content_type="application/json"
        )

    return post


def test_an_event_with_a_token_that_holds_is_believed_whatever_the_host(pack: Pack, post: Post, issuer: Issuer) -> None:
    assert post(OUTSIDE, issuer.token(SOURCE)).status_code == 204
    assert len(pack.tasks()) == 1


@pytest.mark.parametrize("function", ["send-reminder", "relay-outbox", "query-tasks"])
def test_every_kind_of_function_takes_the_token(post: Post, issuer: Issuer, function: str) -> None:
    assert post(OUTSIDE, issuer.token(SOURCE), function, "of.nobody").status_code == 204
    assert post(OUTSIDE, "", function, "of.nobody").status_code == 404


def test_an_internal_host_is_still_enough_and_asks_for_no_keys(pack: Pack, post: Post, issuer: Issuer) -> None:
    for token in ("", "not one", issuer.token(SOURCE)):
        assert post(INSIDE, token).status_code == 204
    assert len(pack.tasks()) == 3
    assert issuer.asked == []


def test_where_it_is_required_the_host_proves_nothing(
    pack: Pack, post: Post, issuer: Issuer, configure: Configure
) -> None:
    configure(EVENT_OIDC_REQUIRED="true", EVENT_HOSTS="localhost")
    for host in (INSIDE, OUTSIDE, "localhost"):
        assert post(host).status_code == 404
        assert post(host, issuer.token(SOURCE, aud="other")).status_code == 404
    assert pack.tasks() == []
    assert post(INSIDE, issuer.token(SOURCE)).status_code == 204
    assert post(OUTSIDE, issuer.token(SOURCE)).status_code == 204


def test_a_token_that_does_not_hold_opens_nothing(pack: Pack, post: Post, issuer: Issuer) -> None:
    """404, which a source tries again, and not 401, after which it would give the event up."""
    for token in (
        "x",
        tokens.token(pack.user),  # of another issuer, which people sign in with
        issuer.token(SOURCE, aud="other"),
        issuer.token(SOURCE, iss="https://other.example"),
        issuer.token(SOURCE, seconds=-60),
        issuer.token(SOURCE, key="two"),
        issuer.token(SOURCE, exp=None),
        issuer.token(None),
    ):
        assert post(OUTSIDE, token).status_code == 404, token
    assert pack.tasks() == []


@pytest.mark.parametrize(
    ("subjects", "believed"),
    [
        (SOURCE, True),
        (f"system:serviceaccount:other:x, {SOURCE}", True),
        ("system:serviceaccount:default:*", True),
        ("system:serviceaccount:default:create-task-*", True),
        ("*", True),
        ("system:serviceaccount:def:*", False),
        ("system:serviceaccount:default", False),
        ("system:serviceaccount:*:create-task", False),
        ("system:serviceaccount:default:complete-task-*", False),
        (SOURCE.upper(), False),
        (SOURCE + "-2", False),
    ],
)
def test_who_may_send_events_is_a_setting(
    post: Post, issuer: Issuer, configure: Configure, subjects: str, believed: bool
) -> None:
    configure(EVENT_OIDC_SUBJECTS=subjects)
    assert post(OUTSIDE, issuer.token(SOURCE)).status_code == (204 if believed else 404)


def test_a_persons_token_is_no_sources_and_a_sources_no_persons(
    pack: Pack, post: Post, issuer: Issuer, configure: Configure
) -> None:
    """Both of one issuer: the audience tells them apart."""
    configure(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="people", OIDC_JWKS="")
    person, source = issuer.token("ada", aud="people"), issuer.token(SOURCE)
    assert post(OUTSIDE, person).status_code == 404
    assert pack.call("query-tasks", "GET", "/tasks", Authorization=f"Bearer {source}").status_code == 401
    assert pack.call("query-tasks", "GET", "/tasks", Authorization=f"Bearer {person}").status_code == 200


def test_keys_that_cannot_be_had_make_a_source_come_again(post: Post, issuer: Issuer) -> None:
    issuer.answer = Response(status=503)
    answer = post(OUTSIDE, issuer.token(SOURCE))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_the_dead_letter_sink_asks_for_the_token_as_well(
    connected: dict[str, str], monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    required = {**connected, **issuer.event_settings, "EVENT_OIDC_REQUIRED": "true"}
    with Pack.served(required, monkeypatch, user=f"user-{uuid4()}") as pack:
        headers = {"ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create"}
        assert pack.deliver_raw("park-dead-letter", headers, b"{}").status_code == 404
        headers["Authorization"] = f"Bearer {issuer.token(SOURCE)}"
        assert pack.deliver_raw("park-dead-letter", headers, b"{}").status_code == 204


def test_the_keys_may_be_a_setting(post: Post, issuer: Issuer, configure: Configure) -> None:
    configure(EVENT_OIDC_ISSUER="the cluster", EVENT_OIDC_JWKS=json.dumps({"keys": issuer.keys}))
    assert post(OUTSIDE, issuer.token(SOURCE, iss="the cluster")).status_code == 204
    assert issuer.asked == []


def test_a_token_as_kubernetes_makes_it_holds(post: Post, issuer: Issuer) -> None:
    """Of a TokenRequest: no typ, a list of audiences, and claims of Kubernetes' own."""
    namespace = {"namespace": "default", "serviceaccount": {"name": "create-task-oidc", "uid": str(uuid4())}}
    token = issuer.token(SOURCE, header={"typ": None}, claims={"aud": [AUDIENCE], "kubernetes.io": namespace, "nbf": 0})
    assert post(OUTSIDE, token).status_code == 204
