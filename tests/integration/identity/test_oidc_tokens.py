"""Who signs in with an identity provider: what its tokens must be, and what is said to those that are not."""

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_httpserver import HTTPServer
from werkzeug import Response
from werkzeug.test import TestResponse

from bounded_waitress.postponing import Postponed, postpone
from taskmaster.identity import jws
from tests.support import tokens
from tests.support.function_pack import Pack
from tests.support.issuer import ALGORITHMS, AUDIENCE, Issuer, jwk, private_key, private_rsa_key


@dataclass
class SignedIn:
    """The pack with an identity provider, whose keys are found by discovery."""

    pack: Pack
    issuer: Issuer

    def ask(self, token: str, *, scheme: str = "Bearer", method: str = "GET", **headers: str) -> TestResponse:
        body = {"title": "x"} if method == "POST" else None
        function = "create-task" if method == "POST" else "query-tasks"
        return self.pack.call(function, method, "/tasks", body, Authorization=f"{scheme} {token}", **headers)

    def configure(self, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        self.pack.restart()


@pytest.fixture
def signed_in(pack: Pack, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    issuer = Issuer.on(httpserver)
    signed_in = SignedIn(pack, issuer)
    signed_in.configure(monkeypatch, **issuer.settings, OIDC_JWKS="")
    return signed_in


def expect_unsigned(answer: TestResponse, said: str = "", *, error: str = "invalid_token") -> None:
    """A 401 with a challenge as RFC 6750 has it, whose description is what the problem says."""
    assert answer.status_code == 401, answer.text
    assert answer.content_type == "application/problem+json"
    detail = (answer.json or {})["detail"]
    assert said in detail
    expected = f'Bearer realm="taskmaster", error="{error}", error_description="{detail}"'
    assert answer.headers["WWW-Authenticate"] == (expected if error else 'Bearer realm="taskmaster"')


# Who gets in ----------------------------------------------------------------------------------------------------------


def test_a_token_of_the_issuer_says_who_it_is(signed_in: SignedIn) -> None:
    token = signed_in.issuer.token(signed_in.pack.user)
    assert signed_in.ask(token, method="POST").status_code == 201
    assert [task["title"] for task in (signed_in.ask(token).json or {})["tasks"]] == ["x"]
    assert signed_in.ask(signed_in.issuer.token("somebody else")).json == {"tasks": [], "next_cursor": None}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("named", [True, False], ids=["key names its algorithm", "key names none"])
def test_any_asymmetric_algorithm_will_do(signed_in: SignedIn, algorithm: str, named: bool) -> None:
    issuer = signed_in.issuer
    issuer.keys = [jwk(private_key(algorithm), kid="one", alg=algorithm if named else None)]
    assert signed_in.ask(issuer.token(algorithm=algorithm)).status_code == 200


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
def test_an_access_token_may_say_that_it_is_one(signed_in: SignedIn, kind: str | None) -> None:
    assert signed_in.ask(signed_in.issuer.token(header={"typ": kind})).status_code == 200


def test_one_of_several_audiences_is_enough(signed_in: SignedIn) -> None:
    assert signed_in.ask(signed_in.issuer.token(aud=["other", AUDIENCE])).status_code == 200


def test_clocks_may_differ_by_half_a_minute(signed_in: SignedIn) -> None:
    import time

    now = int(time.time())
    for claims in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}):
        assert signed_in.ask(signed_in.issuer.token(claims=claims)).status_code == 200, claims
    for claims in ({"exp": now - 40}, {"nbf": now + 60}, {"iat": now + 60}):
        assert signed_in.ask(signed_in.issuer.token(claims=claims)).status_code == 401, claims


