"""What all commands share: reading settings, a deadline, failing with one sentence."""

import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from taskmaster import log, settings

_AGE = re.compile(r"P?(?:(\d{1,4})W)?(?:(\d{1,5})D)?T?(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?", re.IGNORECASE)


class TimeOrAge(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 alone
    """A moment: ISO 8601, UTC where it says no zone; or an age, as ISO 8601 duration (PT2H, P3D) or as 2h, 3d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        age = _AGE.fullmatch(value)
        if age and any(age.groups()):
            weeks, days, hours, minutes, seconds = (int(each or 0) for each in age.groups())
            ago = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
            return datetime.now(UTC) - ago
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2026-11-24T09:00:00Z nor an age such as 2h, 3d or PT90M")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class LateCommands(click.Group):
    """A group of which some commands are imported when they are asked for, each from a module of its own."""

    def __init__(self, *arguments: Any, late: Mapping[str, str], **named: Any) -> None:
        """`late` has the module of a command, in which it has its own name with underscores, or one behind a colon."""
        super().__init__(*arguments, **named)
        self._late = late

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._late})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._late:
            return super().get_command(ctx, cmd_name)
        module, _, own = self._late[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), own or cmd_name.replace("-", "_"))
        return found


def configured(*needs: str) -> settings.Settings:
    """The settings of the environment. Ends the command when one that it needs is missing."""
    found = settings.read(os.environ, needs=needs)
    log.configure("WARNING")
    logging.getLogger("kafka").setLevel("CRITICAL")  # its errors are raised, and shown in one sentence
    return found


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the block: Kafka's client waits for ever for a broker that does not speak TLS."""

    def too_late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End with this exit code and one sentence on standard error."""
    click.echo(f"taskmaster: {message}", err=True)
    sys.exit(code)


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def printable(text: str) -> str:
    """A text of others as a terminal may show it: without control characters and line breaks."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
