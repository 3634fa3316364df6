"""``taskmaster dead-letters``: list, show and replay the events that could not be handled."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import click

from taskmaster.cli import console
from taskmaster.cli.console import TimeOrAge, fail, printable
from taskmaster.cli.dead_letter_text import everything, name_of, page, summary, table
from taskmaster.database.store import Database
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.dead_letters.replay import DeadLetterTopic, Filter, NoSuchTopic, State, obstacle, replay, states
from taskmaster.events import routes
from taskmaster.settings import BROKER, TOPICS, Settings

_CONNECT_SECONDS = 60
_SHOWN = 4_000  # characters of data, unless all of it is asked for
_CHUNK = 500  # events that are put back before they are published

_Command = TypeVar("_Command", bound=Callable[..., None])


def _filters(command: _Command) -> _Command:
    for option in (
        click.option("--until", type=TimeOrAge(), help="Parked before this time, or longer ago than this."),
        click.option(
            "--since", type=TimeOrAge(), help="Parked at this time or later, or no longer ago than this (2h)."
        ),
        click.option("--function", help="The function that failed, such as create-task."),
        click.option("--user", help="The user of the event."),
        click.option("--type", help="The type of the event, such as task.create."),
        click.option("--task", "task_id", type=int, help="The id of the task that it is about."),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at what could not be handled, and put it back.

    Reads the topic dead-letters (READ and DESCRIBE, no consumer group). What became of a letter is in the database,
    under the login of SYSTEM_DATABASE_URL; to put one back takes WRITE on the topic of its function.
    """


