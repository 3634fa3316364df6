"""Signing in at the stand-in: the code flow with PKCE as its standards have it, and what it refuses."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from knative.local import sign_in, taskmaster_setup
from knative.local.gateway import Gateway
from knative.local.identity_provider import IdentityProvider
from knative.local.processes import free_port
from knative.local.serving import Serving
from knative.local.sign_in import CLIENT
from knative.local.web import WebServer
from taskmaster.identity import callers, oidc
from taskmaster.settings import read

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def provider(tmp_path: Path):  # type: ignore[no-untyped-def]
    port = free_port()
    provider = IdentityProvider(tmp_path / "key.pem", issuer=f"http://localhost:{port}", audience="taskmaster")
    serving = Serving([], cwd=tmp_path, sources={}, env={}, on_line=lambda name, line: None)
    web = WebServer(Gateway(serving, [], provider=provider), port=port)
    yield provider
    web.stop()
    serving.stop()


class Browser:
    """A cookie jar that follows no redirect by itself."""

    def __init__(self, provider: IdentityProvider) -> None:
        self.provider, self.session = provider, requests.Session()

    def open_link(self, user: str = "ada") -> requests.Response:
        """What the script of the link's document does."""
        token = self.provider.link(user).partition("#")[2]
        return self.session.post(f"{self.provider.issuer}/sign-in", json={"token": token}, timeout=5)

    def authorize(self, **changed: str) -> requests.Response:
        query = {
            "response_type": "code", "client_id": CLIENT, "redirect_uri": f"{self.provider.issuer}/", "scope": "openid",
            "state": "a state", "nonce": "a nonce", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            **changed,
        }  # fmt: skip
        url = f"{self.provider.issuer}/authorize"
        return self.session.get(url, params=query, allow_redirects=False, timeout=5)

    def code(self) -> str:
        return said(self.authorize())["code"]

    def redeem(self, code: str, /, **changed: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code", "client_id": CLIENT, "redirect_uri": f"{self.provider.issuer}/",
            "code": code, "code_verifier": VERIFIER, **changed,
        }  # fmt: skip
        return requests.post(f"{self.provider.issuer}/token", data=form, timeout=5)


def said(answer: requests.Response) -> dict[str, str]:
    """What a redirect back to the client says."""
    assert answer.status_code == 303
    return {name: value for name, [value] in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@pytest.fixture
def browser(provider: IdentityProvider) -> Browser:
    return Browser(provider)


def test_the_link_signs_in_and_its_token_is_in_the_fragment_alone(browser: Browser) -> None:
    link = urlsplit(browser.provider.link("ada"))
    assert (link.path, link.query, bool(link.fragment)) == ("/sign-in", "", True)
    page = requests.get(f"{browser.provider.issuer}/sign-in", timeout=5)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    answer = browser.open_link()
    location = urlsplit(answer.json()["location"])
    assert (location.path, parse_qs(location.query)) == ("/", {"iss": [browser.provider.issuer]})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/authorize" in cookie


def test_a_code_becomes_tokens_that_the_functions_take(browser: Browser) -> None:
    browser.open_link()
    back = said(browser.authorize())
    assert (back["state"], back["iss"]) == ("a state", browser.provider.issuer)
    answer = browser.redeem(back["code"])
    assert answer.headers["Cache-Control"] == "no-store"
    granted = answer.json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    issuer = oidc.verifier_of_users(read(taskmaster_setup.identity_settings(browser.provider)))
    assert callers.caller(f"Bearer {granted['access_token']}", tokens=issuer).user_id == "ada"
    claims = jwt.decode(granted["id_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["sub"], claims["nonce"]) == (CLIENT, "ada", "a nonce")


def test_a_refresh_token_gives_further_ones(browser: Browser) -> None:
    browser.open_link()
    granted = browser.redeem(browser.code()).json()
    form = {"grant_type": "refresh_token", "client_id": CLIENT}
    token = f"{browser.provider.issuer}/token"
    again = requests.post(token, data={**form, "refresh_token": granted["refresh_token"]}, timeout=5)
    assert again.json()["access_token"] != granted["access_token"]
    for other in ("access_token", "id_token"):
        refused = requests.post(token, data={**form, "refresh_token": granted[other]}, timeout=5)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})


def test_none_of_its_other_tokens_is_an_access_token(browser: Browser) -> None:
    """A link, a session or a refresh token that leaks into a call opens nothing."""
    issuer = oidc.verifier_of_users(read(taskmaster_setup.identity_settings(browser.provider)))
    for kind in (sign_in.LINK, sign_in.SESSION, sign_in.REFRESH):
        token = browser.provider.sign(kind, "ada", seconds=60, audience=browser.provider.issuer)
        with pytest.raises(callers.NotSignedIn):
            callers.caller(f"Bearer {token}", tokens=issuer)


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code": "another"},
        {"redirect_uri": "http://localhost:1/"},
    ],
)
def test_a_code_is_redeemed_by_whoever_asked_for_it(browser: Browser, changed: dict[str, str]) -> None:
    browser.open_link()
    code = browser.code()
    assert browser.redeem(code, **changed).json() == {"error": "invalid_grant"}


