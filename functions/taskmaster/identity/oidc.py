"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens (RFC 7519), verified with the issuer's public keys.

The checks are those of RFC 8725: one issuer, one audience, asymmetric algorithms alone, a key of the kind that the
algorithm takes, an expiry. The library that verifies a signature is imported with the first token of a process.
"""

import logging
from hashlib import sha256
from threading import Lock
from typing import Any, NamedTuple

from taskmaster.errors import TaskmasterError
from taskmaster.identity import jws
from taskmaster.identity.jwks import GivenKeys, Keys, KeySet, Postpone, PublishedKeys, discover, fetch
from taskmaster.log import note
from taskmaster.settings import Settings

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
_LONGEST = 16_384  # characters of a token
_REMEMBERED = 512  # tokens; the oldest goes first
# RFC 9068 names access tokens at+jwt; a token of another kind by the same issuer (a logout token) is none of ours.
_TYPES = ("", "jwt", "at+jwt", "application/at+jwt")


class Rejected(TaskmasterError):
    """An invalid token. The text is for the caller, and gives the reason only where the signature was valid.

    `reason` is for the log.
    """

    def __init__(self, detail: str = "This token is not one of ours.", *, reason: str = "") -> None:
        super().__init__(detail)
        self.reason = reason or detail


class UnknownKey(Rejected):
    """The token is signed by none of the known keys."""


class Issuer(NamedTuple):
    """An issuer, the audiences that its tokens may have, and its keys: in a setting, at a URL, or by discovery."""

    name: str
    audiences: tuple[str, ...]
    user_claim: str
    keys: str
    keys_url: str
    kubernetes_api: str


class Grant(NamedTuple):
    """Whom a valid token speaks for, and its scopes (RFC 6749, 3.3), if it names any. `ends`: seconds since 1970."""

    user: str
    scopes: frozenset[str]
    ends: float


class _Verified(NamedTuple):
    """What a valid token grants, and the keys that verified it."""

    keys: KeySet
    grant: Grant


class Verifier:
    """Verifies the tokens of one issuer, each once while it is valid and the keys stay the same. Threads share it."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys = _keys_of(issuer)
        self._remembered: dict[bytes, _Verified] = {}  # by the token's digest; rejected tokens are not kept
        self._remembering = Lock()

    def user_of(self, token: str, *, now: float, postpone: Postpone | None = None) -> str:
        """The user of a token, at this moment in seconds since 1970. Raises as `granted_by` does."""
        return self.granted_by(token, now=now, postpone=postpone).user

    def granted_by(self, token: str, *, now: float, postpone: Postpone | None = None) -> Grant:
        """What a token grants at this moment, in seconds since 1970. Raises Rejected and KeysUnavailable.

        A token of an unknown key waits for a fetch of the keys, by `postpone` where there is that.
        """
        try:
            return self._granted_by(token, now, postpone)
        except Rejected as error:
            note(**{"error.type": "token rejected", "error.message": error.reason})
            raise

    def _granted_by(self, token: str, now: float, postpone: Postpone | None) -> Grant:
        if len(token) > _LONGEST:
            raise Rejected("This token is too long.")
        keys = self._keys.current()
        digest = sha256(token.encode(errors="replace")).digest()
        held = self._remembered.get(digest)
        if held is None or held.keys is not keys:
            try:
                held = self._verified(token, keys, now)
            except UnknownKey:
                newer = self._keys.newer_than(keys, postpone)
                if newer is keys:
                    raise
                held = self._verified(token, newer, now)
            self._remember(digest, held)
        if now >= held.grant.ends + LEEWAY_SECONDS:
            raise Rejected("This token has expired.")
        return held.grant

    def _remember(self, digest: bytes, held: _Verified) -> None:
        with self._remembering:
            self._remembered[digest] = held
            if len(self._remembered) > _REMEMBERED:
                del self._remembered[next(iter(self._remembered))]

    def _verified(self, token: str, keys: KeySet, now: float) -> _Verified:
        """Raises Rejected, or UnknownKey where newer keys might verify it."""
        try:
            signed = jws.parsed(token)
            if signed.type.lower() not in _TYPES:
                raise Rejected(reason="another kind of token")
            self._check_signature(signed, keys)
            claims = jws.json_object(signed.payload)
        except jws.MalformedToken as error:
            raise Rejected(reason=str(error)) from None
        self._check(claims, now)
        user = claims[self._issuer.user_claim]
        if not isinstance(user, str):
            raise Rejected(f"The claim {self._issuer.user_claim} of this token is no text.")
        return _Verified(keys, Grant(user, _scopes(claims), claims["exp"]))

    def _check_signature(self, signed: jws.Signed, keys: KeySet) -> None:
        for key in keys.matching(signed.key_id, signed.algorithm):
            try:
                if jws.is_signed_by(signed, key):
                    return
            except ValueError as error:
                logger.debug("the issuer has %s", error)
                continue
            if signed.key_id is not None:
                raise Rejected(reason="another signature")
        raise UnknownKey(reason="no key of the issuer's signed it")

    def _check(self, claims: dict[str, Any], now: float) -> None:
        """The checks of a recipient by RFC 7519, 4.1, and RFC 8725, 3, after that of the signature. Raises Rejected."""
        for name in ("exp", "iss", "aud", self._issuer.user_claim):
            if claims.get(name) is None:
                raise Rejected(f"This token has no claim {name}.")
        for name in ("iat", "nbf", "exp"):
            if name in claims and not _is_moment(claims[name]):
                raise Rejected(reason=f"the claim {name} is no number of seconds")
        for name in ("sub", "jti"):
            if not isinstance(claims.get(name, ""), str):
                raise Rejected(reason=f"the claim {name} is no text")
        if any(claims.get(name, now) > now + LEEWAY_SECONDS for name in ("iat", "nbf")):
            raise Rejected("This token does not hold yet.")
        if now >= claims["exp"] + LEEWAY_SECONDS:
            raise Rejected("This token has expired.")
        if claims["iss"] != self._issuer.name:
            raise Rejected("This token comes from another issuer.")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not all(isinstance(each, str) for each in audiences) or not {*audiences} & {*self._issuer.audiences}:
            raise Rejected("This token is for another audience.")


