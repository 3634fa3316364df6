"""What telemetry costs: create-task with it and without it, in alternating rounds on the same database and broker.

    python -m tests.programs.bench.telemetry [--rounds 5] [--requests 2000] [--clients 4] [--starts 5]

Spans go to a collector in this process, which reads and discards them; the load comes from another process.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace

from rich.console import Console

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders
from tests.programs.bench.cold_start import first_answer
from tests.programs.bench.contenders import Contender, Wrong
from tests.programs.bench.figures import Comparison, table
from tests.programs.bench.load import Outcome, Plan, drive
from tests.support.http_sink import http_sink

GOAL = 1.1  # of the 99th percentile


def main() -> int:
    options = _options()
    plan = Plan(clients=options.clients, warm_up=options.requests // 10, requests=options.requests)
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        off = contenders.taskmaster(server, bootstrap_servers, provider)
        endpoint = stack.enter_context(http_sink(lambda *_: 200))
        on = replace(off, environment={**off.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        starts = [(first_answer(off), first_answer(on)) for _ in range(options.starts + 1)][1:]
        outcomes = _rounds(off, on, options.rounds, plan)
    comparisons = [
        Comparison(
            what=what,
            base=[base.percentile(share) for base, _ in outcomes],
            ours=[ours.percentile(share) for _, ours in outcomes],
            goal=goal,
        )
        for what, share, goal in (("median answer, ms", 0.5, None), ("99th percentile, ms", 0.99, GOAL))
    ]
    first = Comparison(
        what="exec to first answer, ms",
        base=[base.milliseconds for base, _ in starts],
        ours=[ours.milliseconds for _, ours in starts],
    )
    Console().print(table(f"create-task, {plan.clients} clients", "off", "on", [*comparisons, first]), highlight=False)
    return 0


def _rounds(off: Contender, on: Contender, rounds: int, plan: Plan) -> list[tuple[Outcome, Outcome]]:
    measured = []
    with contenders.running(off) as without, contenders.running(on) as with_it:
        for server in (without, with_it):
            contenders.connected(server).close()
        for number in range(rounds):
            order = (without, with_it) if number % 2 == 0 else (with_it, without)
            outcomes = {id(server): drive(server.port, server.contender.request, plan) for server in order}
            for server in order:
                if wrong := outcomes[id(server)].wrong:
                    raise Wrong(f"answered {wrong}:\n{server.last_lines()}")
            measured.append((outcomes[id(without)], outcomes[id(with_it)]))
    return measured


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.telemetry", description="Measure what telemetry costs."
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (%(default)s)")
    parser.add_argument("--requests", type=int, default=2000, help="requests a round (%(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="clients at once (%(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="pairs of starts from zero (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
