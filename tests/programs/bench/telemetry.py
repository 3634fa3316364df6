"""What telemetry costs: create-task with it and without it, in alternating rounds on the same database and broker.

Spans go to a collector in this process, which reads and discards them; the load comes from another process.
"""

from contextlib import ExitStack
from dataclasses import replace

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders, pairs
from tests.programs.bench.load import Plan
from tests.programs.bench.report import Section, Step
from tests.support.http_sink import http_sink

NAMES = ("off", "on")
GOAL = 1.1  # of the 99th percentile


def measure(step: Step, *, rounds: int = 7, requests: int = 2000, starts: int = 5) -> Section:
    step("starting PostgreSQL and the broker")
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        off = contenders.taskmaster(server, bootstrap_servers, provider)
        endpoint = stack.enter_context(http_sink(lambda *_: 200))
        on = replace(off, environment={**off.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        step("starts from zero")
        compared = [pairs.compared_starts(NAMES, pairs.starts(off, on, starts + 1)[1:])]
        for clients in (1, 4):
            step(f"{clients} clients")
            plan = Plan(clients=clients, warm_up=requests // 10, requests=requests)
            measured = pairs.rounds(off, on, rounds, plan)
            compared.append(pairs.compared(NAMES, clients, measured, goal=GOAL))
    return Section(
        title="Telemetry",
        how="create-task with traces and metrics by OTLP to a collector on the same machine, and with none."
        f" {rounds} pairs of rounds of {requests:,} requests each.",
        compared=compared,
    )
