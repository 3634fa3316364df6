"""Event ids: UUIDv7 (RFC 9562), which sort by the time they were made."""

import sys

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid_utils.compat import uuid7


def new_id() -> str:
    """A new UUIDv7 in its canonical text form."""
    return str(uuid7())