@dead_letters.command("list")
@click.argument("names", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_letters(names: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """One line for each letter, oldest first. ID is a letter (0/17), or the id of an event."""
    settings = console.configured(TOPICS)
    with _topic(settings) as topic:
        letters = _chosen(topic, Filter(names=names, **filters))
    found = _states(settings, letters)
    rows = [summary(letter, state) for letter, state in zip(letters, found, strict=True)]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif rows:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo("\n".join(table(rows, width=width)))
    else:
        click.echo("no dead letters" + (" of these" if names or any(filters.values()) else ""))


@dead_letters.command("show")
@click.argument("name", metavar="ID")
@click.option("--full", is_flag=True, help=f"All of the data, beyond {_SHOWN} characters too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, all of the data in it.")
def show_letter(name: str, full: bool, as_json: bool) -> None:
    """Everything about one letter: its event, and why it failed. ID is a letter (0/17), or the id of an event."""
    settings = console.configured(TOPICS)
    with _topic(settings) as topic:
        letters = _chosen(topic, Filter(names=[name]))
    if not letters:
        fail(f"there is no dead letter {printable(name)}: taskmaster dead-letters list shows those that are there")
    for number, (letter, state) in enumerate(zip(letters, _states(settings, letters), strict=True)):
        if as_json:
            click.echo(json.dumps(everything(letter, state)))
        else:
            click.echo("\n" * bool(number) + page(letter, state, shown=sys.maxsize if full else _SHOWN))


@dead_letters.command("replay")
@click.argument("names", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--all", "all_of_them", is_flag=True, help="All that wait, where no ID and no filter says which.")
@click.option("--again", is_flag=True, help="Also those that were replayed or handled already.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and change nothing.")
def replay_letters(names: tuple[str, ...], all_of_them: bool, again: bool, dry_run: bool, **filters: Any) -> None:
    """Put events back to their functions as they were, their attempts counted anew.

    Safe to repeat: a letter that was replayed is not replayed again, and an event that was handled since is never run
    twice. With --dry-run exit code 2 says that something would be replayed. Exit code 1 says that something went wrong.
    """
    if not (names or all_of_them or any(each is not None for each in filters.values())):
        raise click.UsageError("Say which: an ID, a filter such as --type task.create, or --all.")
    settings = console.configured(TOPICS, BROKER, "system_database_url")
    with _topic(settings) as topic:
        letters = _chosen(topic, Filter(names=names, **filters))
    if missing := [name for name in names if not any(name in (letter.position, letter.id) for letter in letters)]:
        fail(f"there is no dead letter {printable(', '.join(missing))} of these; nothing was replayed")
    gone: set[Any] = set()  # events that went back: one that has several letters goes once
    stuck = 0
    with _database(settings) as database:
        for number, (letter, state) in enumerate(zip(letters, states(database, letters), strict=True), 1):
            to = settings.topic(letter.mailbox)
            if reason := obstacle(letter, state, to, topic):
                click.echo(f"{name_of(letter)}: cannot be replayed: {printable(reason)}", err=True)
                stuck += 1
                continue
            if dry_run:
                was = State.WAITING if again else state
            else:
                was = replay(database, letter, topic=to, again=again, send=letter.identity not in gone)
            if was is State.WAITING:
                gone.add(letter.identity)
                click.echo(f"{name_of(letter)}: {'would go' if dry_run else 'goes'} back to {to}")
            else:
                click.echo(f"{name_of(letter)}: skipped, {was.value}")
            if number % _CHUNK == 0 and not dry_run:
                _publish(database, settings)
        if gone and not dry_run:
            _publish(database, settings)
    events = f"{len(gone)} event{'' if len(gone) == 1 else 's'}"
    click.echo(f"{'would replay' if dry_run else 'replayed'} {events}, of {len(letters)} dead letters")
    sys.exit(1 if stuck else 2 if dry_run and gone else 0)


def _publish(database: Database, settings: Settings) -> None:
    from taskmaster.broker import transports
    from taskmaster.broker.outbox import publish
    from taskmaster.broker.transport import BrokerUnavailable

    broker = transports.broker(settings)
    try:
        publish(database, broker)
    except BrokerUnavailable as error:
        fail(f"replayed, but the broker went away: {error}. The events wait in the outbox for the next publisher.")
    finally:
        broker.close()


# Connections --------------------------------------------------------------------------------------------------------


@contextmanager
def _topic(settings: Settings) -> Iterator[DeadLetterTopic]:
    """The topic of dead letters, connected. What goes wrong in the block ends the command with what to do about it."""
    from taskmaster.broker.transport import ReadingForbidden, Unreadable
    from taskmaster.broker.transports import address, reading

    name = settings.topic(routes.DEAD_LETTERS)
    try:
        with ExitStack() as stack:
            with console.deadline(_CONNECT_SECONDS):
                topic = DeadLetterTopic(stack.enter_context(reading(settings, [name])), name)
            yield topic
    except NoSuchTopic:
        fail(
            f"there is no topic {name}, or this user may not DESCRIBE it: taskmaster topics makes it,"
            " and KAFKA_TOPICS names it where it is called otherwise"
        )
    except ReadingForbidden:
        fail(f"this user may not read topic {name}: it needs READ and DESCRIBE on it")
    except (Unreadable, OSError) as error:
        fail(f"the broker at {address(settings)} cannot be read: {console.first_line(error)}")


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """The database, under the system's login, once it has answered."""
    import psycopg

    from taskmaster.database.session import Busy, StatementFailed, Unavailable

    url = settings.system_database_url.get_secret_value()
    try:
        psycopg.connect(url, connect_timeout=max(2, int(settings.database_timeout))).close()
    except psycopg.Error as error:
        fail(f"the database refused: {console.first_line(error)}")
    database = Database(user_url=url, system_url=url, pool_size=1, timeout=settings.database_timeout)
    try:
        yield database
    except Busy:
        fail("one of these is being handled right now: try again in a moment, what went is not repeated")
    except Unavailable as error:
        fail(f"the database went away: {error}; try again, what went is not repeated")
    except StatementFailed as error:
        fail(f"the database refused: {error}; SYSTEM_DATABASE_URL must name taskmaster_system, and the schema be there")
    finally:
        database.close()


def _chosen(topic: DeadLetterTopic, wanted: Filter) -> list[DeadLetter]:
    """The selected dead letters, oldest first."""
    return sorted(filter(wanted.takes, topic.read()), key=lambda letter: letter.parked_at)


def _states(settings: Settings, letters: Sequence[DeadLetter]) -> list[State | None]:
    """The state of each; None where no database is configured."""
    if not settings.system_database_url.get_secret_value():
        click.echo("SYSTEM_DATABASE_URL is not set: what became of them is not known", err=True)
        return [None] * len(letters)
    if not letters:
        return []
    with _database(settings) as database:
        return [*states(database, letters)]
