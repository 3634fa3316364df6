"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens (RFC 7519), verified with the issuer's public keys.

What is checked is what RFC 8725 asks for: one issuer, one audience, asymmetric algorithms alone, a key of the kind that
the algorithm takes, an end. The library that does it is imported when a process sees its first token.
"""

import logging
from functools import lru_cache
from typing import Any, NamedTuple

from taskmaster.jwks import GivenKeys, Keys, KeySet, PublishedKeys, discover, fetch
from taskmaster.settings import Settings

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
_LONGEST = 16_384  # characters of a token
_REMEMBERED = 512  # tokens that held, for as long as the keys stay the same
# RFC 9068 names access tokens at+jwt; a token of another kind by the same issuer (a logout token) is none of ours.
_TYPES = ("", "jwt", "at+jwt", "application/at+jwt")


class Rejected(Exception):
    """A token that does not hold. The text is for the caller, and says why only where the signature was right."""


class UnknownKey(Rejected):
    """The key that signed it is none of those at hand."""


class Issuer(NamedTuple):
    """Whose tokens are taken, for whom they must be, and the keys: given, at an address, or where the issuer says."""

    name: str
    audience: str
    user_claim: str
    keys: str
    keys_url: str
    kubernetes_api: str


class Verifier:
    """Verifies the tokens of one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys = _keys_of(issuer)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._verified)  # what is rejected is not remembered

    def user_of(self, token: str, *, now: float) -> str:
        """Whom a token speaks for, at this moment in seconds since 1970. Raises Rejected and KeysUnavailable."""
        if len(token) > _LONGEST:
            raise Rejected("This token is too long.")
        keys = self._keys.current()
        try:
            user, ends = self._remembered(token, keys)
        except UnknownKey:
            newer = self._keys.newer_than(keys)
            if newer is keys:
                raise
            user, ends = self._remembered(token, newer)
        if now > ends + LEEWAY_SECONDS:
            raise Rejected("This token has expired.")
        return user

    def _verified(self, token: str, keys: KeySet) -> tuple[str, int]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            claims = self._claims(token, header, keys)
        except jwt.PyJWTError as error:
            logger.info("a token was rejected: %s", type(error).__name__)
            raise _rejected(error) from None
        user = claims[self._issuer.user_claim]
        if not isinstance(user, str):
            raise Rejected(f"The claim {self._issuer.user_claim} of this token is no text.")
        return user, int(claims["exp"])

    def _claims(self, token: str, header: dict[str, Any], keys: KeySet) -> dict[str, Any]:
        """The claims of a token whose signature holds. Raises UnknownKey and the errors of PyJWT."""
        import jwt

        algorithm, key_id = str(header.get("alg")), header.get("kid")
        if str(header.get("typ") or "").lower() not in _TYPES:
            raise jwt.InvalidTokenError("another kind of token")
        for key in keys.matching(key_id, algorithm):
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._issuer.audience,
                    issuer=self._issuer.name,
                    leeway=LEEWAY_SECONDS,
                    options={
                        "require": ["exp", "iss", "aud", self._issuer.user_claim],
                        "enforce_minimum_key_length": True,
                    },
                )
            except jwt.InvalidSignatureError:
                if key_id is not None:
                    raise
        raise UnknownKey("This token is not one of ours.")


@lru_cache(maxsize=8)
def verifier(issuer: Issuer) -> Verifier:
    """The verifier of this process for an issuer: its keys and what it remembers are shared by all threads."""
    return Verifier(issuer)


def of_people(configured: Settings) -> Verifier | None:
    """Who signs in people: OIDC_ISSUER, where there is one."""
    return _configured(
        configured.oidc_issuer,
        configured.oidc_audience,
        configured.oidc_user_claim,
        configured.oidc_jwks,
        configured.oidc_jwks_url,
        configured.kubernetes_api_url,
    )


def of_events(configured: Settings) -> Verifier | None:
    """Who vouches for what sends events: EVENT_OIDC_ISSUER, where there is one, which is the cluster."""
    return _configured(
        configured.event_oidc_issuer,
        configured.event_oidc_audience,
        "sub",
        configured.event_oidc_jwks,
        configured.event_oidc_jwks_url,
        configured.kubernetes_api_url,
    )


def _configured(*issuer: str) -> Verifier | None:
    return verifier(Issuer(*issuer)) if issuer[0] else None


def _keys_of(issuer: Issuer) -> Keys:
    api = issuer.kubernetes_api
    if issuer.keys:
        return GivenKeys(issuer.keys)
    if issuer.keys_url:
        return PublishedKeys(lambda: fetch(issuer.keys_url, kubernetes_api=api))
    return PublishedKeys(lambda: discover(issuer.name, kubernetes_api=api))


def _rejected(error: Exception) -> Rejected:
    """What the caller is told. Everything that is named here is checked after the signature."""
    import jwt

    match error:
        case jwt.ExpiredSignatureError():
            return Rejected("This token has expired.")
        case jwt.ImmatureSignatureError():
            return Rejected("This token does not hold yet.")
        case jwt.MissingRequiredClaimError():
            return Rejected(f"This token has no claim {error.claim}.")
        case jwt.InvalidAudienceError():
            return Rejected("This token is for another audience.")
        case jwt.InvalidIssuerError():
            return Rejected("This token comes from another issuer.")
    return Rejected("This token is not one of ours.")
