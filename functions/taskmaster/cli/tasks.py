"""``taskmaster add``, ``list``, ``done``, ``watch`` and ``calendar``: a person's tasks in a terminal, at any address.

On a terminal a table where rich is installed (the extra `client`); else, and in a pipe, a line for each task, its
fields separated by tabs. --json is for programs: an object a line.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from itertools import islice
from typing import Any

import click

from taskmaster.cli.console import fail, printable
from taskmaster.client import Away, Refused, Task, Taskmaster

NOT_ALLOWED, NOT_FOUND, AWAY, INTERRUPTED = 3, 4, 5, 130
_COLUMNS = ("id", "due", "priority", "title", "tags", "repeats")


def _asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all of these have, and a client as its first argument."""

    @click.option(
        "--url", envvar="TASKMASTER_URL", default="http://localhost:8080", show_default=True, show_envvar=True
    )
    @click.option("--token", envvar="TASKMASTER_TOKEN", required=True, show_envvar=True, help="Who you are.")
    @click.option("--json", "as_json", is_flag=True, help="An object a line, as the API has it.")
    @wraps(command)
    def asking(url: str, token: str, **more: Any) -> None:
        with told():
            command(Taskmaster(url, token.strip()), **more)

    return asking


@contextmanager
def told() -> Iterator[None]:
    """End with one sentence and an exit code where the pack refuses, or is away."""
    try:
        yield
    except Refused as error:
        fail(printable(str(error)), code={401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND}.get(error.status, 1))
    except Away as error:
        fail(f"nothing answers there: {printable(str(error))}", code=AWAY)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@click.command("add")
@click.argument("title")
@click.option("--due", help="A day (2027-01-31), or a moment with its offset (2027-01-31T09:00:00+01:00).")
@click.option("--zone", "time_zone", help="IANA name, such as Europe/Zurich.")
@click.option("--priority", type=click.Choice(["low", "medium", "high", "urgent"]))
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--every", "recurrence_pattern", help="daily, weekdays, monthly, 'every 3 days', or an RFC 5545 rule.")
@click.option("--remind", "reminders", multiple=True, help="A moment, or a duration before it is due, such as PT30M.")
@click.option("--description")
@click.option("--key", help="An idempotency key: the same command again adds nothing more.")
@_asks
def add(client: Taskmaster, title: str, due: str | None, key: str | None, as_json: bool, **fields: Any) -> None:
    """Add a task."""
    if due:
        fields["due_at" if len(due) > len("2027-01-31") else "due_on"] = due
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if value}
    _show([client.create(title, key=key, **given)], as_json=as_json)


@click.command("list")
@click.option("--status", type=click.Choice(["open", "completed", "overdue", "all"]), default="open", show_default=True)
@click.option("--tag", multiple=True, help="All of these.")
@click.option("--priority", multiple=True, type=click.Choice(["low", "medium", "high", "urgent"]), help="Any of these.")
@click.option("--text", help="Part of the title or the description.")
@click.option("--due-to", help="Due on this day or at this moment, or earlier.")
@click.option("--sort", default="due", show_default=True, help="created_at, updated_at, due, priority or title; -due.")
@click.option("--limit", type=click.IntRange(1), help="Tasks at most; without it all.")
@_asks
def list_tasks(client: Taskmaster, limit: int | None, as_json: bool, **filters: Any) -> None:
    """List tasks."""
    given = {name: value for name, value in filters.items() if value}
    _show(islice(client.list(**given, limit=min(limit or 100, 100)), limit), as_json=as_json)


@click.command("done")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True, type=click.IntRange(1))
@_asks
def done(client: Taskmaster, task_ids: tuple[int, ...], as_json: bool) -> None:
    """Complete tasks."""
    _show((client.complete(task_id) for task_id in task_ids), as_json=as_json)


@click.command("calendar")
@click.option("--revoke", is_flag=True, help="End the address, and make none.")
@_asks
def calendar(client: Taskmaster, revoke: bool, as_json: bool) -> None:
    """Print a new secret address at which calendar programs read the open tasks; the one before ends.

    It is shown this once. Whoever knows it reads the tasks.
    """
    if revoke:
        client.revoke_calendar()
        return
    url = client.make_calendar()
    click.echo(json.dumps({"url": url}) if as_json else url)


@click.command("watch")
@click.option("--cursor", help="Where to go on; without it from now on.")
@_asks
def watch(client: Taskmaster, cursor: str | None, as_json: bool) -> None:
    """Show changes as they happen, until Ctrl-C. With --json each line has the cursor to go on from."""
    for page in client.follow(cursor):
        if as_json:
            click.echo(json.dumps({"tasks": page.tasks, "deleted": page.deleted, "cursor": page.cursor}))
            continue
        for task in page.tasks:
            click.echo("\t".join(["done" if task["completed"] else "open", *_cells(task)]))
        for gone in page.deleted:
            click.echo(f"gone\t{gone['task_id']}")


def _show(tasks: Iterable[Task], *, as_json: bool) -> None:
    if as_json:
        for task in tasks:
            click.echo(json.dumps(task, ensure_ascii=False))
    elif _is_terminal() and find_spec("rich"):
        _print_table(tasks)
    else:
        for task in tasks:
            click.echo("\t".join(_cells(task)))


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _print_table(tasks: Iterable[Task]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name == "id" else "left")
    for task in tasks:
        style = "dim strike" if task["completed"] else "bold red" if task["priority"] == "urgent" else ""
        table.add_row(*(Text(cell, style=style) for cell in _cells(task)))  # Text: nobody's title is markup
    Console().print(table)


def _cells(task: Task) -> list[str]:
    """A task by _COLUMNS. Texts of people may have control characters, which a terminal would obey."""
    due = task["due_on"] or task["due_at"] or ""
    cells = (task["task_id"], due, task["priority"], task["title"], " ".join(task["tags"]), task["recurrence_pattern"])
    return [printable(str(cell or "")) for cell in cells]
