"""Signing in at the stand-in's identity provider: OpenID Connect, authorization code with PKCE, for one public client.

    GET  /sign-in#TOKEN    the link that `up` prints; its script gives the token of the fragment to
    POST /sign-in          which remembers the person in a cookie, and has the client begin (OpenID Connect Core 1.0, 4)
    GET  /authorize        sends whoever is remembered back with a code (RFC 6749, 4.1; RFC 7636, S256 alone)
    POST /token            gives tokens for a code, or for a refresh token
    GET  /end-session      forgets the person (OpenID Connect RP-Initiated Logout 1.0)

There are no passwords: whoever can read the private key, or what `up` printed, can sign in. A code holds once and for
a minute. Nothing here writes a log.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from knative.local.web import Environ, StartResponse

CLIENT = "page"  # the one client, a public one
LINK_SECONDS = 12 * 3600
_SESSION_SECONDS = 30 * 86_400
_ACCESS_SECONDS = 3600
_REFRESH_SECONDS = 12 * 3600
_CODE_SECONDS = 60
_CODES = 1000
_LONGEST_BODY = 16_384

LINK, SESSION, REFRESH = "sign-in+jwt", "session+jwt", "refresh+jwt"

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SAFE = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_DOCUMENT = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>Sign in</title>
<h1>Sign in</h1>
<p id="said">Run <code>make link USER=ada</code> where <code>make up</code> runs, and open the link that it prints.</p>
<script src="/sign-in.js"></script>
</html>
"""
# The fragment is taken off the address first: it stays in no history.
_SCRIPT = """"use strict";
const token = location.hash.slice(1);
history.replaceState(null, "", "/sign-in");
const said = document.getElementById("said");
if (token) {
  said.textContent = "Signing in...";
  fetch("/sign-in", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({token})})
    .then((answer) => answer.json().then((content) => {
      if (answer.ok) location.replace(content.location);
      else said.textContent = content.detail;
    }))
    .catch(() => { said.textContent = "Nothing answers here. Does make up still run?"; });
}
"""


class Tokens(Protocol):
    """What signs and reads the provider's tokens."""

    issuer: str

    def token(self, user: str, *, seconds: float) -> str: ...

    def sign(self, kind: str, user: str, *, seconds: float, audience: str, **claims: str) -> str: ...

    def user_of(self, kind: str, token: str) -> str | None: ...


@dataclass(frozen=True)
class _Code:
    user: str
    challenge: str
    redirect_uri: str
    nonce: str
    ends: float


