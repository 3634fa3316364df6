"""What telemetry costs: create-task with it and without it, in alternating rounds on the same database and broker.

    python -m tests.programs.bench.telemetry [--rounds 5] [--requests 2000] [--clients 4] [--starts 5]
    python -m tests.programs.bench.telemetry --before DIRECTORY/functions      # without it, and an earlier version

Spans go to a collector in this process, which reads and discards them; the load comes from another process.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders
from tests.programs.bench.cold_start import Start, first_answer
from tests.programs.bench.contenders import Contender, Running, Wrong, processor_seconds
from tests.programs.bench.figures import Comparison, table
from tests.programs.bench.load import Outcome, Plan, drive
from tests.support.http_sink import http_sink

GOAL = 1.1  # of the 99th percentile


@dataclass(frozen=True, kw_only=True)
class Round:
    """`processor` is milliseconds of an answer, with what was published and exported behind it."""

    outcome: Outcome
    processor: float


def main() -> int:
    options = _options()
    plan = Plan(clients=options.clients, warm_up=options.requests // 10, requests=options.requests)
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        off = contenders.taskmaster(server, bootstrap_servers, provider)
        if options.before:
            names, pair = ("before", "off"), (replace(off, directory=options.before), off)
        else:
            endpoint = stack.enter_context(http_sink(lambda *_: 200))
            environment = {**off.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
            names, pair = ("off", "on"), (off, replace(off, environment=environment))
        starts = _starts(*pair, options.starts + 1)[1:]
        rounds = _rounds(*pair, options.rounds, plan)
    comparisons = [
        Comparison(
            what=what,
            base=[base.outcome.percentile(share) for base, _ in rounds],
            ours=[ours.outcome.percentile(share) for _, ours in rounds],
            goal=goal,
        )
        for what, share, goal in (("median answer, ms", 0.5, None), ("99th percentile, ms", 0.99, GOAL))
    ]
    comparisons += [
        Comparison(
            what="answers a second",
            base=[base.outcome.rate for base, _ in rounds],
            ours=[ours.outcome.rate for _, ours in rounds],
            less=False,
        ),
        Comparison(
            what="processor time of an answer, ms",
            base=[base.processor for base, _ in rounds],
            ours=[ours.processor for _, ours in rounds],
        ),
        Comparison(
            what="exec to first answer, ms",
            base=[base.milliseconds for base, _ in starts],
            ours=[ours.milliseconds for _, ours in starts],
        ),
        Comparison(
            what="processor time until then, ms",
            base=[base.processor for base, _ in starts],
            ours=[ours.processor for _, ours in starts],
        ),
    ]
    Console().print(table(f"create-task, {plan.clients} clients", *names, comparisons), highlight=False)
    return 0


def _starts(base: Contender, ours: Contender, count: int) -> list[tuple[Start, Start]]:
    """Pairs of starts; every other one in the other order."""
    measured = []
    for number in range(count):
        if number % 2:
            later, earlier = first_answer(ours), first_answer(base)
            measured.append((earlier, later))
        else:
            measured.append((first_answer(base), first_answer(ours)))
    return measured


def _rounds(base: Contender, ours: Contender, rounds: int, plan: Plan) -> list[tuple[Round, Round]]:
    """Pairs of rounds; every other one in the other order."""
    measured = []
    with contenders.running(base) as first, contenders.running(ours) as second:
        for server in (first, second):
            contenders.connected(server).close()
        for number in range(rounds):
            if number % 2:
                later, earlier = _driven(second, plan), _driven(first, plan)
                measured.append((earlier, later))
            else:
                measured.append((_driven(first, plan), _driven(second, plan)))
    return measured


def _driven(server: Running, plan: Plan) -> Round:
    before = processor_seconds(server)
    outcome = drive(server.port, server.contender.request, plan)
    if outcome.wrong:
        raise Wrong(f"answered {outcome.wrong}:\n{server.last_lines()}")
    used = processor_seconds(server) - before
    return Round(outcome=outcome, processor=used * 1000 / (plan.warm_up + plan.requests))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.telemetry", description="Measure what telemetry costs."
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (%(default)s)")
    parser.add_argument("--requests", type=int, default=2000, help="requests a round (%(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="clients at once (%(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="pairs of starts from zero (%(default)s)")
    parser.add_argument("--before", type=Path, help="functions/ of an earlier version, to compare what is off with")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
