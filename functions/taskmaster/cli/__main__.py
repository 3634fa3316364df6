"""``taskmaster``: commands that prepare a database and a broker, look after dead letters, sign tokens, and show tasks.

Every command is safe to repeat. What goes wrong is one sentence on standard error and exit code 1.
"""

import gc
import os

# Before anything else is imported: a command is a process of its own, and half of a short one is its imports.
gc.set_threshold(100_000)  # imports make no garbage, and looking for it takes time
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for plugins reads the metadata of every package

import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import BinaryIO  # noqa: E402

import click  # noqa: E402

from taskmaster.broker.acls import USERS, Tool  # noqa: E402
from taskmaster.cli.console import LateCommands, configured, deadline, fail, first_line  # noqa: E402
from taskmaster.settings import TOPICS, Settings  # noqa: E402

_BROKER_SECONDS = 60


_LATE = {
    "add": "taskmaster.cli.tasks",
    "calendar": "taskmaster.cli.tasks",
    "done": "taskmaster.cli.tasks",
    "list": "taskmaster.cli.tasks:list_tasks",
    "watch": "taskmaster.cli.tasks",
    "import": "taskmaster.cli.importing:import_tasks",
    "history": "taskmaster.cli.audit",
    "rebuild": "taskmaster.cli.audit",
    "dead-letters": "taskmaster.cli.dead_letters",
    "doctor": "taskmaster.cli.doctor",
    "metrics": "taskmaster.cli.metrics",
    "records": "taskmaster.cli.records",
    "relay": "taskmaster.cli.doctor",
    "trace": "taskmaster.cli.trace",
}


@click.group(cls=LateCommands, late=_LATE, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Prepare and look after taskmaster functions. The environment says where the database and the broker are.

    add, calendar, done, import, list and watch are for whoever has tasks: they need an address and a token, and
    nothing else.
    """


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date.

    Needs MIGRATION_DATABASE_URL (the owner, a direct endpoint) and gives the logins of DATABASE_URL and
    SYSTEM_DATABASE_URL their passwords. Two at once are safe, and so is one after another that was killed.
    """
    import psycopg

    from taskmaster.database import migrations

    settings = configured("migration_database_url", "database_url", "system_database_url")
    try:
        done = migrations.migrate(
            settings.migration_database_url.get_secret_value(),
            settings.database_url.get_secret_value(),
            settings.system_database_url.get_secret_value(),
            may_move_time=bool(settings.clock_offset_file),
        )
    except migrations.WrongLogin as error:
        fail(str(error))
    except psycopg.Error as error:
        fail(f"the database refused: {first_line(error)}")
    click.echo(f"applied {', '.join(done.applied)}" if done.applied else "the schema is up to date")
    for what in done.left:
        click.echo(f"not done: {what}")


@main.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--partitions",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Of a topic that is made.",
)
@click.option("--replication", default=-1, help="Copies of a topic that is made; -1 is the broker's default.")
def topics(dry_run: bool, partitions: int, replication: int) -> None:
    """Create the topics, or check those that are there. With --dry-run exit code 2 says that something would change.

    On Redis a topic makes itself, and nobody deletes old records: this does. Run it once a day there.
    """
    from kafka.errors import KafkaError

    from taskmaster.broker.topics import Admin, count_of_unknown_retention, differences, wanted

    settings = configured(TOPICS)
    if settings.redis_url:
        _trim(settings, dry_run=dry_run)
        return
    names = wanted(settings)
    try:
        with deadline(_BROKER_SECONDS):
            admin = Admin(settings)
            existing = admin.existing(names)
            changes = differences(names, existing, partitions=partitions)
            if not dry_run:
                created = [change.topic for change in changes if change.action == "create"]
                if created:
                    admin.create(created, partitions=partitions, replication=replication)
                shortened = [change.topic for change in changes if change.action == "retention"]
                if shortened:
                    admin.set_retention(shortened)
            admin.close()
    except (KafkaError, OSError) as error:
        fail(f"the broker at {', '.join(settings.kafka_bootstrap_servers)} refused: {first_line(error)}")
    for change in changes:
        click.echo(change.described(is_done=not dry_run))
    if not changes:
        click.echo(f"all {len(names)} topics are as they should be")
    if count := count_of_unknown_retention(existing):
        click.echo(f"how long {count} of them keep records the broker does not say: it has to be less than 8 days")
    if dry_run and any(change.action for change in changes):
        sys.exit(2)


