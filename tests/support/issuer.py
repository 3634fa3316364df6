"""An identity provider as a test sees it: keys of every kind, tokens signed with them, its documents on loopback."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

AUDIENCE = "taskmaster"
ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
]
_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def private_key(algorithm: str, name: str = "one") -> Any:
    """The private key of that name that signs by an algorithm."""
    return private_rsa_key(name, 2048) if algorithm[:2] in ("RS", "PS") else _made(algorithm, name)


@cache
def _made(algorithm: str, name: str) -> Any:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm]())
    return ed25519.Ed25519PrivateKey.generate()


@cache
def private_rsa_key(name: str, bits: int) -> rsa.RSAPrivateKey:
    """One of so many bits; made once, since that takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def jwk(private: Any, **members: Any) -> dict[str, Any]:
    """The public half of a key, with further members such as kid. Those that are None are left out."""
    match private:
        case rsa.RSAPrivateKey():
            numbers = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            numbers = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        case _:
            numbers = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    numbers.pop("key_ops", None)
    return {name: value for name, value in {**numbers, "use": "sig", **members}.items() if value is not None}


@dataclass
class Issuer:
    """`answer` may be set to what is answered instead of the keys. `asked` are the paths of all requests."""

    url: str
    keys: list[dict[str, Any]] = field(default_factory=list)
    answer: Response | None = None
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, server: HTTPServer) -> "Issuer":
        issuer = cls(url=server.url_for("/realm"))
        issuer.publish("one")
        server.expect_request("/realm/.well-known/openid-configuration").respond_with_handler(issuer._about)
        server.expect_request("/realm/keys").respond_with_handler(issuer._keys)
        return issuer

    def publish(self, *names: str, algorithm: str = "RS256") -> None:
        """Publish these keys, by their ids, and no others."""
        self.keys = [jwk(private_key(algorithm, name), kid=name) for name in names]

    def token(
        self,
        user: str | None = "ada",
        *,
        algorithm: str = "RS256",
        key: str = "one",
        private: Any = None,
        header: Mapping[str, Any] | None = None,
        seconds: float = 60,
        claims: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> str:
        """A token as this issuer signs them, with other or further claims; those that are None are left out."""
        now = int(time.time())
        all_claims: dict[str, Any] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": user,
            "iat": now,
            "exp": now + int(seconds),
        }
        all_claims |= {**(claims or {}), **further}
        return jwt.encode(
            {name: value for name, value in all_claims.items() if value is not None},
            private or private_key(algorithm, key),
            algorithm=algorithm,
            headers={name: value for name, value in {"kid": key, **(header or {})}.items() if value is not None},
        )

    @property
    def settings(self) -> dict[str, str]:
        """What a function is told to believe it, found by discovery."""
        return {"OIDC_ISSUER": self.url, "OIDC_AUDIENCE": AUDIENCE}

    @property
    def event_settings(self) -> dict[str, str]:
        """The same for the senders of events."""
        return {f"EVENT_{name}": value for name, value in self.settings.items()}

    def _about(self, request: Request) -> Response:
        self._note(request)
        return self.answer or _json({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    def _keys(self, request: Request) -> Response:
        self._note(request)
        return self.answer or _json({"keys": self.keys})

    def _note(self, request: Request) -> None:
        self.asked.append(request.path)
        self.headers = dict(request.headers)


def _json(document: Any) -> Response:
    return Response(json.dumps(document), content_type="application/json")
