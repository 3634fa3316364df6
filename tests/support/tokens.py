"""Tokens of people, as the tests' own issuer signs them: its public key is a setting of the functions.

Signed by PyJWT, so that what the functions verify comes from somebody else. Each is signed once a test process.
"""

import json
import time
from functools import cache

import jwt

from tests.support.issuer import AUDIENCE, jwk, private_key

ISSUER = "https://issuer.example"
_ALGORITHM = "ES256"
_KEY = "people"


@cache
def settings() -> dict[str, str]:
    """What a function is told to accept them."""
    public = jwk(private_key(_ALGORITHM, _KEY), kid=_KEY, alg=_ALGORITHM)
    return {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS": json.dumps({"keys": [public]})}


@cache
def token(user: str, *, hours: int = 24, scope: str | None = None, audience: str = AUDIENCE) -> str:
    """One that speaks for this user, from now on; for an assistant with a scope."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": audience, "sub": user, "iat": now, "exp": now + hours * 3600}
    claims |= {} if scope is None else {"scope": scope}
    return jwt.encode(claims, private_key(_ALGORITHM, _KEY), algorithm=_ALGORITHM, headers={"kid": _KEY})


def bearer(user: str, *, scope: str | None = None, audience: str = AUDIENCE) -> str:
    """The value of the header Authorization (RFC 6750, 2.1)."""
    return f"Bearer {token(user, scope=scope, audience=audience)}"
