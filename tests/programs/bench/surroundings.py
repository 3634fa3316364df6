"""A durable PostgreSQL, migrated, and a broker with topics of three partitions, for functions that run beside them."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.admin import KafkaAdminClient, NewTopic

from knative.local.embedded import broker, postgres
from taskmaster.database.store import Database
from tests.support import tokens
from tests.support.command_line import taskmaster

_PARTITIONS = 3


@contextmanager
def surroundings(*topics: str) -> Iterator[dict[str, str]]:
    """The settings of functions there."""
    with postgres() as server, broker() as bootstrap_servers:
        environment = {
            "MIGRATION_DATABASE_URL": server.url,
            "DATABASE_URL": server.login("taskmaster_user", "secret", "postgres"),
            "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", "postgres"),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "REMINDER_ALARM": "off",  # nobody sets an alarm here: the dispatcher looks again after ten minutes
            **tokens.settings(),
        }
        taskmaster(environment, "migrate")
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        admin.create_topics([NewTopic(topic, _PARTITIONS, 1) for topic in topics])
        admin.close()
        yield environment


@contextmanager
def database(environment: dict[str, str]) -> Iterator[Database]:
    """The pack's own way into it."""
    opened = Database(
        user_url=environment["DATABASE_URL"], system_url=environment["SYSTEM_DATABASE_URL"], pool_size=1, timeout=5
    )
    try:
        yield opened
    finally:
        opened.close()
