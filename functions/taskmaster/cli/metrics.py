"""``taskmaster metrics``: gauges from the database and the broker, as OpenMetrics text."""

import click

from taskmaster.broker.groups import PREFIX
from taskmaster.cli import console
from taskmaster.cli.console import fail
from taskmaster.diagnosis.gauges import collect
from taskmaster.diagnosis.openmetrics import written
from taskmaster.settings import TOPICS

_SECONDS = 60


@click.command("metrics")
@click.option("--group-prefix", "prefix", default=PREFIX, show_default=True, help="Of the consumer groups.")
@click.option("--push", metavar="URL", help="Give them to the Pushgateway there, instead of printing them.")
def metrics(prefix: str, push: str | None) -> None:
    """Print gauges: outbox, inbox, reminders, the hourly call, lag of each consumer group, dead letters.

    What cannot be asked is left out, and taskmaster_source_up says so. Needs no process that stays awake: run it when
    somebody wants to know, and give what it prints to Prometheus.
    """
    settings = console.configured("system_database_url", TOPICS)
    try:
        with console.deadline(_SECONDS):
            text = written(collect(settings, prefix=prefix))
            if push is None:
                click.echo(text, nl=False)
            else:
                _push(text, push)
    except TimeoutError as error:
        fail(f"a server does not answer: {error}")


def _push(text: str, url: str) -> None:
    """Replace what the Pushgateway has of us."""
    import requests

    try:
        to = f"{url.rstrip('/')}/metrics/job/taskmaster"
        answer = requests.put(to, text.encode(), headers={"Content-Type": "text/plain; version=0.0.4"}, timeout=10)
    except requests.RequestException as error:
        fail(f"the Pushgateway at {url} does not answer: {type(error).__name__}")
    if answer.status_code >= 300:
        fail(f"the Pushgateway at {url} refused: HTTP {answer.status_code}")
