"""A secret in an address, which says who calls where a program can send no token. Only its digest is kept."""

import hashlib
import re

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in base64url


def new_secret() -> str:
    """256 random bits, as 43 characters of base64url."""
    import secrets

    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes | None:
    """The SHA-256 of a secret; None for a text that is none."""
    return hashlib.sha256(secret.encode()).digest() if _SECRET.fullmatch(secret) else None
