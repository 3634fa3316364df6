"""The calendar feed of a user: its commands, and the secret in its address. Pure but for the secret's randomness."""

import hashlib
import re
import secrets
from datetime import datetime

from pydantic import Field

from taskmaster.domain.task import Command, FrozenModel

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in base64url


class MakeCalendar(Command):
    """A new secret address; nothing has to be said."""


class RevokeCalendar(Command):
    pass


class ShowCalendar(Command):
    """The feed itself, which its secret address opens."""


class CalendarAddress(FrozenModel):
    """Where the feed is: shown this once, since only a digest of it is kept."""

    address: str = Field(description="the path of the feed, at the address of this call; who knows it reads the tasks")
    made_at: datetime = Field(description="when it was made; the address before has ended then")


def new_secret() -> str:
    """256 random bits, as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes | None:
    """The SHA-256 of a secret, which is all that is kept of it; None for a text that is none."""
    return hashlib.sha256(secret.encode()).digest() if _SECRET.fullmatch(secret) else None
