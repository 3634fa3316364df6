"""``taskmaster import``: the tasks of a file of another program, at any address."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from taskmaster.cli.console import fail, printable
from taskmaster.cli.tasks import told
from taskmaster.client import Taskmaster
from taskmaster.importing import files
from taskmaster.importing.found import NotReadable
from taskmaster.importing.loading import Outcome, load

_ONE = {
    "to be made": "would be made",
    "made": "was made",
    "there already": "is there already",
    "refused": "was refused",
    "left out": "was left out",
}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be made and what cannot be kept, and make nothing.")
@click.option("--zone", default="UTC", show_default=True, help="IANA name, for times in FILE that name no zone.")
@click.option("--url", envvar="TASKMASTER_URL", default="http://localhost:8080", show_default=True, show_envvar=True)
@click.option("--token", envvar="TASKMASTER_TOKEN", show_envvar=True, help="Who you are; a dry run does without.")
@click.option("--json", "as_json", is_flag=True, help="An object a line.")
def import_tasks(file: Path, *, dry_run: bool, zone: str, url: str, token: str | None, as_json: bool) -> None:
    """Make the tasks in FILE: Todoist's CSV, an iCalendar file (its to-dos), or Vikunja's export (a zip).

    Each task is made once, also by an import that is repeated or goes on: what is there already, by its title, notes
    and date, is left as it is. A line for each task says what became of it, and what of it could not be kept.
    """
    if not token and not dry_run:
        fail("say who you are, by --token or TASKMASTER_TOKEN; or try --dry-run, which asks nobody", code=2)
    try:
        today = datetime.now(ZoneInfo(zone) if zone != "UTC" else UTC).date()
    except (KeyError, ValueError, OSError):
        fail(f"{printable(zone)} is no IANA time zone, such as Europe/Zurich", code=2)
    client = Taskmaster(url, token.strip()) if token else None
    counts: dict[str, int] = {}
    with told():
        try:
            kind, tasks = files.read(file.read_bytes(), files.Reading(zone, today))
            for outcome in load(client, tasks, dry_run=dry_run):
                counts[outcome.what] = counts.get(outcome.what, 0) + 1
                _show(outcome, as_json=as_json)
        except NotReadable as error:
            fail(f"{file} cannot be read: {printable(str(error))}")
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}")
    if not as_json:
        said = ", ".join(f"{count} {_ONE[what] if count == 1 else _many(what)}" for what, count in counts.items())
        click.echo(f"{kind}: {said or 'there is no task in it'}", err=True)
    if counts.get("refused"):
        raise SystemExit(1)


def _many(what: str) -> str:
    return _ONE[what].replace("was ", "were ").replace("is ", "are ")


def _show(outcome: Outcome, *, as_json: bool) -> None:
    found = outcome.found
    if as_json:
        shown = {"outcome": outcome.what, "task_id": outcome.task_id, "task": found.fields, "done": found.completed}
        more = {"not_kept": found.not_kept, **({"why": outcome.why} if outcome.why else {})}
        click.echo(json.dumps({**shown, **more}, ensure_ascii=False))
        return
    fields = found.fields
    due = fields.get("due_at") or fields.get("due_on") or ""
    cells = [outcome.what, due, "done" if found.completed else fields.get("recurrence_pattern", ""), found.title]
    click.echo("\t".join(printable(str(cell)) for cell in cells))
    for what in found.not_kept:
        click.echo(f"\tnot kept: {printable(what)}")
    if outcome.why:
        click.echo(f"\t{printable(outcome.why)}")
