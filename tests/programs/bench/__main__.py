"""``make bench``: create-task beside the usual design, and its cold start beside a hello world's, in one run.

    python -m tests.programs.bench [--rounds 5] [--requests 3000] [--clients 16] [--starts 10]

Both run on the same embedded PostgreSQL (durable commits) and broker, in alternating rounds, and what they answered is
checked: every 201 left its row and its event. Exit code 1 says that something answered wrongly; a goal that is missed
is a finding, not a failure.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from knative.local.embedded import EmbeddedError, broker, postgres
from tests.programs.bench import contenders
from tests.programs.bench.cold_start import Start, first_answer
from tests.programs.bench.contenders import Contender, Wrong
from tests.programs.bench.evidence import Evidence
from tests.programs.bench.figures import Comparison, table
from tests.programs.bench.load import Outcome, Plan, drive

Step = Callable[[str], None]


def main() -> int:
    options = _options()
    console = Console()
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    plan = Plan(
        clients=options.clients, warm_up=max(options.clients, options.requests // 10), requests=options.requests
    )
    bars = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    steps = 1 + 2 * options.rounds + 2 * (options.starts + 1)
    try:
        with Progress(*bars, console=console, transient=True) as progress, ExitStack() as stack:
            bar = progress.add_task("starting PostgreSQL and the broker", total=steps)

            def step(what: str) -> None:
                progress.update(bar, description=what, advance=1)

            server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
            step("preparing the databases and topics")
            provider = stack.enter_context(contenders.identity_provider())
            ours = contenders.taskmaster(server, bootstrap_servers, provider)
            usual = contenders.usual(server, bootstrap_servers)
            hello = contenders.hello_world()
            proof = {each.name: stack.enter_context(Evidence(each, bootstrap_servers)) for each in (usual, ours)}
            starts = _cold_starts(hello, ours, proof, options.starts, step)
            rounds = _rounds(usual, ours, proof, options.rounds, plan, step)
            created = {name: each.close_the_books() for name, each in proof.items()}
    except (Wrong, EmbeddedError) as error:
        console.print(f"[red]wrong:[/] {error}", highlight=False)
        return 1

    console.print(
        table(
            f"create-task over HTTP: {plan.clients} clients, {options.rounds} rounds of {plan.requests:,} requests",
            usual.name,
            ours.name,
            rounds,
        ),
        table(
            f"Cold start, with its first insert: {options.starts} pairs of processes", hello.name, ours.name, [starts]
        ),
        f"Every 201 left its row and its event: {created[usual.name]:,} by the {usual.name}, {created[ours.name]:,} by "
        f"{ours.name}. Figures are medians, a ratio is the median of the rounds' ratios (lowest to highest). "
        f"Server, load, PostgreSQL and broker shared {cores} cores ({platform.machine()}, "
        f"Python {platform.python_version()}).",
        sep="\n",
        highlight=False,
    )
    if load > cores / 2:
        console.print(
            f"[yellow]The machine was busy before this began (load {load:.1f}); the ratios suffer from it.[/]"
        )
    return 0


def _cold_starts(hello: Contender, ours: Contender, proof: dict[str, Evidence], pairs: int, step: Step) -> Comparison:
    """Pairs of fresh processes. A first pair is not counted: it compiles the modules to byte code."""
    measured: list[tuple[Start, Start]] = []
    for pair in range(pairs + 1):
        step(f"cold start {pair} of {pairs}: {hello.name}")
        base = first_answer(hello)
        step(f"cold start {pair} of {pairs}: {ours.name}")
        measured.append((base, first_answer(ours)))
    proof[ours.name].published(start.task_id for _, start in measured if start.task_id is not None)
    return Comparison(
        what="to first answer, ms",
        base=[base.milliseconds for base, _ in measured[1:]],
        ours=[start.milliseconds for _, start in measured[1:]],
        goal=1.5,
    )


def _rounds(
    usual: Contender, ours: Contender, proof: dict[str, Evidence], rounds: int, plan: Plan, step: Step
) -> list[Comparison]:
    """Both servers stay up; only one is asked at a time, and the next only when all events of the last are out."""
    outcomes: dict[str, list[Outcome]] = {usual.name: [], ours.name: []}
    lags: dict[str, list[float]] = {usual.name: [], ours.name: []}
    with contenders.running(usual) as usual_server, contenders.running(ours) as our_server:
        for server in (usual_server, our_server):
            contenders.connected(server).close()
        for number in range(1, rounds + 1):
            for server in (usual_server, our_server):
                name = server.contender.name
                step(f"round {number} of {rounds}: {name}")
                outcome = drive(server.port, server.contender.request, plan)
                if outcome.wrong:
                    raise Wrong(f"{name} answered {outcome.wrong}:\n{server.last_lines()}")
                last_sent = proof[name].published(outcome.task_ids)
                outcomes[name].append(outcome)
                # Kafka's timestamps are whole milliseconds: the last event may seem older than the last answer.
                lags[name].append(max(1.0, (last_sent - outcome.finished_at) * 1000))
        processor_seconds = {server.contender.name: contenders.ended(server) for server in (usual_server, our_server)}

    def compared(what: str, figure: Callable[[Outcome], float]) -> Comparison:
        base, measured = ([figure(each) for each in outcomes[name]] for name in (usual.name, ours.name))
        return Comparison(what=what, base=base, ours=measured)

    return [
        replace(compared("answers per second", lambda outcome: outcome.rate), goal=2, less=False),
        compared("median answer, ms", lambda outcome: outcome.percentile(0.5)),
        replace(compared("99th percentile, ms", lambda outcome: outcome.percentile(0.99)), goal=0.5),
        Comparison(what="last event after, ms", base=lags[usual.name], ours=lags[ours.name]),
        Comparison(
            what="processor each, ms",
            base=[processor_seconds[usual.name] * 1000 / (rounds * (plan.warm_up + plan.requests))],
            ours=[processor_seconds[ours.name] * 1000 / (rounds * (plan.warm_up + plan.requests))],
        ),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench", description="Measure create-task, side by side."
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each contender (%(default)s)")
    parser.add_argument("--requests", type=int, default=3000, help="requests a round (%(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once (%(default)s)")
    parser.add_argument("--starts", type=int, default=10, help="pairs of cold starts (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
