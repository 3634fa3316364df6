"""The ACLs of the broker: the principals of docs/kafka.md with what each may do, and the commands that grant it.

Every ACL here is needed. READ, WRITE and DELETE include DESCRIBE, and ALTER_CONFIGS includes DESCRIBE_CONFIGS,
on Apache Kafka and on Redpanda alike.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from taskmaster.events import routes
from taskmaster.settings import Settings

Tool = Literal["kafka-acls", "rpk"]

# What programs outside may ask for: everything that has a mailbox but what only the pack tells itself.
COMMANDS = tuple(topic for topic in routes.MAILBOXES if topic != routes.DISPATCH_DUE_REMINDERS)
SOURCES = (*routes.MAILBOXES, routes.REMINDERS)

# The user of each role on the broker, unless it is called otherwise there.
USERS: Mapping[str, str] = {
    "functions": "taskmaster",
    "source": "taskmaster-source",
    "producer": "taskmaster-producer",
    "listener": "taskmaster-listener",
    "admin": "taskmaster-admin",
    "operator": "taskmaster-operator",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a role may do to some topics or groups. A group's name is the beginning of the names that it stands for."""

    role: str
    resource: Literal["topic", "group"]
    names: tuple[str, ...]
    operations: tuple[str, ...]

    @property
    def prefixed(self) -> bool:
        return self.resource == "group"


GRANTS = (
    # Whoever starts publishes what is in the outbox, and a letter that was replayed may lie there for any mailbox.
    Grant(role="functions", resource="topic", names=routes.TOPICS, operations=("WRITE",)),
    Grant(role="source", resource="topic", names=SOURCES, operations=("READ",)),
    # A KafkaSource that is deleted deletes its group.
    Grant(role="source", resource="group", names=("taskmaster-",), operations=("READ", "DELETE")),
    Grant(role="producer", resource="topic", names=COMMANDS, operations=("WRITE",)),
    Grant(role="listener", resource="topic", names=(routes.TASK_EVENTS, routes.TASK_UPDATES), operations=("READ",)),
    Grant(role="listener", resource="group", names=("listener-",), operations=("READ",)),
    Grant(role="admin", resource="topic", names=routes.TOPICS, operations=("CREATE", "DESCRIBE", "ALTER_CONFIGS")),
    # Whoever looks after the pack reads what happened, and sees which group goes on: doctor, trace, metrics.
    Grant(role="operator", resource="topic", names=routes.TOPICS, operations=("READ",)),
    Grant(role="operator", resource="group", names=("taskmaster-",), operations=("DESCRIBE",)),
    Grant(role="operator", resource="topic", names=SOURCES, operations=("WRITE",)),
)


def grants(settings: Settings) -> tuple[Grant, ...]:
    """GRANTS with the topics' names on this broker, each once where several of ours share one."""
    return tuple(
        Grant(
            role=grant.role,
            resource=grant.resource,
            names=grant.names if grant.prefixed else tuple(dict.fromkeys(map(settings.topic, grant.names))),
            operations=grant.operations,
        )
        for grant in GRANTS
    )


def commands(settings: Settings, users: Mapping[str, str], *, tool: Tool) -> Iterator[str]:
    """The shell commands that give the users, by role, their ACLs. Whoever runs them has to be a superuser there."""
    for grant in grants(settings):
        if grant.role in users:
            yield shlex.join(_WRITTEN[tool](grant, f"User:{users[grant.role]}"))


def _kafka_acls(grant: Grant, principal: str) -> list[str]:
    words = ["kafka-acls.sh", "--add", "--allow-principal", principal]
    words += [word for operation in grant.operations for word in ("--operation", operation.title().replace("_", ""))]
    words += [word for name in grant.names for word in (f"--{grant.resource}", name)]
    return [*words, "--resource-pattern-type", "prefixed"] if grant.prefixed else words


def _rpk(grant: Grant, principal: str) -> list[str]:
    words = ["rpk", "security", "acl", "create", "--allow-principal", principal]
    words += ["--operation", ",".join(grant.operations).lower(), f"--{grant.resource}", ",".join(grant.names)]
    return [*words, "--resource-pattern-type", "prefixed"] if grant.prefixed else words


_WRITTEN = {"kafka-acls": _kafka_acls, "rpk": _rpk}
