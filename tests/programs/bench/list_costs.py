"""What the indexes of lists cost: bytes, milliseconds of a create and of an update, and the migration."""

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import product
from typing import Any

import psycopg
import requests

from tests.programs.bench import seeding
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Step
from tests.support import tokens
from tests.support.command_line import taskmaster
from tests.support.function_process import FunctionProcess, eventually

_SIZES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
 WHERE oid = 'task'::regclass OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'task'::regclass)
"""


# Writes ---------------------------------------------------------------------------------------------------------------


def writes(
    step: Step, environments: Mapping[str, Mapping[str, str]], rounds: int, count: int
) -> dict[str, dict[str, list[list[float]]]]:
    """Milliseconds of creates and of updates over HTTP, by kind, database and round: one here, one there."""
    taken: dict[str, dict[str, list[list[float]]]] = {
        kind: {name: [] for name in environments} for kind in ("create", "update")
    }
    with ExitStack() as stack:
        functions = {
            name: [
                stack.enter_context(FunctionProcess(function, environment))
                for function in ("create-task", "update-task")
            ]
            for name, environment in environments.items()
        }
        session = stack.enter_context(_session_of_caller())
        for number in range(rounds + 1):
            step(f"creates and updates ({' and '.join(environments)}), round {number} of {rounds}")
            of_round = {kind: {name: [] for name in environments} for kind in taken}  # type: ignore[var-annotated]
            for each in range(count):
                for name, urls in functions.items():
                    created, updated = _write(session, urls[0].url, urls[1].url, each)
                    of_round["create"][name].append(created)
                    of_round["update"][name].append(updated)
            for kind, name in product(taken, environments):
                if number:  # the first warms up
                    taken[kind][name].append(of_round[kind][name])
    return taken


def _write(session: requests.Session, create: str, update: str, number: int) -> tuple[float, float]:
    body = _body(number)
    begun = time.perf_counter()
    created = session.post(create + "/tasks", json=body, timeout=60)
    between = time.perf_counter()
    if created.status_code != 201:
        raise Wrong(f"{created.status_code} {created.text}")
    change = {"title": body["title"] + "!"}
    updated = session.patch(f"{update}/tasks/{created.json()['task_id']}", json=change, timeout=60)
    ended = time.perf_counter()
    if updated.status_code != 200:
        raise Wrong(f"{updated.status_code} {updated.text}")
    return (between - begun) * 1000, (ended - between) * 1000


def _session_of_caller() -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = tokens.bearer(seeding.CALLER)
    return session


def _body(number: int) -> dict[str, Any]:
    return {
        "title": f"buy oat milk and bread for {number}",
        "description": "the one with the red cap, two bottles" if number % 3 == 0 else None,
        "tags": ["home", "errands"][: number % 3],
        "priority": "high",
        "due_on": "2090-01-31" if number % 2 else None,
    }


# The migration --------------------------------------------------------------------------------------------------------


def migration(step: Step, environment: Mapping[str, str]) -> dict[str, float]:
    """Seconds that `taskmaster migrate` takes while one client writes, and the milliseconds of the longest write."""
    step("the migration, while tasks are created")
    waited: list[float] = []
    ended = threading.Event()
    with FunctionProcess("create-task", environment) as create, _session_of_caller() as session:

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
    return {"seconds": seconds, "longest": max(waited[alone:])}


def sizes(environment: Mapping[str, str]) -> dict[str, int]:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        return dict(connection.execute(_SIZES).fetchall())
