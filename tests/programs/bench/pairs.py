"""Two ways to run create-task in alternating rounds, on the same database and broker; every other pair reversed."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.programs.bench import contenders
from tests.programs.bench.cold_start import Start, first_answer
from tests.programs.bench.contenders import Contender, Running, Wrong, processor_seconds
from tests.programs.bench.load import Outcome, Plan, drive
from tests.programs.bench.report import Compared, Comparison


@dataclass(frozen=True, kw_only=True)
class Round:
    """`processor` is milliseconds of an answer, with what was published and exported behind it."""

    outcome: Outcome
    processor: float


def compared(
    names: tuple[str, str], clients: int, rounds: list[tuple[Round, Round]], *, goal: float | None = None
) -> Compared:
    """`goal` is for the 99th percentile."""
    figures: list[tuple[str, Callable[[Round], float], float | None]] = [
        ("median answer, ms", lambda each: each.outcome.percentile(0.5), None),
        ("99th percentile, ms", lambda each: each.outcome.percentile(0.99), goal),
        ("processor time of an answer, ms", lambda each: each.processor, None),
    ]
    return Compared(
        title=f"{clients} client{'s' if clients > 1 else ''}",
        base=names[0],
        ours=names[1],
        comparisons=[
            Comparison(
                what=what, base=[of(base) for base, _ in rounds], ours=[of(ours) for _, ours in rounds], goal=bound
            )
            for what, of, bound in figures
        ],
    )


def compared_starts(names: tuple[str, str], starts: list[tuple[Start, Start]]) -> Compared:
    figures: list[tuple[str, Callable[[Start], float]]] = [
        ("from exec to the first answer, ms", lambda each: each.milliseconds),
        ("processor time until then, ms", lambda each: each.processor),
    ]
    return Compared(
        title="From zero",
        base=names[0],
        ours=names[1],
        comparisons=[
            Comparison(what=what, base=[of(base) for base, _ in starts], ours=[of(ours) for _, ours in starts])
            for what, of in figures
        ],
    )


def starts(base: Contender, ours: Contender, count: int) -> list[tuple[Start, Start]]:
    """Pairs of starts; every other one in the other order."""
    measured = []
    for number in range(count):
        if number % 2:
            later, earlier = first_answer(ours), first_answer(base)
            measured.append((earlier, later))
        else:
            measured.append((first_answer(base), first_answer(ours)))
    return measured


def rounds(base: Contender, ours: Contender, rounds: int, plan: Plan) -> list[tuple[Round, Round]]:
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
