"""The settings of who may sign in: what contradicts itself, or would let everybody in, ends a function at its start."""

import json

import pytest

from taskmaster.cli import keypair
from taskmaster.settings import read
from tests.support.issuer import jwk, private_key
from tests.unit.test_settings import refusal

ISSUER = "https://login.example.com"
KEYS = json.dumps({"keys": [jwk(private_key("ES256"), kid="one")]})


@pytest.mark.parametrize("prefix", ["", "EVENT_"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "a"},
        {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "a", "OIDC_JWKS_URL": "https://keys.example.com/"},
        {"OIDC_ISSUER": "any name", "OIDC_AUDIENCE": "a", "OIDC_JWKS_URL": "http://keys.team.svc:8080/keys"},
        {"OIDC_ISSUER": "any name", "OIDC_AUDIENCE": "a", "OIDC_JWKS": KEYS},
        {"OIDC_ISSUER": "http://localhost:8080", "OIDC_AUDIENCE": "a"},
        {"OIDC_ISSUER": "http://[::1]:8080", "OIDC_AUDIENCE": "a"},
    ],
)
def test_what_belongs_together_is_taken(prefix: str, variables: dict[str, str]) -> None:
    assert read({prefix + name: value for name, value in variables.items()})


@pytest.mark.parametrize("prefix", ["", "EVENT_"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OIDC_ISSUER": ISSUER}, "OIDC_AUDIENCE is not set"),
        ({"OIDC_AUDIENCE": "a"}, "OIDC_ISSUER is not set"),
        ({"OIDC_JWKS": KEYS}, "OIDC_ISSUER is not set"),
        ({"OIDC_ISSUER": "any name", "OIDC_AUDIENCE": "a"}, "OIDC_ISSUER is wrong: it must be an https address"),
        ({"OIDC_ISSUER": "http://login.example.com", "OIDC_AUDIENCE": "a"}, "OIDC_ISSUER is wrong"),
        (
            {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "a", "OIDC_JWKS": KEYS, "OIDC_JWKS_URL": ISSUER},
            "OIDC_JWKS_URL and {}OIDC_JWKS are both set",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(prefix: str, variables: dict[str, str], said: str) -> None:
    [sentence] = refusal({prefix + name: value for name, value in variables.items()})
    assert sentence.startswith(prefix + said.format(prefix))


@pytest.mark.parametrize(
    "url",
    [
        *("http://keys.example.com", "ftp://keys.example.com", "file:///etc/passwd", "keys.example.com", "https://"),
        *("https://user:password@keys.example.com", "https://keys.example.com#x", "https://[", "http://10.0.0.1/"),
        *("http://localhost.example.com", "http://svc.example.com", "https://keys.example.com:port"),
    ],
)
def test_keys_come_by_https_or_from_near(url: str) -> None:
    [sentence] = refusal({"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "a", "OIDC_JWKS_URL": url})
    assert sentence.startswith("OIDC_JWKS_URL is wrong: it must be an https address")


@pytest.mark.parametrize(
    "text", ["x", "[]", "{}", '{"keys": 7}', '{"keys": [7]}', '{"keys": []}', "[" * 100_000, "null"]
)
def test_keys_that_are_none_are_refused(text: str) -> None:
    sentence, *_ = refusal({"OIDC_JWKS": text})
    assert sentence.startswith("OIDC_JWKS is wrong: it ")


def test_a_private_key_is_refused_and_not_shown() -> None:
    private = {**jwk(private_key("RS256"), kid="one"), "d": "hunter2"}
    symmetric = {"kty": "oct", "k": "hunter2"}
    for key in (private, symmetric):
        [sentence] = refusal({"OIDC_ISSUER": "x", "OIDC_AUDIENCE": "a", "OIDC_JWKS": json.dumps({"keys": [key]})})
        assert sentence.startswith("OIDC_JWKS is wrong: it holds a private key")
        assert "hunter2" not in sentence


def test_a_required_token_needs_an_issuer() -> None:
    [sentence] = refusal({"EVENT_OIDC_REQUIRED": "true"})
    assert sentence.startswith("EVENT_OIDC_ISSUER is not set")


@pytest.mark.parametrize("claim", ["", "a b", 'a"b', "a\\b", "ä b"])
def test_the_users_claim_is_a_name(claim: str) -> None:
    if claim:
        assert refusal({"OIDC_USER_CLAIM": claim})[0].startswith("OIDC_USER_CLAIM is wrong")
    else:
        assert read({"OIDC_USER_CLAIM": claim}).oidc_user_claim == "sub"


@pytest.mark.parametrize(
    "further", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "a"}]
)
def test_a_secret_of_development_tokens_is_no_longer_read(further: dict[str, str]) -> None:
    [sentence] = refusal({**further, "DEV_TOKEN_SECRET": "hunter2"})
    assert sentence.startswith("DEV_TOKEN_SECRET is no longer read")
    assert "OIDC_ISSUER and OIDC_AUDIENCE" in sentence
    assert "hunter2" not in sentence
    assert read({**further, "DEV_TOKEN_SECRET": ""})


def test_the_public_half_of_a_pair_is_a_setting() -> None:
    public = keypair.public_keys(keypair.new())
    assert read({"OIDC_ISSUER": keypair.ISSUER, "OIDC_AUDIENCE": keypair.AUDIENCE, "OIDC_JWKS": public})
