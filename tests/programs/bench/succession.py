"""From a completion's answer to the next occurrence committed, through Kafka, on the stand-in: warm, and from zero."""

import statistics
import time
from contextlib import ExitStack
from typing import Any

import psycopg

from tests.platform.user import User
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step, percentile
from tests.programs.bench.surroundings import fall_asleep, stand_in
from tests.support.brokers import Kafka

_WARM_UP = 10
_LOOK_EVERY = 0.002  # seconds: by so much a figure may be too large
_PATIENCE = 30.0


def measure(step: Step, *, completions: int = 200, starts: int = 3) -> Section:
    with stand_in() as platform, ExitStack() as stack:
        kafka = Kafka({"KAFKA_BOOTSTRAP_SERVERS": platform.bootstrap_servers})
        user = stack.enter_context(User.of(platform, kafka, "ada"))
        owner = stack.enter_context(psycopg.connect(platform.database_urls["owner"], autocommit=True))
        step(f"{completions} completions, one after the other")
        warm = [_completed(user, owner)[1] for _ in range(completions + _WARM_UP)][_WARM_UP:]
        from_zero = []
        for number in range(starts):
            task = _created(user)
            step(f"start {number + 1} of {starts}: waiting for zero")
            fall_asleep(platform, seconds=180)
            from_zero.append(_completed(user, owner, task))
    beyond = [successor - cold for cold, successor in from_zero]
    return Section(
        title="Successors",
        how=f"On the stand-in, {completions} occurrences of daily series completed by HTTP, one after the other: "
        "from the last byte of the answer to the successor's row, which somebody else sees every 2 ms. Then "
        f"{starts} times with all functions at zero: the answer is one start, and the successor another.",
        figures=[
            Figure(what="warm, p50", value=statistics.median(warm) * 1000, unit="ms", goal=30),
            Figure(what="warm, p99", value=percentile(warm, 0.99) * 1000, unit="ms", goal=150),
            Figure(
                what="from zero: the answer, median",
                value=statistics.median(cold for cold, _ in from_zero) * 1000,
                unit="ms",
            ),
            Figure(
                what="from zero: the successor behind it, beyond as long again",
                value=statistics.median(beyond) * 1000,
                unit="ms",
                goal=300,
            ),
        ],
    )


def _created(user: User) -> int:
    body = {"title": "water", "due_at": "2089-01-31T09:00:00Z", "time_zone": "UTC", "recurrence_pattern": "daily"}
    return int(user.call("POST", "/tasks", body).json()["task_id"])


def _completed(user: User, owner: "psycopg.Connection[Any]", task_id: int | None = None) -> tuple[float, float]:
    """Seconds of the call, and from its answer until the successor is there."""
    task_id = task_id or _created(user)
    begun = time.perf_counter()
    answer = user.call("POST", f"/tasks/{task_id}/complete")
    answered = time.perf_counter()
    if answer.status_code != 200:
        raise Wrong(f"complete-task answered {answer.status_code}: {answer.text}")
    seek = "SELECT FROM task WHERE series_id = (SELECT series_id FROM task WHERE task_id = %s) AND NOT completed"
    while not owner.execute(seek, [task_id]).fetchall():
        if time.perf_counter() - answered > _PATIENCE:
            raise Wrong(f"task {task_id} has no successor after {_PATIENCE:.0f} s")
        time.sleep(_LOOK_EVERY)
    return answered - begun, time.perf_counter() - answered
