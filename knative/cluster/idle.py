"""What functions cost that nobody calls: their pods, watched for a while, and the hour that this makes.

    python -m knative.cluster.idle --minutes 60

One pod kept warm is 3,600 pod-seconds an hour. Functions at zero cost what their ticks wake: relay-outbox once an hour,
and dispatch-due-reminders when its alarm rings for a reminder that is due.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import click
from rich.console import Console

from knative.cluster.kubectl import ClusterError, Kubectl
from knative.cluster.pods import PodWatch
from knative.cluster.report import lives


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--namespace", "-n", default=None, help="Whose functions; kubectl's current namespace unless given.")
@click.option("--minutes", default=60.0, show_default=True, help="How long to watch.")
def main(namespace: str | None, minutes: float) -> None:
    """Watch functions that nobody calls, and say how many pod-seconds that took."""
    console = Console(highlight=False)
    try:
        with PodWatch(Kubectl(namespace)) as pods:
            console.print(f"Watching for {minutes:g} minutes. Nobody should call meanwhile.")
            _wait(pods, minutes, console)
            until = datetime.now(UTC)
            console.print(lives(pods.ledger, since=pods.since, until=until))
            spent = pods.ledger.pod_seconds(since=pods.since, until=until)
            console.print(f"{spent * 60 / minutes:.0f} pod-seconds an hour. One pod kept warm is 3,600.")
    except ClusterError as error:
        console.print(f"[bold red]Nothing to watch:[/] {error}")
        sys.exit(1)


def _wait(pods: PodWatch, minutes: float, console: Console) -> None:
    """Ten times in all, say how far it is."""
    for tenth in range(1, 11):
        time.sleep(minutes * 6)
        spent = pods.ledger.pod_seconds(since=pods.since, until=datetime.now(UTC))
        alive = [life.function for life in pods.ledger.lives() if not life.gone]
        now = f"; now: {', '.join(alive)}" if alive else ""
        console.print(f"{minutes * tenth / 10:5.0f} minutes: {spent:.0f} pod-seconds{now}")


if __name__ == "__main__":
    main()
