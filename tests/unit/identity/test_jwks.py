"""The keys of an issuer: fetched once, looked at again for a key that is new, and never given up while it is away."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, NoReturn

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster.identity import jwks, oidc
from taskmaster.identity.jwks import (
    FIRST_PAUSE_SECONDS,
    FRESH_SECONDS,
    PATIENCE_SECONDS,
    PAUSE_SECONDS,
    SHORT_PATIENCE_SECONDS,
    KeysUnavailable,
    PublishedKeys,
)
from taskmaster.identity.oidc import Rejected, Verifier
from taskmaster.outbound import kubernetes
from tests.support.issuer import AUDIENCE, Issuer, jwk, private_key
from tests.support.monotonic_clock import MonotonicClock, clock_of

NOW = 1_000.0
API = "https://kubernetes.default.svc"


@pytest.fixture
def issuer(httpserver: HTTPServer) -> Issuer:
    return Issuer.on(httpserver)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    return clock_of(jwks, monkeypatch)


@pytest.fixture(autouse=True)
def ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time enough for an issuer that does answer, on a busy machine too."""
    for name in ("TOTAL_SECONDS", "PATIENCE_SECONDS", "SHORT_PATIENCE_SECONDS"):
        monkeypatch.setattr(jwks, name, 60.0)


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in use."""
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(jwks, "SHORT_PATIENCE_SECONDS", SHORT_PATIENCE_SECONDS)


def verifier(issuer: Issuer, *, url: str = "", api: str = API) -> Verifier:
    return Verifier(oidc.Issuer(issuer.url, (AUDIENCE,), "sub", "", url, api))


def user_of(verifier: Verifier, token: str) -> str:
    return verifier.user_of(token, now=time.time())


AWAY = [
    Response(status=500),
    Response(status=404),
    Response(status=302, headers={"Location": "/realm/keys"}),
    Response("no JSON"),
    Response("[]"),
    Response("[" * 100_000),
    Response('{"keys": 7}'),
    Response(b" " * 600_000),
]


# Fetched --------------------------------------------------------------------------------------------------------------


def test_the_keys_are_found_by_discovery_and_fetched_once(issuer: Issuer) -> None:
    verifies = verifier(issuer)
    for user in ("ada", "grace", "ada"):
        assert user_of(verifies, issuer.token(user)) == user
    assert issuer.asked == ["/realm/.well-known/openid-configuration", "/realm/keys"]


def test_an_address_of_the_keys_makes_discovery_needless(issuer: Issuer) -> None:
    assert user_of(verifier(issuer, url=f"{issuer.url}/keys"), issuer.token()) == "ada"
    assert issuer.asked == ["/realm/keys"]


def test_nothing_is_fetched_before_there_is_a_token(issuer: Issuer) -> None:
    verifier(issuer)
    assert issuer.asked == []


def test_a_discovery_document_of_another_issuer_is_not_believed(issuer: Issuer, httpserver: HTTPServer) -> None:
    for document in (
        {"issuer": "https://other.example", "jwks_uri": f"{issuer.url}/keys"},
        {"issuer": issuer.url, "jwks_uri": "http://keys.example/"},
        {"issuer": issuer.url, "jwks_uri": "file:///etc/passwd"},
        {"issuer": issuer.url, "jwks_uri": ["x"]},
        {"issuer": issuer.url},
    ):
        issuer.answer = Response(json.dumps(document))
        with pytest.raises(KeysUnavailable):
            user_of(verifier(issuer), issuer.token())
    assert "/realm/keys" not in issuer.asked


def test_many_threads_fetch_once(issuer: Issuer) -> None:
    verifies, token = verifier(issuer), issuer.token()
    with ThreadPoolExecutor(8) as at_once:
        assert set(at_once.map(lambda _: user_of(verifies, token), range(16))) == {"ada"}
    assert len(issuer.asked) == 2


# Rotated --------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_new_is_fetched_when_a_token_names_it(issuer: Issuer, clock: MonotonicClock) -> None:
    verifies = verifier(issuer)
    user_of(verifies, issuer.token())
    clock.on(PAUSE_SECONDS)
    issuer.publish("one", "two")
    assert user_of(verifies, issuer.token("grace", key="two")) == "grace"
    assert user_of(verifies, issuer.token()) == "ada"
    assert issuer.asked.count("/realm/keys") == 2


def test_a_key_that_was_withdrawn_is_believed_for_five_minutes_at_most(issuer: Issuer, clock: MonotonicClock) -> None:
    verifies, token = verifier(issuer), issuer.token()
    user_of(verifies, token)
    issuer.publish("two")
    clock.on(FRESH_SECONDS - 1)
    assert user_of(verifies, token) == "ada"
    clock.on(1)
    with pytest.raises(Rejected, match="not one of ours"):
        user_of(verifies, token)  # although it was remembered as one that holds


def test_what_is_remembered_has_a_bound_and_is_no_token(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "_REMEMBERED", 3)
    verifies = verifier(issuer)
    tokens = [issuer.token(f"user {number}") for number in range(5)]
    for number, token in enumerate(tokens):
        assert user_of(verifies, token) == f"user {number}"
    assert len(verifies._remembered) == 3
    assert not {*tokens} & {key.decode(errors="replace") for key in verifies._remembered}
    assert user_of(verifies, tokens[0]) == "user 0"


def test_made_up_key_ids_make_nobody_fetch(issuer: Issuer, clock: MonotonicClock) -> None:
    verifies = verifier(issuer)
    user_of(verifies, issuer.token())
    for second in range(100):
        clock.on(0.2)
        with pytest.raises(Rejected, match="not one of ours"):
            user_of(verifies, issuer.token(header={"kid": f"made up {second}"}))
    assert issuer.asked.count("/realm/keys") <= 1 + 100 * 0.2 / PAUSE_SECONDS


def test_keys_without_an_id_are_tried_and_rotate_as_well(issuer: Issuer, clock: MonotonicClock) -> None:
    issuer.keys = [jwk(private_key("RS256", name), kid=None) for name in ("one", "two")]
    verifies = verifier(issuer)
    nameless = {"kid": None}
    for name in ("one", "two"):
        assert user_of(verifies, issuer.token(name, key=name, header=nameless)) == name
    issuer.keys = [jwk(private_key("RS256", "three"), kid=None)]
    clock.on(PAUSE_SECONDS)
    assert user_of(verifies, issuer.token("x", key="three", header=nameless)) == "x"


# Away -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", AWAY, ids=lambda answer: f"{answer.status_code} {answer.data[:12]!r}")
def test_without_keys_nobody_can_say_whether_a_token_holds(
    issuer: Issuer, clock: MonotonicClock, answer: Response
) -> None:
    verifies = verifier(issuer)
    issuer.answer = answer
    with pytest.raises(KeysUnavailable):
        user_of(verifies, issuer.token())
    issuer.answer = None
    with pytest.raises(KeysUnavailable):  # not asked again at once
        user_of(verifies, issuer.token())
    assert len(issuer.asked) == 1
    clock.on(FIRST_PAUSE_SECONDS)
    assert user_of(verifies, issuer.token()) == "ada"


@pytest.mark.parametrize("answer", AWAY, ids=lambda answer: f"{answer.status_code} {answer.data[:12]!r}")
def test_the_last_keys_go_on_being_used_while_the_issuer_is_away(
    issuer: Issuer, clock: MonotonicClock, answer: Response
) -> None:
    verifies = verifier(issuer)
    user_of(verifies, issuer.token())
    issuer.answer = answer
    for _ in range(3):
        clock.on(10 * FRESH_SECONDS)
        assert user_of(verifies, issuer.token("grace")) == "grace"
    with pytest.raises(KeysUnavailable):  # it may be one that the issuer has since
        user_of(verifies, issuer.token(key="two"))
    issuer.answer = None
    issuer.publish("two")
    clock.on(PAUSE_SECONDS)
    assert user_of(verifies, issuer.token("grace", key="two")) == "grace"


def test_nobody_waits_while_keys_that_are_there_are_looked_at_again(
    clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    asked, asked_again, may_answer = threading.Event(), threading.Event(), threading.Event()
    document = {"keys": [jwk(private_key("RS256"), kid="one")]}

    def fetch() -> dict[str, Any]:
        if asked.is_set():
            asked_again.set()
            assert may_answer.wait(10)
        asked.set()
        return document

    keys = PublishedKeys(fetch)
    held = keys.current()
    clock.on(FRESH_SECONDS)
    with ThreadPoolExecutor(1) as aside:
        looking = aside.submit(keys.current)
        assert asked_again.wait(10)
        assert keys.current() is held
        with pytest.raises(KeysUnavailable):  # a key that is new is waited for a moment
            keys.newer_than(held)
        may_answer.set()
        assert looking.result() is held


def test_where_a_request_can_be_postponed_no_thread_waits_for_a_new_key(clock: MonotonicClock) -> None:
    """It comes again after twice as long each time, and is told that the keys cannot be had when patience ends."""

    class Postponed(Exception): ...

    def postpone(seconds: float) -> NoReturn:
        raise Postponed(seconds)

    documents: Queue[dict[str, Any]] = Queue()
    documents.put({"keys": []})
    keys = PublishedKeys(documents.get)
    held = keys.current()
    clock.on(PAUSE_SECONDS)
    waits: list[float] = []

    def come_again() -> None:
        while True:
            try:
                keys.newer_than(held, postpone)
            except Postponed as postponed:
                waits.append(postponed.args[0])
                clock.on(waits[-1])

    with pytest.raises(KeysUnavailable):
        come_again()
    assert waits[:4] == [pytest.approx(seconds) for seconds in (0.05, 0.05, 0.1, 0.2)]
    assert sum(waits) == pytest.approx(jwks.PATIENCE_SECONDS)
    clock.on(-jwks.PATIENCE_SECONDS)
    documents.put({"keys": [jwk(private_key("RS256"), kid="new")]})
    newer = keys.newer_than(held)
    assert newer != held
    assert keys.newer_than(held, postpone) is newer


def test_an_issuer_that_does_not_come_to_an_end_freezes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask: all wait for one fetch, a moment from its start, and then are told at once to come again."""
    impatient(monkeypatch)
    may_end, fetches = threading.Event(), 0

    def fetch() -> dict[str, Any]:
        nonlocal fetches
        fetches += 1
        may_end.wait(60)
        raise OSError

    keys = PublishedKeys(fetch)

    def ask(_: int) -> float:
        begun = time.monotonic()
        with pytest.raises(KeysUnavailable):
            keys.current()
        return time.monotonic() - begun

    with ThreadPoolExecutor(8) as at_once:
        assert max(at_once.map(ask, range(8))) < PATIENCE_SECONDS + 5
        assert sum(at_once.map(ask, range(200))) < 5
    assert fetches == 1
    may_end.set()


