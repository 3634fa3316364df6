"""Reminders beside scheduled jobs of Procrastinate on one PostgreSQL: how late, and what an idle hour costs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import procrastinate
import psycopg

from knative.local.processes import base_environment
from tests.programs.bench import due
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Compared, Comparison, Section, Step, percentile
from tests.programs.bench.surroundings import surroundings
from tests.support.function_process import FunctionProcess

_WORKER = Path(__file__).with_name("procrastinate_worker.py")
_AHEAD = 5.0  # seconds until the first is due
_BEYOND = 180.0  # and at most for the last
_PENDING = """
INSERT INTO procrastinate_jobs (task_name, queue_name, args, scheduled_at, status)
SELECT 'ring', 'default', '{"moment": 0}', now() + interval '1 day' + n * interval '1 second', 'todo'
  FROM generate_series(1, %s) AS n
"""
_DUE = """
INSERT INTO procrastinate_jobs (task_name, queue_name, args, scheduled_at, status)
SELECT 'ring', 'default', jsonb_build_object('moment', extract(epoch FROM at)), at, 'todo'
  FROM (SELECT %(at)s + random() * make_interval(secs => %(seconds)s) AS at
          FROM generate_series(1, %(count)s) OFFSET 0) AS due
"""


class _Work(NamedTuple):
    """What a server did, counted by itself."""

    transactions: float
    milliseconds: float


def measure(step: Step, *, pending: int = 100_000, count: int = 2_000, seconds: int = 30, idle: int = 60) -> Section:
    late: dict[str, list[float]] = {}
    work: dict[str, _Work] = {}
    with surroundings("reminders", "task-updates") as environment, ExitStack() as stack:
        owner = environment["MIGRATION_DATABASE_URL"]
        step(f"writing {pending:,} reminders and as many jobs")
        due.seed(owner, pending, count)
        jobs = _procrastinate_database(owner, pending)
        step(f"Procrastinate: {count:,} in {seconds} s")
        with psycopg.connect(jobs, autocommit=True) as connection:
            at = datetime.now(UTC) + timedelta(seconds=_AHEAD)
            connection.execute(_DUE, {"count": count, "at": at, "seconds": seconds})
        late["jobs"] = _worked(jobs, _AHEAD + seconds + _BEYOND, count)
        if len(late["jobs"]) != count:
            raise Wrong(f"Procrastinate ran {len(late['jobs'])} of {count} jobs")
        step(f"taskmaster: {count:,} in {seconds} s")
        function = stack.enter_context(FunctionProcess("dispatch-due-reminders", environment))
        late["ours"] = due.dispatched(environment, function, pending // due.EACH, count, float(seconds))
        function.terminate()
        step(f"Procrastinate idle for {idle} s")
        with _counted(jobs) as counted:
            _worked(jobs, idle, 0)
        work["jobs"] = counted[0]
        step(f"taskmaster idle for {idle} s: no process, and the hourly call")
        with _counted(owner) as counted:
            with FunctionProcess("relay-outbox", environment) as relay:
                relay.tick()
                relay.terminate()
            time.sleep(idle)
        work["ours"] = counted[0]
    hour = 3600 / idle
    return Section(
        title="Beside Procrastinate",
        how=f"On one PostgreSQL, {pending:,} reminders and as many scheduled jobs of Procrastinate "
        f"{procrastinate.__version__} are pending, and {count:,} are due within {seconds} s. A job is late "
        "when it runs, in a worker with 30 at once that polls as it is shipped; a reminder when it is on its "
        "topic. Idle, a worker of Procrastinate asks again and again; here relay-outbox looks once an hour. "
        "What is idle is counted by PostgreSQL, and given for an hour.",
        compared=[
            Compared(
                title="Scheduled work",
                base="Procrastinate",
                ours="taskmaster",
                comparisons=[
                    Comparison(
                        what=f"late, {name}, ms",
                        base=[_milliseconds(late["jobs"], share)],
                        ours=[_milliseconds(late["ours"], share)],
                        goal=1,
                    )
                    for name, share in (("p50", 0.5), ("p99", 0.99))
                ]
                + [
                    Comparison(
                        what="transactions of an idle hour",
                        base=[work["jobs"].transactions * hour],
                        ours=[work["ours"].transactions],
                        goal=1,
                    ),
                    Comparison(
                        what="sessions active in an idle hour, ms",
                        base=[work["jobs"].milliseconds * hour],
                        ours=[work["ours"].milliseconds],
                        goal=1,
                    ),
                ],
            )
        ],
    )


def _procrastinate_database(owner: str, pending: int) -> str:
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE DATABASE procrastinate")
    url = owner.rpartition("/")[0] + "/procrastinate"
    with procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url)).open() as app:
        app.schema_manager.apply_schema()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_PENDING, [pending])
        connection.execute("VACUUM ANALYZE procrastinate_jobs")
    return url


def _worked(url: str, seconds: float, count: int) -> list[float]:
    """Seconds by which the jobs of a worker were late, in order. It runs for so long, or until it has run so many."""
    command = [sys.executable, str(_WORKER), url, str(seconds), str(count)]
    done = subprocess.run(command, env=base_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"Procrastinate's worker failed: {done.stderr[-500:]}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _counted(url: str) -> Iterator[list[_Work]]:
    """What was done in the database of this URL inside of the block."""
    found: list[_Work] = []
    before = _done(url)
    yield found
    time.sleep(1.5)  # a session reports at its end, or once a second
    after = _done(url)
    found.append(_Work(after.transactions - before.transactions, after.milliseconds - before.milliseconds))


def _done(url: str) -> _Work:
    query = "SELECT xact_commit + xact_rollback, active_time FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return _Work(*row)


def _milliseconds(late: list[float], share: float) -> float:
    """At least one: a moment may be met exactly."""
    return max(1.0, percentile(late, share) * 1000)
