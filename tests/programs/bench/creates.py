"""create-task beside the usual design, on the same embedded PostgreSQL (durable commits) and broker.

What they answered is checked: every 201 left its row and its event. Then pgbench does without Python what create-task
asks of PostgreSQL.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders, inserts
from tests.programs.bench.contenders import Contender, Wrong
from tests.programs.bench.evidence import Evidence
from tests.programs.bench.load import Outcome, Plan, drive
from tests.programs.bench.report import Compared, Comparison, Figure, Section, Step


def measure(
    step: Step, *, rounds: int = 5, requests: int = 3000, clients: int = 16, pgbench_seconds: int = 10
) -> Section:
    plan = Plan(clients=clients, warm_up=max(clients, requests // 10), requests=requests)
    step("starting PostgreSQL and the broker")
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        step("preparing the databases and topics")
        provider = stack.enter_context(contenders.identity_provider())
        ours = contenders.taskmaster(server, bootstrap_servers, provider)
        usual = contenders.usual(server, bootstrap_servers)
        proof = {each.name: stack.enter_context(Evidence(each, bootstrap_servers)) for each in (usual, ours)}
        comparisons, parts = _rounds(usual, ours, proof, rounds, plan, step)
        created = {name: each.close_the_books() for name, each in proof.items()}
        step("pgbench")
        sent = inserts.message(server, ours)
        without_python = inserts.rate(ours, sent, clients=clients, seconds=pgbench_seconds)
    return Section(
        title="create-task by HTTP",
        how=f"{clients} clients and {rounds} rounds of {requests:,} requests each, beside the usual design: FastAPI"
        " with a pool and a producer, which loses an event when it dies between the two (`usual_design.py`)."
        " create-task commits the task and its event in one durable transaction. Every 201 left its row and its"
        f" event: {created[usual.name]:,} and {created[ours.name]:,}. Then pgbench sends what create-task sends to"
        f" PostgreSQL, {pgbench_seconds} seconds long, from as many clients: its rate is that of a processor which it"
        " and PostgreSQL share, that of create-task of one which the function and its publisher share.",
        compared=[
            Compared(title="Each answer", base=usual.name, ours=ours.name, comparisons=comparisons),
        ],
        figures=[
            *(Figure(what=f"{part}, of a processor for each", value=each, unit="ms") for part, each in parts.items()),
            Figure(what="pgbench, for each second of a processor", value=without_python, unit="creates"),
            Figure(
                what="create-task, for each second of Python on a processor, beside that",
                value=100 * 1000 / (parts["the function"] + parts["its publisher"]) / without_python,
                unit="%",
                goal=25,
                less=False,
            ),
        ],
    )


def _rounds(
    usual: Contender, ours: Contender, proof: dict[str, Evidence], rounds: int, plan: Plan, step: Step
) -> tuple[list[Comparison], dict[str, float]]:
    """Both servers stay up; only one is asked at a time, and the next only when all events of the last are out.

    Also the milliseconds of processor time that each part of ours takes for a create, its start among them.
    """
    each_ms = 1000 / (rounds * (plan.warm_up + plan.requests))
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
        parts = {part: seconds * each_ms for part, seconds in contenders.processor_of_parts(our_server).items()}
        processor_seconds = {server.contender.name: contenders.ended(server) for server in (usual_server, our_server)}

    def compared(what: str, figure: Callable[[Outcome], float]) -> Comparison:
        base, measured = ([figure(each) for each in outcomes[name]] for name in (usual.name, ours.name))
        return Comparison(what=what, base=base, ours=measured)

    comparisons = [
        replace(compared("answers per second", lambda outcome: outcome.rate), goal=2.4, less=False),
        compared("median answer, ms", lambda outcome: outcome.percentile(0.5)),
        replace(compared("99th percentile, ms", lambda outcome: outcome.percentile(0.99)), goal=0.45),
        Comparison(what="last event after, ms", base=lags[usual.name], ours=lags[ours.name]),
        Comparison(
            what="processor each, ms",
            base=[processor_seconds[usual.name] * each_ms],
            ours=[processor_seconds[ours.name] * each_ms],
        ),
    ]
    return comparisons, parts