def _trim(settings: Settings, *, dry_run: bool) -> None:
    from taskmaster.broker import redis_streams
    from taskmaster.broker.transport import Unreadable

    try:
        with deadline(_BROKER_SECONDS):
            done = {} if dry_run else redis_streams.trim(settings)
            late = redis_streams.kept_too_long(settings)
    except (Unreadable, OSError) as error:
        fail(f"Redis at {settings.redis_address} refused: {first_line(error)}")
    for name, days in late.items():
        click.echo(f"{name}: has records of {days:.1f} days")
    if dry_run:
        sys.exit(2 if late else 0)
    click.echo(f"deleted {sum(done.values())} records that were older than 7 days")


@main.command()
@click.option("--tool", type=click.Choice(["kafka-acls", "rpk"]), default="kafka-acls", show_default=True)
@click.option("--role", "roles", multiple=True, type=click.Choice([*USERS]), help="Only this one; may be repeated.")
@click.option("--user", "named", multiple=True, metavar="ROLE=USER", help="What the user of a role is called.")
def acls(tool: Tool, roles: tuple[str, ...], named: tuple[str, ...]) -> None:
    """Print the commands that let each user of the broker do its part and no more; a superuser runs them."""
    from taskmaster.broker.acls import commands
    from taskmaster.settings import read

    users = dict(USERS)
    for role, _, user in (each.partition("=") for each in named):
        if role not in users or not user:
            fail(f"--user is ROLE=USER, and the roles are {', '.join(users)}")
        users[role] = user
    chosen = {role: users[role] for role in roles or users}
    for command in commands(read(os.environ), chosen, tool=tool):
        click.echo(command)


@main.command()
@click.argument("user")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How long it holds.")
@click.option("--key", "private", type=click.File("rb"), required=True, help="A file that `keys new` wrote.")
@click.option("--scope", default="tasks:read tasks:write", show_default=True, help="What it may do, for an assistant.")
def token(user: str, days: int, private: BinaryIO, scope: str) -> None:
    """Print a token that speaks for USER, signed with a key of `keys new`.

    It is for OIDC_ISSUER and OIDC_AUDIENCE where they are set, else for those that `keys show` prints. For what
    `make up` runs there is `make token`.
    """
    from taskmaster.cli import keypair

    settings = configured()
    issuer, audience = settings.oidc_issuer or keypair.ISSUER, settings.oidc_audience or keypair.AUDIENCE
    seconds = days * 86_400
    try:
        signed = keypair.token(user, private.read(), issuer=issuer, audience=audience, seconds=seconds, scope=scope)
    except ValueError as error:
        fail(str(error))
    click.echo(signed)


@main.group()
def keys() -> None:
    """Stand in for an identity provider with a key pair: to try a cluster, not to run one."""


@keys.command("new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def new_key(file: Path) -> None:
    """Write a private key into FILE, for its owner to read alone, and print the settings that believe it.

    Whoever has FILE can be every user. Give a cluster the printed settings, and sign with `token USER --key FILE`.
    """
    from taskmaster.cli import keypair

    private = keypair.new()
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(private)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    _show_settings(private)


@keys.command("show")
@click.argument("file", type=click.File("rb"))
def show_key(file: BinaryIO) -> None:
    """Print the settings that believe the private key in FILE. They hold its public half alone."""
    _show_settings(file.read())


def _show_settings(private: bytes) -> None:
    from taskmaster.cli import keypair

    try:
        public = keypair.public_keys(private)
    except ValueError as error:
        fail(str(error))
    click.echo(f"OIDC_ISSUER={keypair.ISSUER}\nOIDC_AUDIENCE={keypair.AUDIENCE}\nOIDC_JWKS={public}")


if __name__ == "__main__":
    main()
