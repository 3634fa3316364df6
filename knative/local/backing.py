"""What Knative and the functions rest on: a database, and a broker, with Dapr before it where that is asked for.

Each is an embedded one, unless the environment names one that runs already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from knative.local import embedded, taskmaster_setup
from knative.local.dapr.carrier import DaprCarrier
from knative.local.dapr.side import KNATIVE, REDIS
from knative.local.secrets import Passwords, Secrets


@dataclass(frozen=True)
class Backing:
    """`secrets` say how all of it is reached. `dapr` is None where KafkaSources carry the events."""

    secrets: Secrets
    dapr: DaprCarrier | None


def started(
    broker: str,
    *,
    state: Path,
    environ: Mapping[str, str],
    on_line: Callable[[str, str], None],
    running: ExitStack,
) -> Backing:
    """Started, and ended with `running`; `broker` is one of BROKERS. What was embedded keeps its data in `state`."""
    passwords = Passwords(state / "passwords.json")
    owner_url = environ.get(taskmaster_setup.RUNNING_DATABASE)
    if not owner_url:
        owner_url = taskmaster_setup.create_database(running.enter_context(embedded.postgres(state)).url, passwords)
    database = taskmaster_setup.database_secrets(owner_url, passwords)
    kafka = taskmaster_setup.broker_of(environ)
    if broker != REDIS and taskmaster_setup.RUNNING_BROKER not in kafka:
        kafka[taskmaster_setup.RUNNING_BROKER] = running.enter_context(embedded.broker())
    if broker == KNATIVE:
        return Backing({**database, **taskmaster_setup.kafka_secrets(kafka)}, None)
    dapr = DaprCarrier(
        broker,
        state=state,
        passwords=passwords,
        environ=environ,
        bootstrap_servers=kafka.get(taskmaster_setup.RUNNING_BROKER, ""),
        on_line=on_line,
    )
    running.callback(dapr.side.stop)
    dapr.side.start_redis()
    return Backing({**database, **dapr.secrets()}, dapr)
