"""``taskmaster records``: show the record that blocks a KafkaSource, and skip it where it can never be sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from taskmaster.broker.records import NoSuchRecord, NotSkipped, RecordPosition, next_records, obstacle, record_at, skip
from taskmaster.cli import console
from taskmaster.cli.console import fail, printable
from taskmaster.settings import Settings

_SECONDS = 60
_SHOWN = 2_000  # characters of a value


class _Position(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 alone
    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RecordPosition:
        try:
            return value if isinstance(value, RecordPosition) else RecordPosition.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no place of a record: TOPIC/PARTITION/OFFSET, such as complete-task/0/17")


@click.group("records")
def records() -> None:
    """Look at the record that a KafkaSource cannot get past, and skip it.

    With the broker's user of the KafkaSources, who may read the mailboxes and the groups.
    """


@records.command("next")
@click.argument("group")
def show_next(group: str) -> None:
    """What GROUP, such as taskmaster-complete-task, stands before: one line a partition that has more for it."""
    settings = console.configured("kafka_bootstrap_servers")
    with _asking(settings):
        waiting = [
            (position, count, record_at(settings, position))
            for position, count in next_records(settings, group).items()
        ]
    for position, count, record in waiting:
        click.echo(f"{position}: {count} to go, this one is {obstacle(record) or 'sendable'}")
    if not waiting:
        click.echo(f"{printable(group)} has nothing more to read, or has committed nothing yet")


@records.command("show")
@click.argument("position", metavar="PLACE", type=_Position())
@click.option("--full", is_flag=True, help=f"All of the value, beyond {_SHOWN} characters too.")
def show_record(position: RecordPosition, full: bool) -> None:
    """The record at PLACE, which is TOPIC/PARTITION/OFFSET: its key, its headers, its value."""
    settings = console.configured("kafka_bootstrap_servers")
    with _asking(settings):
        record = record_at(settings, position)
    click.echo(f"record       {printable(str(position))}")
    click.echo(f"delivery     {obstacle(record) or 'a KafkaSource can send it'}")
    click.echo(f"key          {_text(record.key)}")
    for name, value in record.headers:
        click.echo(f"  {printable(name):<20} {_text(value)}")
    value = (record.value or b"").decode("utf-8", "replace")
    click.echo(f"value, {len(record.value or b'')} bytes:")
    click.echo("  " + printable(value if full else value[:_SHOWN]))
    if len(value) > _SHOWN and not full:
        click.echo(f"  ... cut: {_SHOWN} of {len(value)} characters; --full shows all")


@records.command("skip")
@click.argument("group")
@click.argument("position", metavar="PLACE", type=_Position())
def skip_record(group: str, position: RecordPosition) -> None:
    """Let GROUP go on behind the record at PLACE, before which it stands. Its KafkaSource must be stopped meanwhile.

    The record is in nobody's hands then: look at it before (records show). Not safe to repeat for another place, but
    for the same one: a group that stands elsewhere is not moved.
    """
    settings = console.configured("kafka_bootstrap_servers")
    with _asking(settings):
        try:
            skip(settings, group, position)
        except NotSkipped as error:
            fail(printable(str(error)))
    click.echo(f"{printable(group)} goes on behind {printable(str(position))}")


@contextmanager
def _asking(settings: Settings) -> Iterator[None]:
    """What goes wrong in the block ends the command with one sentence."""
    from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

    try:
        with console.deadline(_SECONDS):
            yield
    except NoSuchRecord as error:
        fail(printable(str(error)))
    except (TopicAuthorizationFailedError, GroupAuthorizationFailedError):
        fail("this user may not: it needs READ on the topic and on the group, as the KafkaSources' user has")
    except (KafkaError, OSError) as error:
        servers = ", ".join(settings.kafka_bootstrap_servers)
        fail(f"the broker at {servers} cannot be read: {console.first_line(error)}")


def _text(value: bytes | None) -> str:
    """Bytes as one line; control characters and what is no UTF-8 are escaped."""
    if value is None:
        return "none"
    text = value.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
