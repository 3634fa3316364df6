"""``taskmaster trace``: one story as a tree, from topics, inbox, reminders and dead letters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import TextIO

import click

from taskmaster.cli import console
from taskmaster.cli.console import TimeOrAge, fail, printable
from taskmaster.settings import TOPICS
from taskmaster.story.logs import read_logs
from taskmaster.story.node import Node
from taskmaster.story.telling import tell

_SECONDS = 300


@click.command("trace")
@click.argument("identifier", metavar="ID")
@click.option("--since", type=TimeOrAge(), help="Read topics from here to their end.")
@click.option("--until", type=TimeOrAge(), help="Read topics up to here, for a story with a pause.")
@click.option(
    "--logs",
    multiple=True,
    type=click.File("r"),
    help="A file of the functions' logs; may be repeated, - is standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="The tree as one JSON object.")
def trace(
    identifier: str, since: datetime | None, until: datetime | None, logs: tuple[TextIO, ...], as_json: bool
) -> None:
    """Tell the story of ID: a correlation id, a task, an event or a reminder.

    Who asked, each event with its topic, partition and offset, each handling with its attempts and outcome, each dead
    letter, and what came of a reminder on each channel. Takes READ on the topics, as the operator's user has it.

    Topics are read around the moments at which the ids of the story were made, if they say so, each until ten minutes
    after the last event there; else whole.
    """
    from taskmaster.broker.transport import ReadingForbidden, Unreadable
    from taskmaster.broker.transports import address
    from taskmaster.database.session import Busy, StatementFailed, Unavailable

    settings = console.configured(TOPICS)
    try:
        with console.deadline(_SECONDS):
            story = tell(settings, identifier, since=since, until=until, logs=read_logs(chain(*logs)))
    except ReadingForbidden:
        fail("this user may not read the topics: it needs READ on them, as the operator's user has it")
    except (Unreadable, OSError) as error:
        fail(f"the broker at {address(settings)} cannot be read: {console.first_line(error)}")
    except (Unavailable, Busy, StatementFailed) as error:
        fail(f"the database refused: {error}")
    if as_json:
        click.echo(json.dumps({"id": identifier, "story": [each.as_json() for each in story]}))
    elif story:
        click.echo("\n".join(line for node in story for line in _lines(node, "", "")))
    if not story:
        fail(
            f"nothing is kept of {printable(identifier)}: topics keep 7 days, the inbox 8;"
            " an id that is no UUIDv7 says no time, and --since may name one that is too late"
        )


def _lines(node: Node, first: str, others: str) -> Iterator[str]:
    at = node.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if node.at else "-"
    yield f"{at:<24}{first}{printable(node.what)}"
    for each in node.children:
        is_last = each is node.children[-1]
        yield from _lines(each, others + ("`- " if is_last else "|- "), others + ("   " if is_last else "|  "))
