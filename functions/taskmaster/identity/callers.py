"""Who is calling: the bearer token of a person; `userid` of an event on /events, which only the cluster can reach.

A token is a JSON Web Token of the issuer that OIDC_ISSUER names, on a cluster and on a laptop alike.
"""

import logging
import time
from typing import NamedTuple

from taskmaster.errors import TaskmasterError
from taskmaster.identity.jwks import Postpone
from taskmaster.identity.oidc import Rejected, Verifier
from taskmaster.trusted_hosts import is_internal

logger = logging.getLogger(__name__)

USER_ID_LIMIT = 128
READ, WRITE = "tasks:read", "tasks:write"  # the scopes; whoever may write sees what he writes, and may read


class Caller(NamedTuple):
    """A person, or a program that acts for one. Without a scope of ours it is the person's own program."""

    user_id: str
    scopes: frozenset[str] = frozenset()

    @property
    def is_limited(self) -> bool:
        """Whether the token names a scope of ours: then it may do no more than that, at any door."""
        return not self.scopes.isdisjoint({READ, WRITE})

    def may(self, scope: str) -> bool:
        """Whether the token names this scope, or one that includes it."""
        return WRITE in self.scopes or scope in self.scopes


class NotSignedIn(TaskmasterError):
    """No bearer token, or an invalid one (401). The text says what to do, never why a signature failed.

    `challenge` is the header WWW-Authenticate (RFC 6750, 3), with an error only where a token was sent.
    """

    def __init__(self, detail: str, *, error: str = "") -> None:
        super().__init__(detail)
        described = f', error="{error}", error_description="{detail}"' if error else ""
        self.challenge = f'Bearer realm="taskmaster"{described}'


class NotAllowed(TaskmasterError):
    """The token lacks a scope (403). `challenge` is the header WWW-Authenticate (RFC 6750, 3.1)."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This token lacks the scope {scope}: ask the issuer for one that has it.")
        self.challenge = f'Bearer realm="taskmaster", error="insufficient_scope", scope="{scope}"'


def caller(authorization: str | None, *, tokens: Verifier | None, postpone: Postpone | None = None) -> Caller:
    """Whom a bearer token speaks for (RFC 6750). Raises NotSignedIn and KeysUnavailable.

    `postpone`: how the call waits for the keys of an issuer, where that takes no thread.
    """
    if tokens is None:
        raise NotSignedIn("Nobody can sign in yet: the operator has to set OIDC_ISSUER and OIDC_AUDIENCE.")
    token = _bearer(authorization)
    if not token:
        raise NotSignedIn("Send the header 'Authorization: Bearer TOKEN'.")
    try:
        grant = tokens.granted_by(token, now=time.time(), postpone=postpone)
        return Caller(_checked_claim(grant.user), grant.scopes)
    except Rejected as error:
        raise NotSignedIn(str(error), error="invalid_token") from None


def sends_events(
    host: str,
    authorization: str | None,
    *,
    also_trusted: tuple[str, ...] = (),
    tokens: Verifier | None = None,
    subjects: tuple[str, ...] = (),
    required: bool = False,
    postpone: Postpone | None = None,
) -> bool:
    """Whether an event's userid is believed: it comes under an internal host, or with a token of the cluster.

    With `required` only the token counts. `subjects` are the subjects that a token may have, any if there are none; a *
    at the end of one stands for any text. Raises KeysUnavailable.
    """
    if not required and is_internal(host, also_trusted=also_trusted):
        return True
    token = _bearer(authorization)
    if tokens is None or not token:
        return False
    try:
        subject = tokens.user_of(token, now=time.time(), postpone=postpone)
    except Rejected as error:
        logger.warning("an event was turned away: %s", error)
        return False
    believed = not subjects or any(_covers(pattern, subject) for pattern in subjects)
    if not believed:
        logger.warning("an event was turned away: its sender is none of EVENT_OIDC_SUBJECTS")
    return believed


def is_user_id(user_id: str) -> bool:
    """Whether a text may be a user id, from a token and from an event: it arrives unchanged as a header.

    ASCII, because KafkaSource writes characters beyond Latin-1 as question marks: two users would become one. No blank
    at either end, because HTTP trims it: one user would become two.
    """
    is_carried = user_id.isascii() and user_id.isprintable() and user_id == user_id.strip(" ")
    return is_carried and 0 < len(user_id) <= USER_ID_LIMIT


def checked_user_id(user_id: str) -> str:
    """The user id itself. Raises ValueError where it is none."""
    if not is_user_id(user_id):
        raise ValueError(f"a user id has 1 to {USER_ID_LIMIT} printable ASCII characters, and no blank at its ends")
    return user_id


def _checked_claim(user_id: str) -> str:
    try:
        return checked_user_id(user_id)
    except ValueError as error:
        raise Rejected(f"Not so in this token: {error}.") from None


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _covers(pattern: str, subject: str) -> bool:
    return subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern
