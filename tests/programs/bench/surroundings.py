"""Where a benchmark runs: the whole stand-in; or a durable PostgreSQL and a broker, for functions beside them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient, NewTopic

from knative.local.embedded import Server, broker, postgres
from knative.local.up import Platform
from taskmaster.database.store import Database
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Absent
from tests.support import tokens
from tests.support.command_line import taskmaster

_ROOT = Path(__file__).parents[3]
_PARTITIONS = 3


@contextmanager
def stand_in() -> Iterator[Platform]:
    """All of it, once its KafkaSources consume. Raises Wrong."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-bench-") as state:
        Path(state).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        with Platform(_ROOT, state=Path(state), environ={}, watch=False) as platform:
            if not platform.wait_until_consuming(60):
                raise Wrong("a KafkaSource has no partitions after a minute")
            yield platform


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, as in the tests of the page. Raises Absent where there is none."""
    from tests.browser.conftest import NoBrowser, launched

    try:
        with launched() as browser:
            yield browser
    except NoBrowser as error:
        raise Absent(str(error)) from None


def fall_asleep(platform: Platform, *, seconds: float = 120) -> None:
    """Return when no function has a pod. Raises Wrong after so many seconds."""
    if not platform.wait_for_zero(seconds):
        raise Wrong(f"a function is still awake after {seconds:.0f} s")


def settings(server: Server, database: str = "postgres") -> dict[str, str]:
    """Those of functions on this database, without a broker. One user may call as fast as it can."""
    return {
        "MIGRATION_DATABASE_URL": server.login("postgres", server.password, database),
        "DATABASE_URL": server.login("taskmaster_user", "secret", database),
        "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "secret", database),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "USER_CALLS_PER_SECOND": "0",
        **tokens.settings(),
    }


@contextmanager
def surroundings(*topics: str) -> Iterator[dict[str, str]]:
    """The settings of functions on a migrated database and a broker with these topics, of three partitions each."""
    with postgres() as server, broker() as bootstrap_servers:
        environment = {
            **settings(server),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "REMINDER_ALARM": "off",  # nobody sets an alarm here: the dispatcher looks again after ten minutes
        }
        taskmaster(environment, "migrate")
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
        admin.create_topics([NewTopic(topic, _PARTITIONS, 1) for topic in topics])
        admin.close()
        yield environment


@contextmanager
def database(environment: Mapping[str, str]) -> Iterator[Database]:
    """The pack's own way into it."""
    opened = Database(
        user_url=environment["DATABASE_URL"], system_url=environment["SYSTEM_DATABASE_URL"], pool_size=1, timeout=5
    )
    try:
        yield opened
    finally:
        opened.close()
