"""Lists as they grow: how long each takes at a million tasks beside itself at ten thousand, and what the indexes cost.

A tenth of the tasks are the caller's. Every filter with common, rare and absent values is asked for in every order, at
the start, half-way and at the end of it, by one client. Writes and sizes are compared with a database that has the
indexes that were there before those of lists; that one is migrated at the end, while others write.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import psycopg

from knative.local.embedded import Server, postgres
from taskmaster.database import indexes
from taskmaster.database.queries import named
from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks, page, position_of
from tests.programs.bench import seeding
from tests.programs.bench.list_costs import migration, sizes, writes
from tests.programs.bench.list_plans import faults, plans, read
from tests.programs.bench.list_shapes import Shape, shapes
from tests.programs.bench.report import Comparison, Curve, Figure, Section, Step, percentile
from tests.programs.bench.surroundings import database, settings
from tests.support.command_line import taskmaster

FORMER = {
    "task_by_creation": "user_id, created_at, task_id",
    "task_by_update": "user_id, updated_at, task_id",
    "task_by_deadline": "user_id, coalesce(deadline, 'infinity'), task_id",
    "task_by_series": "series_id, occurrence",
}
_NOT_OF_LISTS = "task_by_change"  # of the change feed: in both databases
_GOAL = 20  # milliseconds
Times = list[list[float]]  # milliseconds of each list, in each round


class Sized(NamedTuple):
    """A database and how many tasks it has."""

    tasks: int
    environment: dict[str, str]

    @property
    def shapes(self) -> list[Shape]:
        return list(shapes(self.environment["MIGRATION_DATABASE_URL"], self.tasks // 10))


def measure(
    step: Step, *, tasks: int = 1_000_000, few: int = 10_000, most: int = 0, rounds: int = 5, creates: int = 200
) -> Section:
    """`few`, something between, `tasks` and, unless it is 0, `most` tasks. `creates` are those of a round."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        before = _seeded(step, server, "before", tasks)
        many = _database_of(server, "many", template="before")
        counts = [few, int((few * tasks) ** 0.5), *([most] if most else [])]
        sized = [Sized(count, _seeded(step, server, f"of_{count}", count)) for count in counts]
        sized = sorted([*sized, Sized(tasks, many)])
        for one in sized:
            step(f"building the indexes of {one.tasks:,} tasks")
            _index(one.environment)
        for name, columns in FORMER.items():
            _run_as_owner(before, f"CREATE INDEX {name} ON task ({columns})")
        _run_as_owner(before, named("../indexes.sql")[_NOT_OF_LISTS])
        taken = {one.tasks: _times(step, one, rounds) for one in sized}
        step(f"the plans of {tasks:,} tasks")
        asked = [shape.asked for shape in Sized(tasks, many).shapes]
        wrong = sum(bool(faults(plans(many, each), of_the_caller=tasks // 10)) for each in asked)
        rows = [read(many, each) for each in asked]
        largest = sized[-1]
        by_indexes = writes(step, {"before": before, "now": many}, rounds, creates)
        by_size = writes(step, {"few": sized[0].environment, "most": largest.environment}, rounds, creates)
        bytes_before, bytes_now = (sum(sizes(environment).values()) for environment in (before, many))
        migrated = migration(step, before)
    return Section(
        title="Lists",
        how=f"GET /tasks in the function, from the command to the answer, of a caller with a tenth of all tasks:"
        f" {len(rows)} combinations of filter, order and depth, {rounds} times each, in"
        f" {', '.join(f'{one.tasks:,}' for one in sized)} tasks. A list's own time is its fastest.",
        figures=[
            *_of_times(taken, few, tasks),
            Figure(what="lists whose plan scans the table or sorts half of the tasks", value=wrong, unit="", goal=0),
            Figure(
                what="scans of the table, those in functions included",
                value=sum(r.scans for r in rows),
                unit="",
                goal=0,
            ),
            Figure(what="tasks that a list reads, p99", value=percentile([r.rows for r in rows], 0.99), unit=""),
            Figure(what="the table with its indexes", value=bytes_now / bytes_before, unit="times before", goal=1.4),
            *(
                _ratio(f"{kind}, median of rounds", by_indexes[kind], "before", "now", 0.5, goal=1.1)
                for kind in ("create", "update")
            ),
            _ratio(
                f"create p99 at {largest.tasks:,} beside {few:,} tasks",
                by_size["create"],
                "few",
                "most",
                0.99,
                goal=1.2,
            ),
            Figure(what="taskmaster migrate, beside a client that writes", value=migrated["seconds"], unit="s"),
            Figure(what="the longest write meanwhile", value=migrated["longest"], unit="ms"),
        ],
        curves=[
            Curve(
                name="bench-lists",
                title="A list as the tasks grow",
                x="tasks, a tenth of them the caller's",
                y="milliseconds",
                lines={
                    name: [(count, percentile(list(chain(*times)), share)) for count, times in taken.items()]
                    for name, share in (("median", 0.5), ("p99", 0.99))
                },
            )
        ],
    )


# Preparing ------------------------------------------------------------------------------------------------------------


def _seeded(step: Step, server: Server, name: str, tasks: int) -> dict[str, str]:
    """A database of its own with the schema and tasks, without the indexes of lists."""
    step(f"seeding {tasks:,} tasks")
    environment = _database_of(server, name)
    taskmaster(environment, "migrate")
    for index in indexes.NAMES:
        _run_as_owner(environment, f"DROP INDEX {index}")
    seeding.seed(environment["MIGRATION_DATABASE_URL"], seeding.Seeding(tasks=tasks, others=tasks // 1000 + 1))
    return environment


def _database_of(server: Server, name: str, template: str = "template1") -> dict[str, str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return settings(server, name)


def _index(environment: Mapping[str, str]) -> None:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        indexes.build(connection)
        connection.execute("VACUUM ANALYZE task")


def _run_as_owner(environment: Mapping[str, str], statement: str) -> None:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.encode())


# Lists ----------------------------------------------------------------------------------------------------------------


def _times(step: Step, sized: Sized, rounds: int) -> Times:
    """Milliseconds of each shape, all shapes a round, so that none has the machine's good minute to itself."""
    asked = sized.shapes
    taken: Times = [[] for _ in asked]
    with database(sized.environment) as opened:
        for number in range(rounds + 1):
            step(f"lists of {sized.tasks:,} tasks, round {number} of {rounds}")
            for times, shape in zip(taken, asked, strict=True):
                milliseconds = run(opened, shape)
                if number:  # the first warms up
                    times.append(milliseconds)
    return taken


def run(opened: Database, shape: Shape) -> float:
    """Milliseconds of the operation."""
    begun = time.perf_counter()
    command = ListTasks.model_validate(shape.asked)
    with opened.as_user(seeding.CALLER) as transaction:
        found = transaction.list_tasks(
            command.filters(now=seeding.NOW), command.sort, position_of(command), command.limit + 1
        )
    page(command, found).model_dump_json()
    return (time.perf_counter() - begun) * 1000


# Figures --------------------------------------------------------------------------------------------------------------


def _of_times(taken: Mapping[int, Times], few: int, tasks: int) -> list[Figure]:
    at_few, at_many = ([min(times) for times in taken[count]] for count in (few, tasks))
    ratios = [many / one for one, many in zip(at_few, at_many, strict=True)]
    every = list(chain(*taken[tasks]))
    return [
        Figure(what=f"{tasks:,} tasks: median", value=statistics.median(every), unit="ms"),
        Figure(what=f"{tasks:,} tasks: p99", value=percentile(every, 0.99), unit="ms", goal=_GOAL),
        Figure(what=f"{tasks:,} tasks: p99 of each list's own time", value=percentile(at_many, 0.99), unit="ms"),
        Figure(what=f"own time beside that at {few:,}: median", value=statistics.median(ratios), unit="times", goal=3),
        Figure(what=f"own time beside that at {few:,}: p99", value=percentile(ratios, 0.99), unit="times"),
    ]


def _ratio(what: str, taken: Mapping[str, Times], base: str, ours: str, share: float, goal: float) -> Figure:
    """Of a percentile of each round."""
    compared = Comparison(
        what=what,
        base=[percentile(times, share) for times in taken[base]],
        ours=[percentile(times, share) for times in taken[ours]],
    )
    return Figure(what=what, value=compared.ratio, unit="times", goal=goal)