def test_after_a_fetch_that_failed_nobody_waits_long_for_the_next(
    clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    may_end = threading.Event()
    answers: list[Exception | None] = [OSError(), None]

    def fetch() -> dict[str, Any]:
        if error := answers.pop(0):
            raise error
        may_end.wait(60)
        return {"keys": []}

    keys = PublishedKeys(fetch)
    with pytest.raises(KeysUnavailable):
        keys.current()
    clock.on(FIRST_PAUSE_SECONDS)
    begun = time.perf_counter()
    with pytest.raises(KeysUnavailable):
        keys.current()
    assert time.perf_counter() - begun < PATIENCE_SECONDS
    may_end.set()


def test_a_fetch_that_raises_whatever_it_likes_is_one_that_failed(clock: MonotonicClock) -> None:
    def fetch() -> dict[str, Any]:
        raise RecursionError

    keys = PublishedKeys(fetch)
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            keys.current()
        clock.on(FIRST_PAUSE_SECONDS)


# The cluster's own keys -----------------------------------------------------------------------------------------------


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kubernetes, "_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("the pod's own")
    return tmp_path


def test_the_kubernetes_api_is_asked_with_the_pods_own_token(
    issuer: Issuer, account: Path, httpserver: HTTPServer
) -> None:
    user_of(verifier(issuer, api=httpserver.url_for("")), issuer.token())
    assert issuer.headers["Authorization"] == "Bearer the pod's own"


def test_nobody_else_is_given_the_pods_token(issuer: Issuer, account: Path) -> None:
    user_of(verifier(issuer), issuer.token())
    assert "Authorization" not in issuer.headers


def test_the_clusters_authority_is_trusted_for_its_own_api_alone(account: Path, tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(account / "ca.crt"))
    with HTTPServer(ssl_context=_server_context(authority)) as server:
        issuer = Issuer.on(server)
        assert user_of(verifier(issuer, api=server.url_for("")), issuer.token()) == "ada"
        with pytest.raises(KeysUnavailable):
            user_of(verifier(issuer), issuer.token())


def _server_context(authority: Any) -> Any:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def test_a_request_says_what_it_wants_and_no_more(issuer: Issuer, httpserver: HTTPServer) -> None:
    seen: list[Request] = []
    httpserver.expect_request("/other").respond_with_handler(lambda r: seen.append(r) or Response("{}"))  # type: ignore[func-returns-value]
    jwks.fetch(httpserver.url_for("/other"), kubernetes_api=API)
    assert seen[0].headers["Accept"] == "application/json"
    assert "Cookie" not in seen[0].headers
