"""The one source of business time: what "now" means for due dates, completions and reminders.

Business time is the real time plus an offset. The offset is zero everywhere but on a laptop, where the local stand-in
moves it (``make travel BY=31d``) by writing seconds into the file that CLOCK_OFFSET_FILE names, so that a whole system
crosses month ends and DST in a moment. Retention, locks and time-outs never use this clock.
"""

import os
from datetime import UTC, datetime, timedelta

_OFFSET_FILE = os.environ.get("CLOCK_OFFSET_FILE", "")


def now() -> datetime:
    """Business time: aware, UTC, microseconds."""
    return datetime.now(UTC) + (_offset() if _OFFSET_FILE else timedelta())


def _offset() -> timedelta:
    try:
        with open(_OFFSET_FILE, encoding="ascii") as file:
            return timedelta(seconds=float(file.read() or 0))
    except FileNotFoundError:
        return timedelta()
