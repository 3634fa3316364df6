"""``taskmaster doctor``: what is wrong, why it matters, and the command that mends it; and ``taskmaster relay``."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from typing import Any, TextIO

import click

from taskmaster.broker.groups import PREFIX
from taskmaster.cli import console
from taskmaster.cli.console import fail, printable
from taskmaster.diagnosis import checkup, cluster
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.diagnosis.groups import WATCHED_SECONDS
from taskmaster.settings import BROKER

_SECONDS = 120
_KUBECTL_SECONDS = 20


@click.command("doctor")
@click.option("--only", "areas", multiple=True, type=click.Choice(checkup.AREAS), help="Only this; may be repeated.")
@click.option("--namespace", "-n", default="", help="Of the cluster; without it, that of kubectl's context.")
@click.option(
    "--objects",
    type=click.File("r"),
    help=f"What `kubectl get {cluster.KINDS} -o json` printed (with Dapr {cluster.BRIDGED_KINDS}), instead of asking"
    " kubectl; - is standard input.",
)
@click.option("--group-prefix", "prefix", default=PREFIX, show_default=True, help="Of the consumer groups.")
@click.option(
    "--watch",
    "seconds",
    default=WATCHED_SECONDS,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds between two looks at what lags.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(areas: tuple[str, ...], namespace: str, objects: TextIO | None, as_json: bool, **how: Any) -> None:
    """Say what is wrong: database, events and reminders that are late, broker, groups, issuer, cluster.

    Changes nothing. Exit code 0: nothing, or notes; 1: something is late or will go wrong; 2: something does not work.
    The cluster is asked by kubectl, where it reaches one.
    """
    settings = console.configured()
    chosen = areas or checkup.AREAS
    kinds = cluster.BRIDGED_KINDS if settings.transport == "dapr" else cluster.KINDS
    about = _cluster(namespace, kinds, objects) if cluster.AREA in chosen else None
    asked = checkup.Asked(
        areas=chosen,
        **how,  # as Asked has it: prefix, seconds
        namespace=namespace or "NAMESPACE",
        objects=about if isinstance(about, list) else None,
    )
    try:
        with console.deadline(_SECONDS):
            found = checkup.examine(settings, asked)
    except TimeoutError as error:
        fail(f"a server does not answer: {error}; --only asks one area")
    if isinstance(about, str):
        found.append(not_looked_at(cluster.AREA, about, "run it where kubectl reaches the cluster, or give --objects"))
    if as_json:
        for each in found:
            click.echo(json.dumps(each.as_json()))
    else:
        click.echo("\n".join([*map(_text, found), _summary(found, chosen)]))
    sys.exit(int(checkup.worst(found)))


def _text(finding: Finding) -> str:
    lines = [f"{finding.severity.name.lower():<9}{finding.area:<10}{printable(finding.what)}"]
    lines.append(f"{'':<19}why:  {printable(finding.why)}")
    if finding.mend:
        lines.append(f"{'':<19}mend: {printable(finding.mend)}")
    return "\n".join(lines)


def _summary(found: list[Finding], areas: tuple[str, ...]) -> str:
    counted = Counter(each.severity for each in found)
    said = ", ".join(f"{counted[each]} {each.name.lower()}" for each in reversed(Severity) if counted[each])
    return f"{said or 'nothing found'} ({', '.join(areas)})"


def _cluster(namespace: str, kinds: str, given: TextIO | None) -> list[Any] | str:
    """The objects of the cluster, or why there are none."""
    if given is not None:
        text = given.read()
    else:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            return "there is no kubectl here"
        command = [kubectl, *(["-n", namespace] if namespace else []), "get", kinds, "-o", "json"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_KUBECTL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"kubectl did not answer within {_KUBECTL_SECONDS} seconds"
        if ended.returncode:
            return f"kubectl: {(ended.stderr.strip().splitlines() or ['failed'])[-1]}"[:300]
        text = ended.stdout
    try:
        items = json.loads(text)["items"]
    except (ValueError, KeyError, TypeError):
        return "what kubectl printed is no list of objects in JSON"
    return items if isinstance(items, list) else "what kubectl printed is no list of objects in JSON"


@click.command("relay")
def relay() -> None:
    """Do at once what relay-outbox does by the hour.

    Call for a missed reminder, publish what waits in the outbox, purge what is past its time. Safe to repeat, and
    beside others.
    """
    from taskmaster.broker.outbox import publish
    from taskmaster.broker.transport import BrokerUnavailable
    from taskmaster.database.retention import purge
    from taskmaster.database.session import Busy, Unavailable
    from taskmaster.runtime import Runtime

    settings = console.configured("database_url", "system_database_url", BROKER)
    here = Runtime(settings)
    try:
        here.due_reminders.request_overdue_dispatch()
        published = publish(here.database, here.broker)
        purged = purge(here.database)
    except (Unavailable, Busy) as error:
        fail(f"the database is away or busy: {error}")
    except BrokerUnavailable as error:
        fail(f"the broker is away: {error}. The events wait in the outbox.")
    finally:
        here.broker.close()
        here.database.close()
    click.echo(f"published {published} events, purged {purged} rows")
