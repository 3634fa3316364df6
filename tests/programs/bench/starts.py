"""A start from zero, with the first insert behind it, beside a bare functions-framework hello world's."""

from contextlib import ExitStack

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders
from tests.programs.bench.cold_start import Start, first_answer
from tests.programs.bench.evidence import Evidence
from tests.programs.bench.report import Compared, Comparison, Section, Step


def measure(step: Step, *, pairs: int = 25) -> Section:
    """Pairs of fresh processes. A first pair is not counted: it compiles the modules to byte code."""
    step("starting PostgreSQL and the broker")
    measured: list[tuple[Start, Start]] = []
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        ours, hello = contenders.taskmaster(server, bootstrap_servers, provider), contenders.hello_world()
        proof = stack.enter_context(Evidence(ours, bootstrap_servers))
        for pair in range(pairs + 1):
            step(f"pair {pair} of {pairs}")
            measured.append((first_answer(hello), first_answer(ours)))
        proof.published(start.task_id for _, start in measured if start.task_id is not None)
        proof.close_the_books()
    base, own = zip(*measured[1:], strict=True)
    return Section(
        title="From zero",
        how=f"{pairs} pairs of processes, from exec to the last byte of the first answer: a hello world as the"
        " documentation of functions-framework starts it, and create-task, which fetches the issuer's keys, verifies"
        " the token, connects to PostgreSQL and commits the task durably.",
        compared=[
            Compared(
                title="The first answer",
                base=hello.name,
                ours=ours.name,
                comparisons=[
                    Comparison(
                        what="from exec to the first answer, ms",
                        base=[start.milliseconds for start in base],
                        ours=[start.milliseconds for start in own],
                        goal=1.4,
                    ),
                    Comparison(
                        what="processor time until then, ms",
                        base=[start.processor for start in base],
                        ours=[start.processor for start in own],
                    ),
                ],
            )
        ],
    )
