"""Business time: real time plus an offset that a file holds, so that functions, which read the file, move along."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from knative.local.fields import iso_duration

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


class Clock:
    """The file holds seconds as text; absent or empty it stands for none."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._listeners: list[Callable[[], None]] = []

    @property
    def offset(self) -> timedelta:
        try:
            return timedelta(seconds=float(self.file.read_text() or 0))
        except FileNotFoundError:
            return timedelta()

    def now(self) -> datetime:
        """Business time, in UTC."""
        return datetime.now(UTC) + self.offset

    def travel(self, by: timedelta) -> datetime:
        """Move business time; returns what it is now. OverflowError beyond the years 1 to 9999."""
        offset = self.offset + by
        _ = datetime.now(UTC) + offset
        self._write(offset)
        return self.now()

    def reset(self) -> None:
        """Back to real time."""
        self._write(timedelta())

    def on_move(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def _write(self, offset: timedelta) -> None:
        # A function that reads at this moment sees the old offset or the new one, never half a number.
        partial = self.file.with_name(self.file.name + ".partial")
        partial.write_text(f"{offset.total_seconds()}\n")
        os.replace(partial, self.file)
        for listener in self._listeners:
            listener()


def duration(text: str) -> timedelta:
    """31d, 1d12h, -2w, 90m, or ISO 8601 (P31D, PT1H); ValueError for anything else."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text)
    if body.startswith("P"):
        return sign * iso_duration(body)
    parts = re.findall(r"(\d+)([wdhms])", body)
    if not parts or "".join(map("".join, parts)) != body:
        raise ValueError(f"{text!r} is not a duration such as 31d, 1d12h or PT1H")
    return sign * sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
