"""make attack: a hostile user, receiver, mail server, issuer or client; how much another user has of it.

python -m tests.programs.attack --seconds 60 [--only full-speed] [--seed 7]
"""

import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

import click

from tests.programs.attack.attacks.registry import ATTACKS, EVERYTHING, about

_ROOT = Path(__file__).parents[3]
_NAMES = (*ATTACKS, EVERYTHING)


@click.command(epilog="\n\n".join(f"{name}: {about(name)}" for name in _NAMES))
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(5, 86_400), help="Of each attack.")
@click.option("--only", multiple=True, type=click.Choice(_NAMES), help="One attack; may be given several times.")
@click.option("--seed", type=int, help="What the attackers choose by; a random one unless given.")
@click.option("--patience", default=90.0, show_default=True, help="Seconds that an attack may take to drain.")
def main(seconds: float, only: tuple[str, ...], seed: int | None, patience: float) -> None:
    """Measure how late another user's reminders and how slow her calls become."""
    from tests.programs.attack.report import failed, table
    from tests.programs.attack.run import Plan, say
    from tests.programs.attack.run import run as run_plan
    from tests.programs.attack.stage import Failed

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, it ends what it started
    logging.getLogger("knative").setLevel(logging.CRITICAL)
    seed = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        names=only or _NAMES, seed=seed, seconds=seconds, quiet=min(max(5.0, seconds / 2), 60.0), patience=patience
    )
    log = _ROOT / ".local" / "attack" / f"{seed}-{time.strftime('%Y%m%dT%H%M%S')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    again = f"make attack SEED={seed} SECONDS={seconds:g}" + "".join(f" ONLY={name}" for name in only)
    say(f"seed {seed}; what the functions say: {log}")
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        say(f"the machine is busy (load {load:.1f} on {cores} processors): calls may be slow by that alone")
    begun = time.monotonic()
    try:
        rounds = run_plan(plan, log)
    except Failed as error:
        raise click.ClickException(f"{error}; again: {again}") from None
    click.echo(table(rounds))
    worse = failed(rounds)
    say(f"seed {seed}, {time.monotonic() - begun:.0f} s in all; again: {again}")
    if worse:
        say(f"{len(worse)} of {len(plan.names)} attacks cost another user too much: {', '.join(worse)}")
        sys.exit(1)
    say("no attack cost another user more than she may notice")


if __name__ == "__main__":
    main()
