"""An OpenID provider for one machine: it says where its keys are, and signs tokens for whoever has its private key.

    GET /.well-known/openid-configuration     OpenID Connect Discovery 1.0
    GET /.well-known/jwks.json                its public key, a JWK set (RFC 7517)

The functions find and verify its tokens as they do those of any other issuer. How people sign in is in sign_in.py.
"""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from knative.local.sign_in import SignIn
from knative.local.web import Environ, StartResponse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ALGORITHM = "ES256"
_LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, 2

Document = dict[str, Any]


class WrongKeyError(RuntimeError):
    """The file of the private key holds none; the message says which and what to do."""


class IdentityProvider:
    """A WSGI application; `issuer` is the address under which it is served, without a slash at its end; `audience`
    for whom its tokens are; `scope` what access tokens may do, as their claim of that name has it.

    Its private key is in `key_file`, which is made where there is none, for its owner alone to read.
    """

    def __init__(self, key_file: Path, *, issuer: str, audience: str, scope: str = "") -> None:
        self.issuer = issuer
        self.audience = audience
        self._scope = scope
        self._key = _read_key(key_file) if key_file.exists() else _made_key(key_file)
        self._sign_in = SignIn(self)
        self._endpoints: dict[str, Callable[[], Document]] = {
            "/.well-known/openid-configuration": self.discovery,
            "/.well-known/jwks.json": self.keys,
        }

    def token(self, user: str, *, seconds: float) -> str:
        """An access token (RFC 9068) that speaks for this user for so many seconds. Raises ValueError for no user."""
        more = {"client_id": "knative.local", **({"scope": self._scope} if self._scope else {})}
        return self.sign("at+jwt", user, seconds=seconds, audience=self.audience, **more)

    def link(self, user: str) -> str:
        """An address of the page that signs this user in. Raises ValueError for no user."""
        return self._sign_in.link(user)

    def sign(self, kind: str, user: str, *, seconds: float, audience: str, **claims: str) -> str:
        """A token of a kind (its header typ) about a user. Raises ValueError for no user."""
        import jwt

        if not 0 < len(user) <= _LONGEST_SUBJECT or not user.isascii():
            raise ValueError(
                f"a user has 1 to {_LONGEST_SUBJECT} ASCII characters (OpenID Connect Core 1.0, section 2)"
            )
        now = int(time.time())
        content = {
            "iss": self.issuer,
            "aud": audience,
            "sub": user,
            "iat": now,
            "exp": now + int(seconds),
            "jti": str(uuid4()),
            **claims,
        }
        return jwt.encode(content, self._key, algorithm=_ALGORITHM, headers={"kid": self._jwk["kid"], "typ": kind})

    def user_of(self, kind: str, token: str) -> str | None:
        """Whom a token of a kind is about that was made for this provider itself; None for any other."""
        import jwt

        try:
            if jwt.get_unverified_header(token).get("typ") != kind:
                return None
            public = self._key.public_key()
            claims = jwt.decode(token, public, algorithms=[_ALGORITHM], audience=self.issuer, issuer=self.issuer)
        except jwt.PyJWTError:
            return None
        return str(claims["sub"])

    def discovery(self) -> Document:
        """OpenID Connect Discovery 1.0, 3."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
            **self._sign_in.discovery(),
        }

    def keys(self) -> Document:
        """The public key, as a JWK set."""
        return {"keys": [self._jwk]}

    def serves(self, path: str) -> bool:
        return path in self._endpoints or self._sign_in.serves(path)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if self._sign_in.serves(environ["PATH_INFO"]):
            return self._sign_in(environ, start_response)
        endpoint = self._endpoints.get(environ["PATH_INFO"])
        if endpoint is None:
            return _answer(start_response, "404 Not Found", {"title": "Not Found", "status": 404})
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            problem = {"title": "Method Not Allowed", "status": 405}
            return _answer(start_response, "405 Method Not Allowed", problem, ("Allow", "GET, HEAD"))
        content = _answer(start_response, "200 OK", endpoint())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else content

    @cached_property
    def _jwk(self) -> Document:
        from jwt.algorithms import ECAlgorithm

        numbers = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        # Its id is its thumbprint (RFC 7638).
        needed = {name: numbers[name] for name in ("crv", "kty", "x", "y")}
        thumbprint = sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest()
        key_id = urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
        return {**needed, "alg": _ALGORITHM, "use": "sig", "kid": key_id}


def _made_key(file: Path) -> EllipticCurvePrivateKey:
    """A new private key on P-256, written into the file as PEM (PKCS #8)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(pem)
    return key


def _read_key(file: Path) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError says that it is encrypted
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise WrongKeyError(f"{file} holds no private key of this identity provider: remove it, and another is made")
    return key


def _answer(
    start_response: StartResponse, status: str, document: Document, *headers: tuple[str, str]
) -> Iterable[bytes]:
    body = json.dumps(document).encode()
    media = "application/json" if status.startswith("200") else "application/problem+json"
    start_response(status, [("Content-Type", media), ("Content-Length", str(len(body))), *headers])
    return [body]
