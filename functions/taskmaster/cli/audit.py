"""``taskmaster history`` and ``taskmaster rebuild``: what was done to tasks, and tasks made anew from events."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from taskmaster.audit.rebuild import NotRebuilt
from taskmaster.audit.rebuild import rebuild as rebuild_tasks
from taskmaster.cli import console
from taskmaster.cli.console import TimeOrAge, fail, printable
from taskmaster.events.routes import TASK_EVENTS
from taskmaster.settings import TOPICS

_SHOW_SECONDS = 1.0
_SHOW_SECONDS_IN_FILE = 15.0


@click.command("history")
@click.option("--user", "user_id", required=True, help="Whose tasks.")
@click.option("--since", type=TimeOrAge(), required=True, help="From here on, in business time.")
@click.option("--values", is_flag=True, help="Show the old and new values too: what the user wrote.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def history(user_id: str, since: datetime, values: bool, as_json: bool) -> None:
    """Show what was done to the tasks of USER since T, of deleted ones too: kept for 90 days.

    One line each: when, which task and version, what, by which door (call, event, schedule), and which fields
    changed.
    """
    from taskmaster.audit.history import history_of
    from taskmaster.database.session import Unavailable

    settings = console.configured("database_url")
    try:
        with history_of(settings, user_id, since) as found:
            for each in found:
                changed: Any = each.changed if values else list(each.changed)
                if as_json:
                    click.echo(json.dumps({**each._asdict(), "at": each.at.isoformat(), "changed": changed}))
                    continue
                said = json.dumps(changed, ensure_ascii=False) if values and changed else ", ".join(changed)
                at = each.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
                what = f"{at}  task {each.task_id}  version {each.version}  {each.action}  {each.door}  {said}"
                click.echo(printable(what.rstrip()))
    except Unavailable as error:
        fail(f"the database refused: {error}")


@click.command("rebuild")
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option(
    "--onto",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file of an earlier rebuild, to begin with: a topic keeps a week.",
)
@click.option("--user", "user_id", help="Only the tasks of this user.")
def rebuild(to: Path, onto: Path | None, user_id: str | None) -> None:
    """Make all tasks anew from topic task-events, into a file that COPY reads: TO.

    It is byte by byte what COPY writes of the table where no event is missing. Takes READ on the topic, as the
    operator's user has it. Nothing is written to the database or the broker.
    """
    from taskmaster.broker.transport import ReadingForbidden, Unreadable
    from taskmaster.broker.transports import address, reading

    settings = console.configured(TOPICS)
    try:
        with reading(settings, [settings.topic(TASK_EVENTS)]) as reader:
            done = rebuild_tasks(_shown(reader.read(), reader.size()), to, user=user_id, onto=onto)
    except ReadingForbidden:
        fail("this user may not read the topic: it needs READ on it, as the operator's user has it")
    except Unreadable as error:
        fail(f"the broker at {address(settings)} cannot be read: {console.first_line(error)}")
    except (NotRebuilt, OSError) as error:
        fail(printable(str(error)))
    click.echo(f"{done.tasks} tasks from {done.events} events in {to}")


def _shown(records: Iterable[Any], total: int) -> Iterator[Any]:
    """The records; how far it is, is shown on standard error: once a second on a terminal."""
    is_terminal = sys.stderr.isatty()
    pause = _SHOW_SECONDS if is_terminal else _SHOW_SECONDS_IN_FILE
    start = "\r" if is_terminal else ""
    began = shown = time.monotonic()
    count = 0
    for count, record in enumerate(records, 1):
        yield record
        if count % 1000 == 0 and time.monotonic() > shown + pause:
            shown = time.monotonic()
            click.echo(f"{start}{count} of {total} records", err=True, nl=not is_terminal)
    if count and is_terminal:
        click.echo(f"\r{count} records in {time.monotonic() - began:.0f} s    ", err=True)
