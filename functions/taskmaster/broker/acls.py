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
class Rule:
    """What a role may do to some topics or groups. A group's name is the beginning of the names that it stands for."""

    role: str
    resource: Literal["topic", "group"]
    names: tuple[str, ...]
    operations: tuple[str, ...]

    @property
    def prefixed(self) -> bool:
        return self.resource == "group"


RULES = (
    # Whoever starts publishes what is in the outbox, and a letter that was replayed may lie there for any mailbox.
    Rule(role="functions", resource="topic", names=routes.TOPICS, operations=("WRITE",)),
    Rule(role="source", resource="topic", names=SOURCES, operations=("READ",)),
    # A KafkaSource that is deleted deletes its group.
    Rule(role="source", resource="group", names=("taskmaster-",), operations=("READ", "DELETE")),
    Rule(role="producer", resource="topic", names=COMMANDS, operations=("WRITE",)),
    Rule(role="listener", resource="topic", names=(routes.TASK_EVENTS, routes.TASK_UPDATES), operations=("READ",)),
    Rule(role="listener", resource="group", names=("listener-",), operations=("READ",)),
    Rule(role="admin", resource="topic", names=routes.TOPICS, operations=("CREATE", "DESCRIBE", "ALTER_CONFIGS")),
    Rule(role="operator", resource="topic", names=(routes.DEAD_LETTERS,), operations=("READ",)),
    Rule(role="operator", resource="topic", names=SOURCES, operations=("WRITE",)),
)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """RULES with the topics' names on this broker, each once where several of ours share one."""
    return tuple(
        Rule(
            role=rule.role,
            resource=rule.resource,
            names=rule.names if rule.prefixed else tuple(dict.fromkeys(map(settings.topic, rule.names))),
            operations=rule.operations,
        )
        for rule in RULES
    )


def commands(settings: Settings, users: Mapping[str, str], *, tool: Tool) -> Iterator[str]:
    """The shell commands that give the users, by role, their ACLs. Whoever runs them has to be a superuser there."""
    for rule in rules(settings):
        if rule.role in users:
            yield shlex.join(_WRITTEN[tool](rule, f"User:{users[rule.role]}"))


def _kafka_acls(rule: Rule, principal: str) -> list[str]:
    words = ["kafka-acls.sh", "--add", "--allow-principal", principal]
    words += [word for operation in rule.operations for word in ("--operation", operation.title().replace("_", ""))]
    words += [word for name in rule.names for word in (f"--{rule.resource}", name)]
    return [*words, "--resource-pattern-type", "prefixed"] if rule.prefixed else words


def _rpk(rule: Rule, principal: str) -> list[str]:
    words = ["rpk", "security", "acl", "create", "--allow-principal", principal]
    words += ["--operation", ",".join(rule.operations).lower(), f"--{rule.resource}", ",".join(rule.names)]
    return [*words, "--resource-pattern-type", "prefixed"] if rule.prefixed else words


_WRITTEN = {"kafka-acls": _kafka_acls, "rpk": _rpk}
