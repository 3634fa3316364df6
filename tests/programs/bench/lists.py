"""Lists at a million tasks: how long each takes beside itself at ten thousand, and what the indexes cost.

    python -m tests.programs.bench.lists [--tasks 1000000] [--few 10000] [--rounds 8] [--writes 1000] [--json FILE]

A tenth of the tasks are the caller's. Every filter with common, rare and absent values is asked for in every order, at
the start, half-way and at the end of it, over HTTP of one function that runs already, by one client. The writes and the
sizes are compared with a database that has the indexes of before; that one is migrated at the end, while others write.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import requests
from rich.console import Console
from rich.table import Table

from knative.local.embedded import Server, postgres
from taskmaster.database import indexes
from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks, page, position_of
from tests.programs.bench import seeding
from tests.programs.bench.list_costs import migration, percentile, session_of_caller, sizes, writes
from tests.programs.bench.list_plans import faults, plans
from tests.programs.bench.list_shapes import Shape, shapes
from tests.support import tokens
from tests.support.command_line import taskmaster
from tests.support.function_process import FunctionProcess

FORMER = {
    "task_by_creation": "user_id, created_at, task_id",
    "task_by_update": "user_id, updated_at, task_id",
    "task_by_deadline": "user_id, coalesce(deadline, 'infinity'), task_id",
}


def main() -> int:
    options = _options()
    console = Console()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.directory)))
        server = stack.enter_context(postgres(directory))
        console.print(f"seeding {options.few:,} and {options.tasks:,} tasks", highlight=False)
        few = _seeded(server, "few", seeding.Seeding(tasks=options.few, others=options.others // 100 + 1))
        before = _seeded(server, "before", seeding.Seeding(tasks=options.tasks, others=options.others))
        many = _database_of(server, "many", template="before")
        for environment, is_before in ((few, False), (many, False), (before, True)):
            _index(environment, is_before=is_before)
        lists = _lists(console, few, many, options)
        result = {
            "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
            "tasks": options.tasks,
            "of the caller": options.tasks // 10,
            "at first": options.few,
            "lists": lists,
            "faults of plans": _faults(many, options.tasks // 10),
            "sizes": {"before": sizes(before), "now": sizes(many)},
            "writes": writes(console, before, many, options.writes),
            "migration": migration(console, before),
        }
    _show(console, result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return 0


# Preparing ------------------------------------------------------------------------------------------------------------


def _seeded(server: Server, name: str, wanted: seeding.Seeding) -> dict[str, str]:
    """A database of its own with the schema and tasks, without the indexes of lists."""
    environment = _database_of(server, name)
    taskmaster(environment, "migrate")
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        for index in indexes.NAMES:
            connection.execute(f"DROP INDEX {index}".encode())
    seeding.seed(environment["MIGRATION_DATABASE_URL"], wanted)
    return environment


def _database_of(server: Server, name: str, template: str = "template1") -> dict[str, str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return {
        "MIGRATION_DATABASE_URL": server.login("postgres", server.password, name),
        "DATABASE_URL": server.login("taskmaster_user", "secret", name),
        "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", name),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        **tokens.settings(),
    }


def _index(environment: Mapping[str, str], *, is_before: bool) -> None:
    """The indexes of before, or those of now."""
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        if is_before:
            for name, columns in FORMER.items():
                connection.execute(f"CREATE INDEX {name} ON task ({columns})".encode())
        else:
            indexes.build(connection)
        connection.execute("VACUUM ANALYZE task")


# Lists ----------------------------------------------------------------------------------------------------------------


def _lists(
    console: Console, few: Mapping[str, str], many: Mapping[str, str], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Each shape in both databases, all shapes a round, so that none has the machine's good minute to itself.

    `few` and `many` are milliseconds of the operation, from the command to the answer as JSON; `over HTTP` has those of
    a call at `many`.
    """
    asked = [
        list(shapes(environment["MIGRATION_DATABASE_URL"], count // 10))
        for environment, count in ((few, options.few), (many, options.tasks))
    ]
    taken: dict[str, list[list[float]]] = {name: [[] for _ in asked[0]] for name in ("few", "many", "over HTTP")}
    with ExitStack() as stack:
        at_few, at_many = (stack.enter_context(closing(_database(environment))) for environment in (few, many))
        function = stack.enter_context(FunctionProcess("query-tasks", many))
        session = stack.enter_context(session_of_caller())
        for number in range(options.rounds + 1):
            console.print(f"lists, round {number} of {options.rounds}", highlight=False)
            for place, (at_first, now) in enumerate(zip(*asked, strict=True)):
                taken["few"][place].append(_run(at_few, at_first))
                taken["many"][place].append(_run(at_many, now))
                if number in (0, 1):
                    taken["over HTTP"][place].append(_ask(session, function, now))
    return [
        {
            "shape": shape.name,
            **{name: [round(each, 2) for each in times[place][1:]] for name, times in taken.items()},
        }
        for place, shape in enumerate(asked[1])
    ]


def _faults(many: Mapping[str, str], of_the_caller: int) -> dict[str, list[str]]:
    """By shape, what in its plans grows with all of the caller's tasks."""
    told = {
        shape.name: faults(plans(many, shape.asked), of_the_caller=of_the_caller)
        for shape in shapes(many["MIGRATION_DATABASE_URL"], of_the_caller)
    }
    return {name: each for name, each in told.items() if each}


def _database(environment: Mapping[str, str]) -> Database:
    return Database(
        user_url=environment["DATABASE_URL"], system_url=environment["SYSTEM_DATABASE_URL"], pool_size=1, timeout=5
    )


def _run(database: Database, shape: Shape) -> float:
    """Milliseconds of the operation."""
    begun = time.perf_counter()
    command = ListTasks.model_validate(shape.asked)
    with database.as_user(seeding.CALLER) as transaction:
        found = transaction.list_tasks(
            command.filters(now=seeding.NOW), command.sort, position_of(command), command.limit + 1
        )
    page(command, found).model_dump_json()
    return (time.perf_counter() - begun) * 1000


def _ask(session: requests.Session, process: FunctionProcess, shape: Shape) -> float:
    """Milliseconds of one call."""
    begun = time.perf_counter()
    answer = session.get(process.url + "/tasks", params=shape.asked, timeout=60)
    taken = (time.perf_counter() - begun) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{shape.name}: {answer.status_code} {answer.text}")
    return taken


# Figures --------------------------------------------------------------------------------------------------------------


def _show(console: Console, result: dict[str, Any]) -> None:
    lists = result["lists"]
    by_filter: dict[str, list[dict[str, Any]]] = {}
    for each in lists:
        by_filter.setdefault(each["shape"].split("; ")[0], []).append(each)
    drawn = Table("list, ms", f"{result['at first']:,}", "p99", f"{result['tasks']:,}", "p99", "ratio", "over HTTP")
    for name, each in [*by_filter.items(), ("all", lists)]:
        few, many, calls = ([taken for one in each for taken in one[key]] for key in ("few", "many", "over HTTP"))
        figures = statistics.median(few), percentile(few, 0.99), statistics.median(many), percentile(many, 0.99)
        ratio = f"{figures[2] / figures[0]:.2f}"
        drawn.add_row(name, *(f"{figure:.1f}" for figure in figures), ratio, f"{statistics.median(calls):.1f}")
    console.print(drawn)
    slowest = sorted(lists, key=lambda each: -statistics.median(each["many"]))[:12]
    for each in slowest:
        times = (statistics.median(each[key]) for key in ("few", "many"))
        console.print("{:7.1f} {:7.1f} ms".format(*times), each["shape"], highlight=False)
    before, now = (sum(result["sizes"][name].values()) for name in ("before", "now"))
    console.print("plans that grow with all of the caller's tasks:", result["faults of plans"] or "none")
    console.print(f"table with indexes: {before / 1e6:.0f} MB before, {now / 1e6:.0f} now, {now / before:.2f} times")
    console.print(
        {
            kind: {name: {k: round(v, 2) for k, v in each.items()} for name, each in of.items()}
            for kind, of in result["writes"].items()
        }
    )
    console.print({name: round(value, 2) for name, value in result["migration"].items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.lists", description="Measure lists as they grow."
    )
    parser.add_argument("--tasks", type=int, default=1_000_000, help="a tenth of them the caller's (%(default)s)")
    parser.add_argument("--few", type=int, default=10_000, help="what they are compared with (%(default)s)")
    parser.add_argument("--others", type=int, default=1_000, help="other users (%(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="calls of each list (%(default)s)")
    parser.add_argument("--writes", type=int, default=1_000, help="creates and updates (%(default)s)")
    parser.add_argument("--directory", type=Path, default=None, help="where the database lies")
    parser.add_argument("--json", type=Path, default=None, help="a file for all figures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
