"""What telemetry costs: create-task with it and without it, in alternating rounds on the same database and broker.

Spans go to a collector in this process, which reads and discards them; the load comes from another process.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders
from tests.programs.bench.cold_start import Start, first_answer
from tests.programs.bench.contenders import Contender, Running, Wrong, processor_seconds
from tests.programs.bench.load import Outcome, Plan, drive
from tests.programs.bench.report import Compared, Comparison, Section, Step
from tests.support.http_sink import http_sink

GOAL = 1.1  # of the 99th percentile


@dataclass(frozen=True, kw_only=True)
class Round:
    """`processor` is milliseconds of an answer, with what was published and exported behind it."""

    outcome: Outcome
    processor: float


def measure(step: Step, *, rounds: int = 7, requests: int = 2000, starts: int = 5) -> Section:
    step("starting PostgreSQL and the broker")
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        off = contenders.taskmaster(server, bootstrap_servers, provider)
        endpoint = stack.enter_context(http_sink(lambda *_: 200))
        on = replace(off, environment={**off.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        step("starts from zero")
        compared = [_compared_starts(_starts(off, on, starts + 1)[1:])]
        for clients in (1, 4):
            step(f"{clients} clients")
            plan = Plan(clients=clients, warm_up=requests // 10, requests=requests)
            compared.append(_compared(clients, _rounds(off, on, rounds, plan)))
    return Section(
        title="Telemetry",
        how="create-task with traces and metrics by OTLP to a collector on the same machine, and with none."
        f" {rounds} pairs of rounds of {requests:,} requests each.",
        compared=compared,
    )


def _compared(clients: int, rounds: list[tuple[Round, Round]]) -> Compared:
    figures: list[tuple[str, Callable[[Round], float], float | None]] = [
        ("median answer, ms", lambda each: each.outcome.percentile(0.5), None),
        ("99th percentile, ms", lambda each: each.outcome.percentile(0.99), GOAL),
        ("processor time of an answer, ms", lambda each: each.processor, None),
    ]
    return Compared(
        title=f"{clients} client{'s' if clients > 1 else ''}",
        base="off",
        ours="on",
        comparisons=[
            Comparison(what=what, base=[of(off) for off, _ in rounds], ours=[of(on) for _, on in rounds], goal=goal)
            for what, of, goal in figures
        ],
    )


def _compared_starts(starts: list[tuple[Start, Start]]) -> Compared:
    figures: list[tuple[str, Callable[[Start], float]]] = [
        ("from exec to the first answer, ms", lambda each: each.milliseconds),
        ("processor time until then, ms", lambda each: each.processor),
    ]
    return Compared(
        title="From zero",
        base="off",
        ours="on",
        comparisons=[
            Comparison(what=what, base=[of(off) for off, _ in starts], ours=[of(on) for _, on in starts])
            for what, of in figures
        ],
    )


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
