"""A key pair in place of an identity provider: the public half is a setting, the private half signs.

ECDSA on P-256, algorithm ES256 (RFC 7518, 3.4); a key's id is its thumbprint (RFC 7638).
"""

import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

from taskmaster.identity.callers import checked_user_id
from taskmaster.identity.jws import base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "taskmaster-keys"
AUDIENCE = "taskmaster"
_ALGORITHM = "ES256"


def new() -> bytes:
    """A private key, PEM (PKCS #8), not encrypted."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_keys(private: bytes) -> str:
    """The public half as a JWK set, what OIDC_JWKS takes. Raises ValueError for what is no such private key."""
    return json.dumps({"keys": [_jwk(_loaded(private))]}, separators=(",", ":"))


def token(user_id: str, private: bytes, *, issuer: str, audience: str, seconds: float, scope: str = "") -> str:
    """A token for this user that holds for so many seconds of real time, signed with a private key.

    With a scope it may do that alone.
    Raises ValueError for a wrong user id or key.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    key, now = _loaded(private), int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": checked_user_id(user_id),
        "iat": now,
        "exp": now + int(seconds),
        "jti": str(uuid4()),
        **({"scope": scope} if scope else {}),
    }
    parts = ({"alg": _ALGORITHM, "kid": _jwk(key)["kid"], "typ": "JWT"}, claims)
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _loaded(private: bytes) -> "EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError says that it is encrypted
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("the file holds no private key as `taskmaster keys new` makes it")
    return key


def _jwk(private: "EllipticCurvePrivateKey") -> dict[str, str]:
    point = private.public_key().public_numbers()
    needed = {"crv": "P-256", "kty": "EC", "x": _number(point.x), "y": _number(point.y)}
    thumbprint = sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**needed, "alg": _ALGORITHM, "use": "sig", "kid": base64url(thumbprint)}


def _number(number: int) -> str:
    return base64url(number.to_bytes(32, "big"))
