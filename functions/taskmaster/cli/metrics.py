"""``taskmaster metrics``: gauges from the database and the broker, as OpenMetrics text."""

import click

from taskmaster.broker.groups import PREFIX
from taskmaster.cli import console
from taskmaster.cli.console import fail
from taskmaster.diagnosis.gauges import collect
from taskmaster.diagnosis.openmetrics import written

_SECONDS = 60


@click.command("metrics")
@click.option("--group-prefix", "prefix", default=PREFIX, show_default=True, help="Of the consumer groups.")
def metrics(prefix: str) -> None:
    """Print gauges: outbox, inbox, reminders, the hourly call, lag of each consumer group, dead letters.

    What cannot be asked is left out, and taskmaster_source_up says so. Needs no process that stays awake: run it when
    somebody wants to know, and give what it prints to Prometheus.
    """
    settings = console.configured("system_database_url", "kafka_bootstrap_servers")
    try:
        with console.deadline(_SECONDS):
            click.echo(written(collect(settings, prefix=prefix)), nl=False)
    except TimeoutError as error:
        fail(f"a server does not answer: {error}")
