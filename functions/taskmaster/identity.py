"""Who is calling: a bearer token says it for people, `userid` only on /events, where nobody but the cluster calls.

The development token is signed, not encrypted, and accepted only where DEV_TOKEN_SECRET is set.
"""

import re
import time
from collections.abc import Iterable
from functools import lru_cache

from itsdangerous import BadSignature, URLSafeSerializer

_SALT = "taskmaster development token"
_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
_INTERNAL = re.compile(r"[a-z0-9.-]+[.]svc([.]cluster[.]local)?")
USER_ID_LIMIT = 128


class NotSignedIn(Exception):
    """No bearer token, or one that does not hold (401). The text says what to do, never why a signature failed."""


def caller(authorization: str | None, *, secret: str) -> str:
    """The user id that a bearer token speaks for (RFC 6750). Raises NotSignedIn."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn("Send the header 'Authorization: Bearer TOKEN'.")
    if not secret:
        raise NotSignedIn("Development tokens are not accepted here.")
    user_id, expires_at = _claims(token.strip(), secret)
    if not time.time() <= expires_at:  # so written, it is false for what is no number too
        raise NotSignedIn("This token has expired.")
    return checked(user_id)


@lru_cache(maxsize=1024)
def _claims(token: str, secret: str) -> tuple[str, float]:
    """Whom a token is for and when it ends, in seconds since 1970. Raises NotSignedIn, which is not remembered."""
    try:
        claims = URLSafeSerializer(secret, salt=_SALT).loads(token)
        return str(claims["sub"]), float(claims["exp"])
    except (BadSignature, KeyError, TypeError, ValueError):
        raise NotSignedIn("This token is not one of ours.") from None


def development_token(user_id: str, *, secret: str, seconds: float) -> str:
    """A token for this user that holds for so many seconds of real time. Raises ValueError for a wrong user id."""
    if not is_user_id(user_id):
        raise ValueError(f"a user id has 1 to {USER_ID_LIMIT} printable ASCII characters")
    claims = {"sub": user_id, "exp": int(time.time() + seconds)}
    return str(URLSafeSerializer(secret, salt=_SALT).dumps(claims))


def checked(user_id: str) -> str:
    if not is_user_id(user_id):
        raise NotSignedIn(f"A user id has 1 to {USER_ID_LIMIT} printable ASCII characters.")
    return user_id


def is_user_id(user_id: str) -> bool:
    """ASCII, because KafkaSource hands over whatever is beyond Latin-1 as question marks: two users would be one."""
    return 0 < len(user_id) <= USER_ID_LIMIT and user_id.isascii() and user_id.isprintable()


def is_internal(host: str, *, further: Iterable[str] = ()) -> bool:
    """Whether a Host header is one that only the cluster's inside can reach, or one that a setting names."""
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["name"].rstrip(".")
    return bool(_INTERNAL.fullmatch(name)) or name in map(str.lower, further)
