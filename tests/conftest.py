"""Fixtures: a real PostgreSQL and a real broker, one of each for a test process, and the pack of functions on them."""

import gc
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from knative.local.embedded import Server, postgres
from tests.support import brokers, tokens
from tests.support.brokers import Kafka
from tests.support.command_line import migrate, prepare
from tests.support.function_pack import Pack
from tests.support.sizes import size
from tests.support.skipped import pytest_terminal_summary
from tests.support.spread import spread

__all__ = ["pytest_terminal_summary"]

# How long an example takes to make or to run is the machine's business.
settings.register_profile(
    "unhurried", max_examples=size(50, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=brokers.KINDS,
        default="embedded",
        help="what the tests run on: see tests/support/brokers.py",
    )


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is collected: what is made meanwhile stays
    if config.getoption("--broker") == "given":
        brokers.take_given(os.environ)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A property has more examples in a thorough run."""
    if is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker(pytest.mark.thorough)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about another broker than this one (the markers in pyproject.toml), or about none."""
    kind = config.getoption("--broker")
    others = {"embedded": ("kafka",), "kafka": ("embedded_broker",), "given": ("kafka", "embedded_broker")}[kind]
    if "dapr" not in str(config.getoption("-m")):
        others = (*others, "dapr")
    left_out = [
        item
        for item in items
        if any(item.get_closest_marker(other) for other in others) or (kind != "embedded" and not _uses_broker(item))
    ]
    gone = set(left_out)
    items[:] = spread(
        [item for item in items if item not in gone], workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    )
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Look for what was never closed, once. At its end pytest looks ten times, and would each time walk through all."""
    gc.collect()
    gc.freeze()


def _uses_broker(item: pytest.Item) -> bool:
    """Every fixture and test that starts a broker asks pytestconfig for the kind of it."""
    return "pytestconfig" in getattr(item, "fixturenames", ()) or item.get_closest_marker("kafka") is not None


@pytest.fixture(scope="session")
def database_server() -> Iterator[Server]:
    """PostgreSQL without fsync: what a test process writes needs to survive its functions, not the machine."""
    with postgres(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    with brokers.broker(pytestconfig.getoption("--broker")) as running:
        yield running


@pytest.fixture(scope="session")
def environment(database_server: Server) -> dict[str, str]:
    """What a function is configured with; the schema is there, and no broker."""
    configured = {
        "MIGRATION_DATABASE_URL": database_server.url,
        "DATABASE_URL": database_server.login("taskmaster_user", "user's", "postgres").replace("'", "%27"),
        "SYSTEM_DATABASE_URL": database_server.login("taskmaster_system", "system's", "postgres").replace("'", "%27"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_REQUEST_TIMEOUT": "1",  # nobody answers there
        "STREAM_SECONDS": "1",
        "USER_CALLS_PER_SECOND": "0",  # a test calls as often as it likes
        **tokens.settings(),
    }
    migrate(configured)
    return configured


@pytest.fixture(scope="session")
def connected(environment: dict[str, str], kafka: Kafka) -> dict[str, str]:
    """The same with a broker that has the topics, as the functions' user."""
    prepare(kafka.environment("admin"), "topics")
    return {**environment, "KAFKA_REQUEST_TIMEOUT": "10", **kafka.environment("functions")}


@pytest.fixture
def pack(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    """The functions in this process, under functions-framework, on PostgreSQL. Events stay in the outbox."""
    with Pack.served(environment, monkeypatch, user=f"user-{uuid4()}") as served:
        yield served