def test_a_code_holds_once_and_for_a_minute(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.open_link()
    code = browser.code()
    assert browser.redeem(code).status_code == 200
    assert browser.redeem(code).json() == {"error": "invalid_grant"}
    monkeypatch.setattr(sign_in, "_CODE_SECONDS", 0)
    assert browser.redeem(browser.code()).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changed", [{"client_id": "another"}, {"redirect_uri": "http://evil.example/"}, {"redirect_uri": ""}]
)
def test_nobody_is_sent_to_another_address(browser: Browser, changed: dict[str, str]) -> None:
    """RFC 6749, 4.1.2.1."""
    browser.open_link()
    answer = browser.authorize(**changed)
    assert (answer.status_code, "Location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
    ],
)
def test_there_is_no_flow_without_pkce(browser: Browser, changed: dict[str, str], error: str) -> None:
    browser.open_link()
    assert said(browser.authorize(**changed))["error"] == error


def test_a_stranger_is_shown_how_and_is_not_asked_by_prompt_none(browser: Browser) -> None:
    shown = browser.authorize()
    assert (shown.status_code, "make link" in shown.text) == (200, True)
    assert said(browser.authorize(prompt="none"))["error"] == "login_required"


def test_signing_out_forgets_the_person(browser: Browser) -> None:
    browser.open_link()
    end = f"{browser.provider.issuer}/end-session"
    target = f"{browser.provider.issuer}/"
    answer = browser.session.get(end, params={"post_logout_redirect_uri": target}, allow_redirects=False, timeout=5)
    assert answer.headers["Location"] == target
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    elsewhere = requests.get(
        end, params={"post_logout_redirect_uri": "http://evil.example/"}, allow_redirects=False, timeout=5
    )
    assert elsewhere.headers["Location"] == "/sign-in"


@pytest.mark.parametrize("kind", ["at+jwt", sign_in.SESSION, sign_in.REFRESH])
def test_only_the_token_of_a_link_is_remembered(browser: Browser, kind: str) -> None:
    token = browser.provider.sign(kind, "ada", seconds=60, audience=browser.provider.issuer)
    answer = requests.post(f"{browser.provider.issuer}/sign-in", json={"token": token}, timeout=5)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 7}', b'{"token": "x.y.z"}', b"[" * 20_000])
def test_a_body_that_is_no_link_is_refused(browser: Browser, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{browser.provider.issuer}/sign-in", data=body, headers=headers, timeout=5)
    assert answer.status_code == 403


def test_another_web_page_cannot_sign_anybody_in(browser: Browser) -> None:
    """A form of another origin can send no JSON."""
    token = browser.provider.link("eve").partition("#")[2]
    body = json.dumps({"token": token})
    headers = {"Content-Type": "text/plain"}
    answer = requests.post(f"{browser.provider.issuer}/sign-in", data=body, headers=headers, timeout=5)
    assert answer.status_code == 415
