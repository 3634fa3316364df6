"""Somebody who signs people's tokens, as an OpenID Connect issuer would; its public key is given to the functions."""

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

ISSUER = "https://issuer.example.com"
AUDIENCE = "taskmaster"


class Issuer:
    """With a key of its own, which nobody else has."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        self.jwks = json.dumps({"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]})

    def settings(self) -> dict[str, str]:
        """Those of a function that believes it."""
        return {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS": self.jwks}

    def token(self, user: str, *, seconds: float = 3600) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + int(seconds)}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "one"})
