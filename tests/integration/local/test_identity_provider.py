"""The stand-in's identity provider: documents as an OpenID client wants them, and tokens that it verifies."""

import json
import stat
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import jwt
import pytest
import requests

from knative.local import taskmaster_setup
from knative.local.gateway import Gateway
from knative.local.identity_provider import IdentityProvider, WrongKeyError
from knative.local.processes import free_port
from knative.local.serving import Serving
from knative.local.up import ENVIRONMENT, IDENTITY_KEY
from knative.local.web import WebServer
from taskmaster.cli import keypair
from taskmaster.identity import callers, oidc
from taskmaster.settings import read
from tests.support.issuer import private_key

ROOT = Path(__file__).parents[3]
ABOUT = "/.well-known/openid-configuration"


@pytest.fixture
def provider(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Behind the gateway, as on a laptop, with no function at all."""
    port = free_port()
    provider = taskmaster_setup.identity_provider(tmp_path / IDENTITY_KEY, issuer=f"http://localhost:{port}")
    serving = Serving([], cwd=tmp_path, sources={}, env={}, on_line=lambda name, line: None)
    web = WebServer(Gateway(serving, [], provider=provider), port=port)
    yield provider
    web.stop()
    serving.stop()


def test_an_openid_client_finds_the_keys_and_verifies_a_token(provider: IdentityProvider) -> None:
    """OpenID Connect Discovery 1.0, 3 and 4; RFC 7517; RFC 9068, 2."""
    answer = requests.get(provider.issuer + ABOUT, timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    about = answer.json()
    assert about["issuer"] == provider.issuer
    assert {"jwks_uri", "response_types_supported", "subject_types_supported"} <= about.keys()
    token = provider.token("ada", seconds=60)
    key = jwt.PyJWKClient(about["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token, key, algorithms=about["id_token_signing_alg_values_supported"], audience="taskmaster",
        issuer=about["issuer"], options={"require": ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"]},
    )  # fmt: skip
    assert claims["sub"] == "ada"
    assert claims["exp"] - claims["iat"] == 60
    assert UUID(claims["jti"])
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def test_the_functions_accept_its_tokens_as_any_issuers(provider: IdentityProvider) -> None:
    issuer = oidc.verifier_of_users(read(taskmaster_setup.identity_settings(provider)))
    for user in ("ada", "a" * 128):
        assert callers.caller(f"Bearer {provider.token(user, seconds=60)}", tokens=issuer).user_id == user
    with pytest.raises(callers.NotSignedIn, match="has expired"):
        callers.caller(f"Bearer {provider.token('ada', seconds=-60)}", tokens=issuer)


def test_each_token_is_another(provider: IdentityProvider) -> None:
    assert provider.token("ada", seconds=60) != provider.token("ada", seconds=60)


def test_only_the_public_half_is_published(provider: IdentityProvider) -> None:
    [key] = requests.get(f"{provider.issuer}/.well-known/jwks.json", timeout=5).json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert (key["kty"], key["alg"], key["use"]) == ("EC", "ES256", "sig")


def test_a_key_id_is_the_thumbprint_that_taskmaster_keys_gives(tmp_path: Path) -> None:
    """RFC 7638. The stand-in imports nothing of taskmaster, so two programs work it out."""
    file = tmp_path / "key.pem"
    file.write_bytes(keypair.new())
    [ours] = json.loads(keypair.public_keys(file.read_bytes()))["keys"]
    assert taskmaster_setup.identity_provider(file, issuer="http://localhost").keys() == {"keys": [ours]}


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("HEAD", ABOUT, "", 200),
        ("POST", ABOUT, "", 405),
        ("GET", ABOUT + "/", "", 404),
        ("GET", "/.well-known/other", "", 404),
        ("GET", "/authorize", "evil.example", 404),
        ("GET", "/authorize/", "", 404),
        ("GET", ABOUT, "evil.example", 404),  # a name that was made to lead here
        ("GET", ABOUT, "create-task.default.svc", 404),
    ],
)
def test_nothing_else_is_served(provider: IdentityProvider, method: str, path: str, host: str, status: int) -> None:
    headers = {"Host": host} if host else {}
    assert requests.request(method, provider.issuer + path, headers=headers, timeout=5).status_code == status


# The key --------------------------------------------------------------------------------------------------------------


def test_the_private_key_is_its_owners_and_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / IDENTITY_KEY
    first = taskmaster_setup.identity_provider(file, issuer="http://localhost:1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert taskmaster_setup.identity_provider(file, issuer="http://localhost:1").keys() == first.keys()


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", "ES384", "RS256"])
def test_a_file_without_such_a_key_is_one_sentence(tmp_path: Path, content: bytes | str) -> None:
    from tests.integration.cli.test_cli import pem

    file = tmp_path / IDENTITY_KEY
    before = content if isinstance(content, bytes) else pem(private_key(content))
    file.write_bytes(before)
    with pytest.raises(WrongKeyError, match="remove it, and another is made"):
        taskmaster_setup.identity_provider(file, issuer="http://localhost:1")
    assert file.read_bytes() == before


# make token -----------------------------------------------------------------------------------------------------------


def token(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`python -m knative.local token`, beside a platform that says it runs."""
    command = [sys.executable, "-m", "knative.local", "token", "--root", str(root), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    state = tmp_path / ".local"
    state.mkdir()
    provider = taskmaster_setup.identity_provider(state / IDENTITY_KEY, issuer="http://localhost:8080")
    (state / ENVIRONMENT).write_text(json.dumps(taskmaster_setup.identity_settings(provider)))
    return tmp_path


def test_the_command_prints_a_token_and_nothing_else(project: Path) -> None:
    done = token(project, "ada", "--days", "2")
    assert (done.returncode, done.stderr) == (0, "")
    provider = taskmaster_setup.identity_provider(project / ".local" / IDENTITY_KEY, issuer="http://localhost:8080")
    key = jwt.PyJWK(provider.keys()["keys"][0])
    claims = jwt.decode(done.stdout.strip(), key, audience="taskmaster", issuer="http://localhost:8080")
    assert claims["sub"] == "ada"
    assert 86_400 < claims["exp"] - time.time() <= 2 * 86_400


@pytest.mark.parametrize(
    ("user", "said"), [("", "a user has 1 to 255 ASCII"), ("u" * 256, "1 to 255"), ("ä", "1 to 255 ASCII characters")]
)
def test_a_token_for_nobody_is_one_sentence(project: Path, user: str, said: str) -> None:
    done = token(project, user)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said in done.stderr


@pytest.mark.parametrize("gone", [ENVIRONMENT, IDENTITY_KEY])
def test_a_token_of_what_does_not_run_is_one_sentence(project: Path, gone: str) -> None:
    (project / ".local" / gone).unlink()
    done = token(project, "ada")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "python -m knative.local up" in done.stderr
    assert not (project / ".local" / gone).exists()