def verifier_of_users(settings: Settings) -> Verifier | None:
    """For the tokens of people, by OIDC_ISSUER; None where that is not set."""
    return _of_people(settings, settings.oidc_audience)


def verifier_of_assistants(settings: Settings) -> Verifier | None:
    """For the tokens of people's assistants: those of people, and those that are for MCP_URL (RFC 8707)."""
    return _of_people(settings, settings.oidc_audience, *filter(None, [settings.mcp_url]))


def _of_people(settings: Settings, *audiences: str) -> Verifier | None:
    return _verifier(
        settings.oidc_issuer,
        audiences,
        settings.oidc_user_claim,
        settings.oidc_jwks,
        settings.oidc_jwks_url,
        settings.kubernetes_api_url,
    )


def verifier_of_events(settings: Settings) -> Verifier | None:
    """For the tokens of Knative's sources, by EVENT_OIDC_ISSUER, which is the cluster; None where that is not set."""
    return _verifier(
        settings.event_oidc_issuer,
        (settings.event_oidc_audience,),
        "sub",
        settings.event_oidc_jwks,
        settings.event_oidc_jwks_url,
        settings.kubernetes_api_url,
    )


def _verifier(name: str, audiences: tuple[str, ...], *more: str) -> Verifier | None:
    return Verifier(Issuer(name, audiences, *more)) if name else None


def _keys_of(issuer: Issuer) -> Keys:
    api = issuer.kubernetes_api
    if issuer.keys:
        return GivenKeys(issuer.keys)
    if issuer.keys_url:
        return PublishedKeys(lambda: fetch(issuer.keys_url, kubernetes_api=api))
    return PublishedKeys(lambda: discover(issuer.name, kubernetes_api=api))


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """The claim scope (RFC 9068, 2.2.3), or scp, as some issuers name it: words in a text, or a list of them."""
    found = claims.get("scope", claims.get("scp", ""))
    words = found.split(" ") if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(word for word in words if isinstance(word, str) and word)


def _is_moment(claim: Any) -> bool:
    """Whether it is a NumericDate (RFC 7519, 2) of the next thirty million years. True and NaN are none."""
    return isinstance(claim, int | float) and not isinstance(claim, bool) and -1e15 < claim < 1e15
