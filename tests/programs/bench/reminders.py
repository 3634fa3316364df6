"""The lateness of 1,000 reminders in 20 s, on the whole stand-in: from the moment each is meant for to its webhook.

    python -m tests.programs.bench.reminders [--reminders 1000] [--seconds 20]

Two shapes: as many tasks as reminders, of twenty users; and fifty reminders on each of twenty tasks, whose events go
out one behind the other. Functions start from zero, and the receiver, the load and the platform share the machine.
Exit code 1 says that a reminder did not come, or came twice; a lateness above a second is a finding, not a failure.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from knative.local.embedded import EmbeddedError
from knative.local.up import Platform
from tests.platform.user import User
from tests.programs.bench.contenders import Wrong
from tests.support.brokers import Kafka
from tests.support.receiver import SECRET, Receiver

_ROOT = Path(__file__).parents[3]
_USERS = 20
_AHEAD = timedelta(hours=2)  # travelled over once everything is created, until shortly before the first alarm
_ALARM = timedelta(seconds=15)
_GOAL = 1.0  # seconds: what the 99th percentile is to stay below


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """Seconds, in order, of every reminder of one shape."""

    shape: str
    seconds: list[float]

    def percentile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def main() -> int:
    options = _options()
    console = Console()
    load = os.getloadavg()[0]
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    apart = timedelta(seconds=options.seconds) / options.reminders
    shapes = [
        (f"{options.reminders:,} tasks of {_USERS} users, one reminder each", _one_each),
        (f"{_USERS} tasks, {options.reminders // _USERS} reminders each", _many_each),
    ]
    try:
        with console.status("measuring the lateness of reminders"):
            measured = [_measure(name, create, options.reminders, apart) for name, create in shapes]
    except (Wrong, EmbeddedError) as error:
        console.print(f"[red]wrong:[/] {error}", highlight=False)
        return 1
    console.print(_table(options, measured), highlight=False)
    cores = os.cpu_count() or 1
    if load > cores / 2:
        console.print(f"[yellow]The machine was busy before this began (load {load:.1f}).[/]")
    return 0


Create = Callable[[list[User], list[datetime]], None]


def _measure(shape: str, create: Create, count: int, apart: timedelta) -> Lateness:
    """On a platform of its own, so that no shape finds functions awake."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-bench-") as state, ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        Path(state).chmod(0o711)
        platform = stack.enter_context(Platform(_ROOT, state=Path(state), environ={}, watch=False))
        kafka = Kafka({"KAFKA_BOOTSTRAP_SERVERS": platform.bootstrap_servers})
        if not platform.wait_until_consuming(60):
            raise Wrong("a KafkaSource has no partitions after a minute")
        users = [stack.enter_context(User.of(platform, kafka, f"user-{number}")) for number in range(_USERS)]
        for user in users:
            user.call("PUT", "/preferences", {"channels": [{"type": "webhook", "url": receiver.url, "secret": SECRET}]})
        start = platform.clock.now() + _AHEAD
        moments = [start + apart * number for number in range(count)]
        create(users, moments)
        if not platform.wait_for_zero(120):
            raise Wrong("a function is still awake two minutes after the last task was created")
        platform.travel(start - platform.clock.now() - _ALARM)
        receiver.travelled = platform.clock.offset
        deadline = time.monotonic() + (moments[-1] - platform.clock.now()).total_seconds() + 60
        while len(receiver.rung) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(2)  # for one that came twice
        repeated = sum(receiver.rung.values()) - len(receiver.rung)
        if len(receiver.rung) != count or repeated:
            raise Wrong(f"{shape}: {len(receiver.rung)} of {count} reminders came, {repeated} of them again")
        return Lateness(shape=shape, seconds=sorted(receiver.late))


def _one_each(users: list[User], moments: list[datetime]) -> None:
    def create(user: User, own: list[datetime]) -> None:
        for moment in own:
            _created(user, moment, None)

    with ThreadPoolExecutor(8) as side_by_side:
        list(side_by_side.map(create, users, [moments[number :: len(users)] for number in range(len(users))]))


def _many_each(users: list[User], moments: list[datetime]) -> None:
    for number, user in enumerate(users):
        own = moments[number :: len(users)]
        _created(user, moments[-1] + timedelta(days=1), [moment.isoformat() for moment in own])


def _created(user: User, due: datetime, reminders: list[str] | None) -> None:
    task = {"title": "ring", "due_at": due.isoformat(), "time_zone": "UTC", "reminders": reminders}
    answer = user.call("POST", "/tasks", task)
    if answer.status_code != 201:
        raise Wrong(f"create-task answered {answer.status_code}: {answer.text}")


def _table(options: argparse.Namespace, measured: list[Lateness]) -> Table:
    table = Table(title=f"{options.reminders:,} reminders in {options.seconds} s, every one once: lateness in ms")
    table.add_column("shape")
    for name in ("p50", "p99", "most", "goal"):
        table.add_column(name, justify="right")
    for lateness in measured:
        p50, p99, most = (lateness.percentile(share) for share in (0.5, 0.99, 1.0))
        verdict = "[green]met[/]" if p99 < _GOAL else "[yellow]missed[/]"
        table.add_row(
            lateness.shape, *(f"{each * 1000:.0f}" for each in (p50, p99, most)), f"p99 < {_GOAL * 1000:.0f}: {verdict}"
        )
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.reminders", description="Measure how late reminders are."
    )
    parser.add_argument("--reminders", type=int, default=1000, help="in each shape, a multiple of 20 (%(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="over which they are spread (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
