"""Would a state store of Dapr's gain anything as a cache of GET /tasks? The query in PostgreSQL beside a hit in Redis.

    python -m tests.programs.bench.state_store

Both warm, one after another, on one machine. A hit would save the query and the making of its answer; here it costs
nothing to keep it right, which a real one does: every change of a task would have to delete the answers that it is in.
"""

import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import redis

from knative.local.embedded import postgres
from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks, page
from taskmaster.outbound.daprd import Daprd
from tests.programs.bench.surroundings import database, settings
from tests.support import dapr
from tests.support.command_line import taskmaster
from tests.support.function_process import FunctionProcess

TASKS = 500
ROUNDS = 2_000
LIMITS = (1, 20, 100)  # tasks of a page


def main() -> None:
    with postgres(durable=False) as server, dapr.redis_server() as address:
        environment = settings(server)
        taskmaster(environment, "migrate")
        body = {"title": "water the plants", "tags": ["home"], "due_at": "2090-01-01T09:00:00Z"}
        with FunctionProcess("create-task", environment) as function:
            for _ in range(TASKS):
                assert function.call("POST", "/tasks", body, user="ada").status_code == 201
        store = dapr.component("state", "state.redis", redisHost=address.split("/")[2], redisPassword="")
        with (
            database(environment) as opened,
            dapr.daprd(store) as running,
            redis.Redis.from_url(address) as client,
            closing(Daprd(running.url, "", seconds=10)) as daprd,
            FunctionProcess("query-tasks", environment) as function,
        ):
            for limit in LIMITS:
                compare(limit, opened, daprd, client, function)


def compare(limit: int, opened: Database, daprd: Daprd, client: redis.Redis, function: FunctionProcess) -> None:
    """Print the milliseconds of each way to a page of so many tasks."""
    command = ListTasks(limit=limit)
    filters = command.filters(now=datetime.now(UTC))

    def query() -> Any:
        with opened.as_user("ada") as transaction:
            return transaction.list_tasks(filters, command.sort, None, limit + 1)

    def answer() -> bytes:
        return page(command, query()).model_dump_json().encode()

    kept = answer()
    saved = json.dumps([{"key": "page", "value": json.loads(kept)}]).encode()
    assert daprd.ask("POST", "/v1.0/state/state", saved).status == 204
    assert json.loads(daprd.ask("GET", "/v1.0/state/state/page").body) == json.loads(kept)
    client.set("page", kept)
    ways: dict[str, Callable[[], object]] = {
        "GET /tasks": lambda: function.call("GET", f"/tasks?limit={limit}", user="ada"),
        "query": query,
        "query and answer": answer,
        "daprd's state store": lambda: daprd.ask("GET", "/v1.0/state/state/page"),
        "Redis without Dapr": lambda: client.get("page"),
    }
    print(json.dumps({"tasks": limit, "bytes": len(kept), **{name: timed(way) for name, way in ways.items()}}))


def timed(way: Callable[[], object]) -> dict[str, float]:
    """The median and the 95th percentile, in milliseconds."""
    for _ in range(200):
        way()
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        way()
        took.append((time.perf_counter() - begun) * 1000)
    return {"median": round(statistics.median(took), 2), "p95": round(statistics.quantiles(took, n=20)[-1], 2)}


if __name__ == "__main__":
    main()
