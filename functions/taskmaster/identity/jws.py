"""JSON Web Signatures (RFC 7515, compact serialization), verified with public JSON Web Keys (RFC 7517, RFC 7518, 6).

What is here is the format; the signature itself is verified by cryptography. PyJWT does the same, but imports so much
that every start from zero waits for it (docs/architecture.md has the figures): for the tests it is the second opinion.
There is no symmetric algorithm and no "none": a public key is never the secret of an HMAC (RFC 8725, 2.1).
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json

# Which algorithms a kind of key may verify (RFC 7518, 3.1; RFC 8037, 3.1).
ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
LEAST_RSA_BITS = 2048  # RFC 7518, 3.3 and 3.5
_KNOWN = {algorithm for algorithms in ALGORITHMS.values() for algorithm in algorithms}
_CURVES = {
    "ES256": ("P-256", "SECP256R1", 32),
    "ES384": ("P-384", "SECP384R1", 48),
    "ES512": ("P-521", "SECP521R1", 66),
}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


class MalformedToken(ValueError):
    """No signature of a kind that is accepted here. The text says why; it is for the log."""


class Signed(NamedTuple):
    """A token's parts. Nothing of them is believed before `is_signed_by`, and `payload` is not even parsed before."""

    algorithm: str
    key_id: str | None
    type: str
    signed: bytes
    payload: bytes
    signature: bytes


def parsed(token: str) -> Signed:
    """The parts of a token. Raises MalformedToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedToken("it has not three parts")
    header = json_object(base64url_decoded(parts[0]))
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in _KNOWN:
        raise MalformedToken("its algorithm is none of those that are accepted")
    if not isinstance(header.get("kid", ""), str) or not isinstance(kind, str):
        raise MalformedToken("kid or typ is no text")
    if "crit" in header or header.get("b64", True) is not True:  # RFC 7515, 4.1.11; RFC 7797
        raise MalformedToken("it has a critical extension, and none is understood")
    payload, signature = base64url_decoded(parts[1]), base64url_decoded(parts[2])
    return Signed(algorithm, key_id, kind, f"{parts[0]}.{parts[1]}".encode("ascii"), payload, signature)


def is_signed_by(token: Signed, jwk: Mapping[str, Any]) -> bool:
    """Whether this key made the signature. Raises ValueError for a key that cannot be one of the token's algorithm."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        if token.algorithm not in ALGORITHMS[jwk["kty"]]:
            raise ValueError("a key of another kind")
        {"RSA": _rsa, "EC": _ecdsa, "OKP": _eddsa}[jwk["kty"]](token, jwk)
    except InvalidSignature:
        return False
    except (KeyError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise ValueError("a key that cannot be read") from None
    return True


def json_object(data: bytes) -> dict[str, Any]:
    """Raises MalformedToken for what is no JSON object, and for numbers that JSON has not (NaN, Infinity)."""
    try:
        found = from_json(data, allow_inf_nan=False)
    except ValueError:
        raise MalformedToken("a part of it is no JSON") from None
    if not isinstance(found, dict):
        raise MalformedToken("a part of it is no JSON object")
    return found


def base64url_decoded(text: str) -> bytes:
    """Base64url without padding (RFC 7515, 2), written in the one right way. Raises MalformedToken."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise MalformedToken("a part of it is not base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise MalformedToken("a part of it has bits that say nothing")
    return data


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _rsa(token: Signed, jwk: Mapping[str, Any]) -> None:
    """RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518, 3.3 and 3.5). Raises as `is_signed_by` expects it."""
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    numbers = rsa.RSAPublicNumbers(e=_number(jwk["e"]), n=_number(jwk["n"]))
    if numbers.n.bit_length() < LEAST_RSA_BITS:
        raise ValueError("a key that is too short")
    digest = _hash(token.algorithm)
    key = numbers.public_key()
    if token.algorithm.startswith("PS"):
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        key.verify(token.signature, token.signed, pss, digest)
    else:
        key.verify(token.signature, token.signed, padding.PKCS1v15(), digest)


def _ecdsa(token: Signed, jwk: Mapping[str, Any]) -> None:
    """ECDSA on the curve of the algorithm (RFC 7518, 3.4)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    class Verifying(ec.ECDSA):
        """ec.ECDSA without its constructor, which imports every cipher there is to ask whether this can sign."""

        algorithm = _hash(token.algorithm)
        deterministic_signing = False

        def __init__(self) -> None:
            pass

    name, curve, size = _CURVES[token.algorithm]
    x, y = base64url_decoded(jwk["x"]), base64url_decoded(jwk["y"])
    if jwk["crv"] != name or (len(x), len(y)) != (size, size):
        raise ValueError("a key of another curve")
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), getattr(ec, curve)())
    r, s = token.signature[:size], token.signature[size:]
    if len(s) != size:
        raise InvalidSignature
    encoded = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    point.public_key().verify(encoded, token.signed, Verifying())


def _eddsa(token: Signed, jwk: Mapping[str, Any]) -> None:
    """Ed25519 and Ed448 (RFC 8037, 3.1)."""
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

    point = base64url_decoded(jwk["x"])
    if jwk["crv"] == "Ed25519":
        ed25519.Ed25519PublicKey.from_public_bytes(point).verify(token.signature, token.signed)
    elif jwk["crv"] == "Ed448":
        ed448.Ed448PublicKey.from_public_bytes(point).verify(token.signature, token.signed)
    else:
        raise ValueError("a key of another curve")


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]


def _number(text: str) -> int:
    return int.from_bytes(base64url_decoded(text), "big")
