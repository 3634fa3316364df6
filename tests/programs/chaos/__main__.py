"""make chaos: commands by REST and Kafka while everything is killed; then the history against the promises.

python -m tests.programs.chaos run --seconds 60 --commands 600 --seed 7
python -m tests.programs.chaos check DIRECTORY       # a history again, without running anything
"""

import random
import shlex
import signal
import sys
import time
from pathlib import Path

import click

from knative.local.dapr.side import BROKERS, KNATIVE, REDIS, missing

_ROOT = Path(__file__).parents[3]


@click.group()
def main() -> None:
    """Chaos: what is asked while everything dies, held against what is promised."""


@main.command()
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(10, 86_400), help="Of chaos.")
@click.option("--commands", default=0, type=click.IntRange(0, 1_000_000), help="0: ten a second.")
@click.option("--seed", type=int, help="What to ask and what to break; a random one unless given.")
@click.option("--settling", default=0.0, help="Seconds to come to rest; 0: five minutes and half the chaos' time.")
@click.option("--stories", default=1_000, show_default=True, type=click.IntRange(0), help="Told by `taskmaster trace`.")
@click.option("--transport", default=BROKERS[0], show_default=True, type=click.Choice(BROKERS))
def run(*, seconds: float, commands: int, seed: int | None, settling: float, stories: int, transport: str) -> None:
    """Make a history and check it."""
    from tests.programs.apache_kafka import NoApacheKafka, class_path
    from tests.programs.chaos.run import Plan
    from tests.programs.chaos.run import run as run_plan

    try:
        if transport != REDIS:
            class_path()
    except NoApacheKafka as error:
        raise click.ClickException(str(error)) from None
    if transport != KNATIVE and (said := missing(with_redis=transport == REDIS, has_jobs=True)):
        raise click.ClickException(said)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, it ends what it started
    seed = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        transport=transport,
        seed=seed,
        seconds=seconds,
        commands=commands or int(seconds * 10),
        settling=settling or 300 + seconds / 2,
        stories=stories,
    )
    directory = _ROOT / ".local" / "chaos" / f"{seed}-{time.strftime('%Y%m%dT%H%M%S')}"
    again = f"make chaos SEED={seed} SECONDS={seconds:g} COMMANDS={plan.commands} TRANSPORT={transport}"
    click.echo(f"chaos: seed {seed}; the history: {directory}")
    begun = time.monotonic()
    try:
        run_plan(plan, directory)
    except BaseException:
        click.echo(f"chaos: broken off, seed {seed}; again: {again}", err=True)
        raise
    _check(directory, again=again)
    click.echo(f"chaos: all promises held, seed {seed}, {time.monotonic() - begun:.0f} s in all")


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(directory: Path) -> None:
    """Check a history that was made before."""
    _check(directory, again=shlex.join(["python", "-m", "tests.programs.chaos", "check", str(directory)]))


def _check(directory: Path, *, again: str) -> None:
    from tests.programs.chaos.checker import check as check_history
    from tests.programs.chaos.report import report

    verdict = check_history(directory)
    click.echo(report(verdict, directory=directory, again=again))
    if verdict.violations:
        sys.exit(1)


if __name__ == "__main__":
    main()