@dataclass(frozen=True)
class _Reply:
    status: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class SignIn:
    """A WSGI application for the paths that it `serves`, for a client at the issuer's own address."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._redirect_uri = f"{tokens.issuer}/"
        # Cookies know no ports: two stand-ins on one machine are told apart by name.
        self._cookie = f"stand-in-{urlsplit(tokens.issuer).port or 80}"
        self._codes: dict[str, _Code] = {}
        self._endpoints = {
            ("GET", "/sign-in"): self._document,
            ("GET", "/sign-in.js"): self._script,
            ("POST", "/sign-in"): self._remember,
            ("GET", "/authorize"): self._authorize,
            ("POST", "/token"): self._token,
            ("GET", "/end-session"): self._end_session,
        }

    def link(self, user: str) -> str:
        """An address that signs this user in, for twelve hours; the token is in its fragment alone."""
        token = self._tokens.sign(LINK, user, seconds=LINK_SECONDS, audience=self._tokens.issuer)
        return f"{self._tokens.issuer}/sign-in#{token}"

    def discovery(self) -> dict[str, object]:
        """What OpenID Connect Discovery 1.0, 3 and RFC 8414 have a provider say of these endpoints."""
        issuer = self._tokens.issuer
        return {
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "end_session_endpoint": f"{issuer}/end-session",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["openid"],
        }

    def serves(self, path: str) -> bool:
        return any(path == own for _, own in self._endpoints)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        endpoint = self._endpoints.get(("GET" if method == "HEAD" else method, path))
        if endpoint is None:
            allowed = ", ".join(sorted(each for each, own in self._endpoints if own == path))
            reply = _problem("405 Method Not Allowed", f"Use {allowed}.", ("Allow", allowed))
        else:
            reply = endpoint(environ)
        length = ("Content-Length", str(len(reply.body)))
        start_response(reply.status, [*reply.headers, *_SAFE, length])
        return [] if method == "HEAD" else [reply.body]

    # The person --------------------------------------------------------------------------------------------------

    def _document(self, environ: Environ) -> _Reply:
        return _Reply("200 OK", _DOCUMENT.encode(), (("Content-Type", "text/html; charset=utf-8"),))

    def _script(self, environ: Environ) -> _Reply:
        return _Reply("200 OK", _SCRIPT.encode(), (("Content-Type", "text/javascript; charset=utf-8"),))

    def _remember(self, environ: Environ) -> _Reply:
        # A web page elsewhere could make a browser send a plain POST here; JSON it could not.
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip() != "application/json":
            return _problem("415 Unsupported Media Type", "Send application/json.")
        try:
            given = json.loads(_body(environ))["token"]
        except (ValueError, TypeError, KeyError, RecursionError):
            given = None
        user = self._tokens.user_of(LINK, given) if isinstance(given, str) else None
        if user is None:
            return _problem("403 Forbidden", "This link holds no longer. Run make link for another.")
        session = self._tokens.sign(SESSION, user, seconds=_SESSION_SECONDS, audience=self._tokens.issuer)
        location = f"{self._redirect_uri}?{urlencode({'iss': self._tokens.issuer})}"
        return _json("200 OK", {"location": location}, self._set_cookie(session, _SESSION_SECONDS))

    def _end_session(self, environ: Environ) -> _Reply:
        asked = _query(environ)
        where = asked.get("post_logout_redirect_uri", "")
        target = where if where == self._redirect_uri else "/sign-in"
        return _Reply("303 See Other", headers=(("Location", target), self._set_cookie("", 0)))

    # The client --------------------------------------------------------------------------------------------------

    def _authorize(self, environ: Environ) -> _Reply:
        asked = _query(environ)
        # Whoever is not the client is sent nowhere (RFC 6749, 4.1.2.1).
        if asked.get("client_id") != CLIENT or asked.get("redirect_uri") != self._redirect_uri:
            return _problem("400 Bad Request", f"The one client is {CLIENT}, at {self._redirect_uri}.")
        state = asked.get("state", "")
        if asked.get("response_type") != "code":
            return self._back(state, error="unsupported_response_type")
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            return self._back(state, error="invalid_request", error_description="PKCE by S256 is required.")
        user = self._remembered(environ)
        if user is None:
            if asked.get("prompt") == "none":
                return self._back(state, error="login_required")
            return self._document(environ)
        code = secrets.token_urlsafe(24)
        ends = time.monotonic() + _CODE_SECONDS
        while len(self._codes) >= _CODES:
            self._codes.pop(next(iter(self._codes)), None)
        self._codes[code] = _Code(user, asked["code_challenge"], self._redirect_uri, asked.get("nonce", ""), ends)
        return self._back(state, code=code, iss=self._tokens.issuer)  # iss: RFC 9207

    def _token(self, environ: Environ) -> _Reply:
        asked = dict(parse_qsl(_body(environ).decode("utf-8", "replace")))
        if asked.get("client_id") != CLIENT:
            return _json("401 Unauthorized", {"error": "invalid_client"})
        match asked.get("grant_type"):
            case "authorization_code":
                code = self._codes.pop(asked.get("code", ""), None)
                if code is None or not _fits(code, asked):
                    return _json("400 Bad Request", {"error": "invalid_grant"})
                return self._granted(code.user, nonce=code.nonce)
            case "refresh_token":
                user = self._tokens.user_of(REFRESH, asked.get("refresh_token", ""))
                return self._granted(user) if user else _json("400 Bad Request", {"error": "invalid_grant"})
            case _:
                return _json("400 Bad Request", {"error": "unsupported_grant_type"})

    def _granted(self, user: str, *, nonce: str = "") -> _Reply:
        more = {"nonce": nonce} if nonce else {}
        return _json(
            "200 OK",
            {
                "access_token": self._tokens.token(user, seconds=_ACCESS_SECONDS),
                "token_type": "Bearer",
                "expires_in": _ACCESS_SECONDS,
                "refresh_token": self._tokens.sign(
                    REFRESH, user, seconds=_REFRESH_SECONDS, audience=self._tokens.issuer
                ),
                "id_token": self._tokens.sign("JWT", user, seconds=_ACCESS_SECONDS, audience=CLIENT, **more),
                "scope": "openid",
            },
        )

    def _back(self, state: str, **said: str) -> _Reply:
        query = urlencode({**said, **({"state": state} if state else {})})
        return _Reply("303 See Other", headers=(("Location", f"{self._redirect_uri}?{query}"),))

    def _remembered(self, environ: Environ) -> str | None:
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self._cookie)
        except CookieError:
            return None
        return self._tokens.user_of(SESSION, cookie.value) if cookie else None

    def _set_cookie(self, value: str, seconds: int) -> tuple[str, str]:
        return "Set-Cookie", f"{self._cookie}={value}; Max-Age={seconds}; Path=/authorize; HttpOnly; SameSite=Lax"


def _fits(code: _Code, asked: Mapping[str, str]) -> bool:
    """Whether a code is in time, and its verifier is the one whose digest was sent first (RFC 7636, 4.6)."""
    digest = sha256(asked.get("code_verifier", "").encode()).digest()
    challenge = urlsafe_b64encode(digest).rstrip(b"=")
    is_same = hmac.compare_digest(challenge, code.challenge.encode())
    return is_same and asked.get("redirect_uri") == code.redirect_uri and time.monotonic() < code.ends


def _query(environ: Environ) -> dict[str, str]:
    return dict(parse_qsl(environ.get("QUERY_STRING", "")))


def _body(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    read: bytes = environ["wsgi.input"].read(min(int(length), _LONGEST_BODY)) if length.isdigit() else b""
    return read


def _json(status: str, content: Mapping[str, object], *headers: tuple[str, str]) -> _Reply:
    return _Reply(status, json.dumps(content).encode(), (("Content-Type", "application/json"), *headers))


def _problem(status: str, detail: str, *headers: tuple[str, str]) -> _Reply:
    code, _, title = status.partition(" ")
    body = json.dumps({"title": title, "status": int(code), "detail": detail}).encode()
    return _Reply(status, body, (("Content-Type", "application/problem+json"), *headers))
