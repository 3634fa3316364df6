"""What the indexes of lists cost: bytes, milliseconds of a create and of an update, and the migration."""

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg
import requests
from rich.console import Console

from tests.programs.bench import seeding
from tests.support import tokens
from tests.support.command_line import taskmaster
from tests.support.function_process import FunctionProcess, eventually

_SIZES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
 WHERE oid = 'task'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'task'::regclass)
"""


def session_of_caller() -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = tokens.bearer(seeding.CALLER)
    return session


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# Writes ---------------------------------------------------------------------------------------------------------------


def writes(console: Console, before: Mapping[str, str], many: Mapping[str, str], count: int) -> dict[str, Any]:
    """Milliseconds of creates and of updates, one here, one there."""
    console.print(f"{count:,} creates and updates each", highlight=False)
    taken: dict[str, dict[str, list[float]]] = {kind: {"before": [], "now": []} for kind in ("create", "update")}
    with ExitStack() as stack:
        functions = {
            name: [
                stack.enter_context(FunctionProcess(function, environment))
                for function in ("create-task", "update-task")
            ]
            for name, environment in (("before", before), ("now", many))
        }
        session = stack.enter_context(session_of_caller())
        for number in range(count):
            for name, (create, update) in functions.items():
                body = _body(number)
                begun = time.perf_counter()
                created = session.post(create.url + "/tasks", json=body, timeout=60)
                between = time.perf_counter()
                updated = session.patch(
                    f"{update.url}/tasks/{created.json()['task_id']}", json={"title": body["title"] + "!"}, timeout=60
                )
                ended = time.perf_counter()
                if (created.status_code, updated.status_code) != (201, 200):
                    raise RuntimeError(f"{created.text} {updated.text}")
                if number >= count // 10:  # those before warm up
                    taken["create"][name].append((between - begun) * 1000)
                    taken["update"][name].append((ended - between) * 1000)
    return {
        kind: {
            name: {"median": statistics.median(each), "mean": statistics.mean(each), "p99": percentile(each, 0.99)}
            for name, each in of_kind.items()
        }
        for kind, of_kind in taken.items()
    }


def _body(number: int) -> dict[str, Any]:
    return {
        "title": f"buy oat milk and bread for {number}",
        "description": "the one with the red cap, two bottles" if number % 3 == 0 else None,
        "tags": ["home", "errands"][: number % 3],
        "priority": "high",
        "due_on": "2090-01-31" if number % 2 else None,
    }


# The migration --------------------------------------------------------------------------------------------------------


def migration(console: Console, environment: Mapping[str, str]) -> dict[str, Any]:
    """Seconds that `taskmaster migrate` takes while one client writes, and the milliseconds of those writes."""
    console.print("the migration, while tasks are created", highlight=False)
    waited: list[float] = []
    ended = threading.Event()
    with FunctionProcess("create-task", environment) as create, session_of_caller() as session:

        def write() -> None:
            while not ended.is_set():
                begun = time.perf_counter()
                answer = session.post(create.url + "/tasks", json=_body(0), timeout=60)
                assert answer.status_code == 201, answer.text
                waited.append((time.perf_counter() - begun) * 1000)
                time.sleep(0.02)

        writer = threading.Thread(target=write)
        writer.start()
        eventually(lambda: len(waited) > 20, "the writes before the migration")
        alone = len(waited)
        begun = time.perf_counter()
        taskmaster(environment, "migrate")
        seconds = time.perf_counter() - begun
        ended.set()
        writer.join(60)
    during = waited[alone:]
    return {
        "seconds": seconds,
        "writes": len(during),
        "median": statistics.median(during),
        "p99": percentile(during, 0.99),
        "longest": max(during),
    }


def sizes(environment: Mapping[str, str]) -> dict[str, int]:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        return dict(connection.execute(_SIZES).fetchall())