def test_the_user_may_be_another_claim(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = "https://example.com/user"
    signed_in.configure(monkeypatch, OIDC_USER_CLAIM=claim)
    token = signed_in.issuer.token("a number of theirs", claims={claim: signed_in.pack.user})
    assert signed_in.ask(token, method="POST").status_code == 201
    assert len(signed_in.pack.sql("SELECT 1 FROM task WHERE user_id = %(user)s", user=signed_in.pack.user)) == 1
    expect_unsigned(signed_in.ask(signed_in.issuer.token()), f"has no claim {claim}")
    expect_unsigned(signed_in.ask(signed_in.issuer.token(claims={claim: 7})), "is no text")


def test_keys_may_be_a_setting(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = json.dumps({"keys": signed_in.issuer.keys})
    signed_in.configure(monkeypatch, OIDC_JWKS=keys, OIDC_ISSUER="of any name")
    assert signed_in.ask(signed_in.issuer.token(iss="of any name")).status_code == 200
    expect_unsigned(signed_in.ask(signed_in.issuer.token(iss="of any name", key="two")))
    assert signed_in.issuer.asked == []


def test_a_token_that_held_is_not_verified_again_until_it_ends(
    signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    token = signed_in.issuer.token()
    assert signed_in.ask(token).status_code == 200
    monkeypatch.setattr(jws, "is_signed_by", None)
    assert signed_in.ask(token).status_code == 200
    later = time.time() + 120
    monkeypatch.setattr("taskmaster.identity.callers.time.time", lambda: later)
    expect_unsigned(signed_in.ask(token), "has expired")


# Who does not ---------------------------------------------------------------------------------------------------------


def unsigned(header: Any, claims: Any) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, claims, b"")
    )


def with_the_public_key_as_a_secret(issuer: Issuer) -> str:
    """The old confusion: what everybody can read, used as the key of an HMAC."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization

    public = private_key("RS256").public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": 2**40}
    signing = unsigned({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims).rstrip(".")
    mac = hmac.new(secret, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_parts(issuer: Issuer, *, claims: str = "ada", signature: str = "ada") -> str:
    """The claims of one token under the signature of another."""
    head, body, _ = issuer.token(claims).split(".")
    return f"{head}.{body}.{issuer.token(signature).split('.')[2]}"


OURS = "not one of ours"
CLAIMS = {"iss": "https://issuer.example", "aud": AUDIENCE, "sub": "ada", "exp": 2**40}
# What is wrong: the token, and what is said of it.
WRONG: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "no JWT": (lambda i: "abc", OURS),
    "two parts": (lambda i: "a.b", OURS),
    "four parts": (lambda i: i.token() + ".x", OURS),
    "nothing in its parts": (lambda i: "..", OURS),
    "another issuer's": (lambda i: tokens.token("ada"), OURS),
    "no signature": (lambda i: i.token().rpartition(".")[0] + ".", OURS),
    "another's signature": (lambda i: with_parts(i, signature="grace"), OURS),
    "other claims": (lambda i: with_parts(i, claims="grace"), OURS),
    "algorithm none": (lambda i: unsigned({"alg": "none", "kid": "one"}, CLAIMS), OURS),
    "algorithm NoNe": (lambda i: unsigned({"alg": "NoNe", "kid": "one"}, CLAIMS), OURS),
    "no algorithm": (lambda i: unsigned({"kid": "one"}, CLAIMS), OURS),
    "an algorithm that is no text": (lambda i: unsigned({"alg": ["RS256"], "kid": "one"}, CLAIMS), OURS),
    "a shared secret": (lambda i: jwt.encode(CLAIMS, "s" * 64, algorithm="HS256", headers={"kid": "one"}), OURS),
    "the public key as a secret": (with_the_public_key_as_a_secret, OURS),
    "another key under the same id": (lambda i: i.token(private=private_key("RS256", "two")), OURS),
    "an algorithm that its key is not for": (lambda i: i.token(algorithm="PS256", header={"kid": "rs256 alone"}), OURS),
    "another kind of key": (lambda i: i.token(algorithm="ES256"), OURS),
    "a key that it brings along": (
        lambda i: i.token(key="two", header={"jwk": jwk(private_key("RS256", "two"))}),
        OURS,
    ),
    "an address of keys": (lambda i: i.token(key="two", header={"jku": f"{i.url}/keys"}), OURS),
    "a key id that is no text": (lambda i: unsigned({"alg": "RS256", "kid": {"$ne": 1}}, CLAIMS), OURS),
    "a path as a key id": (lambda i: i.token(header={"kid": "../../etc/passwd"}), OURS),
    "a key that is too short": (
        lambda i: i.token(private=private_rsa_key("short", 1024), header={"kid": "short"}),
        OURS,
    ),
    "a critical extension": (lambda i: i.token(header={"crit": ["x"], "x": 1}), OURS),
    "a logout token": (lambda i: i.token(header={"typ": "logout+jwt"}), OURS),
    "another issuer": (lambda i: i.token(iss="https://other.example"), "another issuer"),
    "an issuer with a slash": (lambda i: i.token(iss=i.url + "/"), "another issuer"),
    "no issuer": (lambda i: i.token(iss=None), "no claim iss"),
    "another audience": (lambda i: i.token(aud="other"), "another audience"),
    "an audience that only begins so": (lambda i: i.token(aud=AUDIENCE + "-admin"), "another audience"),
    "audiences of numbers": (lambda i: i.token(aud=[7]), "another audience"),
    "no audience": (lambda i: i.token(aud=None), "no claim aud"),
    "expired": (lambda i: i.token(seconds=-60), "has expired"),
    "for ever": (lambda i: i.token(exp=None), "no claim exp"),
    "until a word": (lambda i: i.token(exp="later"), OURS),
    "until infinity": (lambda i: i.token(exp=float("inf")), OURS),
    "until no number": (lambda i: i.token(exp=float("nan")), OURS),
    "until a list": (lambda i: i.token(exp=[2**40]), OURS),
    "not yet": (lambda i: i.token(nbf=2**40), "does not hold yet"),
    "made tomorrow": (lambda i: i.token(iat=2**40), "does not hold yet"),
    "nobody's": (lambda i: i.token(None), "no claim sub"),
    "the empty user's": (lambda i: i.token(""), "a user id has"),
    "a number's": (lambda i: i.token(claims={"sub": 7}), OURS),
    "a NUL's": (lambda i: i.token("a\0"), "a user id has"),
    "a user's with a blank before it": (lambda i: i.token(" ada"), "no blank at its ends"),
    "a user's with a blank behind it": (lambda i: i.token("ada "), "no blank at its ends"),
    "a blank's": (lambda i: i.token(" "), "no blank at its ends"),
    "a user's on two lines": (lambda i: i.token("ada\n"), "a user id has"),
    "too long a user's": (lambda i: i.token("u" * 129), "a user id has"),
    "a look-alike's": (lambda i: i.token("аda"), "a user id has"),  # the first letter is Cyrillic
    "too long": (lambda i: i.token(padding="x" * 20_000), "too long"),
    "deep": (lambda i: unsigned({"alg": "RS256", "kid": "one"}, b"[" * 8_000), OURS),
    "a number of thousands of digits": (
        lambda i: unsigned(b'{"alg": "RS256", "n": ' + b"9" * 9_000 + b"}", CLAIMS),
        OURS,
    ),
    "claims that are no object": (lambda i: unsigned({"alg": "RS256", "kid": "one"}, ["ada"]), OURS),
    "not ASCII": (lambda i: "ä.ö.ü", OURS),
}


@pytest.mark.parametrize("which", WRONG)
def test_a_token_that_does_not_hold_signs_nobody_in(signed_in: SignedIn, which: str) -> None:
    issuer = signed_in.issuer
    issuer.keys += [
        jwk(private_key("RS256"), kid="rs256 alone", alg="RS256"),
        jwk(private_rsa_key("short", 1024), kid="short"),
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 64).decode(), "kid": "secret", "alg": "HS256"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": ["RSA"]},
    ]
    tasks_of_ada = "SELECT count(*) FROM task WHERE user_id IN ('ada', 'grace')"
    before = signed_in.pack.sql(tasks_of_ada)
    sign, said = WRONG[which]
    token = sign(issuer)
    for method in ("GET", "POST"):
        answer = signed_in.ask(token, method=method)
        expect_unsigned(answer, said)
        assert token not in answer.text
    assert signed_in.pack.sql(tasks_of_ada) == before


@pytest.mark.parametrize(
    "members", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"alg": "RSA-OAEP"}]
)
def test_a_key_that_is_not_for_signatures_verifies_none(signed_in: SignedIn, members: dict[str, Any]) -> None:
    signed_in.issuer.keys = [jwk(private_key("RS256"), **{"kid": "one", **members})]
    expect_unsigned(signed_in.ask(signed_in.issuer.token()))


def test_a_curve_that_is_not_its_algorithms_verifies_nothing(signed_in: SignedIn) -> None:
    signed_in.issuer.keys = [jwk(ec.generate_private_key(ec.SECP384R1()), kid="one")]
    expect_unsigned(signed_in.ask(signed_in.issuer.token(algorithm="ES256")))


def test_without_a_token_the_challenge_names_no_error(signed_in: SignedIn) -> None:
    for scheme, token in [("Basic", "YTpi"), ("Bearer", ""), ("", ""), ("Token", signed_in.issuer.token())]:
        expect_unsigned(signed_in.ask(token, scheme=scheme), "Authorization: Bearer TOKEN", error="")
    assert signed_in.issuer.asked == []


def test_where_nobody_can_sign_in_the_operator_is_told_what_to_set(
    signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.configure(monkeypatch, OIDC_ISSUER="", OIDC_AUDIENCE="")
    for token in ("", signed_in.issuer.token(), tokens.token("ada")):
        expect_unsigned(signed_in.ask(token), "OIDC_ISSUER and OIDC_AUDIENCE", error="")


# While the issuer is away ---------------------------------------------------------------------------------------------


def test_an_issuer_that_is_away_is_no_fault_of_the_callers(
    signed_in: SignedIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskmaster.log.configure", lambda _: None)  # it would take pytest's ear away
    signed_in.issuer.answer = Response(status=500)
    answer = signed_in.ask(signed_in.issuer.token())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert signed_in.issuer.url not in answer.text
    assert signed_in.issuer.url not in caplog.text
    assert "the keys of a token issuer cannot be had: ValueError" in caplog.text


def test_keys_are_fetched_while_no_transaction_is_open(signed_in: SignedIn, httpserver: HTTPServer) -> None:
    def keys(_: Any) -> Response:
        open_then.extend(
            signed_in.pack.sql(
                "SELECT state FROM pg_stat_activity WHERE usename LIKE 'taskmaster%%' AND state <> 'idle'"
                " AND datname = current_database()"
            )
        )
        return Response(json.dumps({"keys": signed_in.issuer.keys}))

    open_then: list[Any] = []
    httpserver.expect_oneshot_request("/realm/keys").respond_with_handler(keys)
    assert signed_in.ask(signed_in.issuer.token(), method="POST").status_code == 201
    assert open_then == []


def test_a_call_with_a_new_key_waits_as_the_server_postpones_it(
    signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    """No thread waits with it while the keys are fetched: others, whose key is known, need the threads."""
    monkeypatch.setattr("taskmaster.identity.jwks.PAUSE_SECONDS", 0)
    signed_in.issuer.publish("one", "two")
    assert signed_in.ask(signed_in.issuer.token()).status_code == 200
    may_answer = Event()

    def keys(_: Any) -> Response:
        may_answer.wait(20)
        return Response(json.dumps({"keys": signed_in.issuer.keys}))

    httpserver.expect_oneshot_request("/realm/keys").respond_with_handler(keys)
    headers = {"Authorization": f"Bearer {signed_in.issuer.token(key='three')}"}
    server = {"bounded_waitress.postpone": postpone}
    with pytest.raises(Postponed):
        signed_in.pack.client("query-tasks").get("/tasks", headers=headers, environ_overrides=server)
    assert signed_in.ask(signed_in.issuer.token(key="two")).status_code == 200
    may_answer.set()


def test_why_a_token_was_rejected_is_for_the_log(
    signed_in: SignedIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskmaster.log.configure", lambda _: None)
    token = signed_in.issuer.token(aud="other")
    with caplog.at_level(logging.DEBUG):
        signed_in.ask(token)
    said = [{**vars(record), **getattr(record, "fields", {})} for record in caplog.records]
    [line] = [each for each in said if each.get("error.type") == "token rejected"]
    assert line["error.message"] == "This token is for another audience."
    for part in token.split("."):
        assert part not in str(said)
