"""The whole platform with the pack on it: real processes, a real database, a real broker.

Each file of tests has one of its own: its consumers ask for records as long as it runs.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from knative.local.logs import LogStream
from knative.local.up import ENVIRONMENT, Platform
from tests.platform.user import User
from tests.support import brokers
from tests.support.brokers import Kafka

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker_of_platform(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    with brokers.broker(pytestconfig.getoption("--broker")) as running:
        yield running


@pytest.fixture(scope="module")
def platform(broker_of_platform: Kafka) -> Iterator[Platform]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as state:
        Path(state).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        environ = broker_of_platform.platform()
        with (
            broker_of_platform.project(ROOT) as root,
            (Path(state) / "log").open("w") as log,
            Platform(
                root, state=Path(state), environ=environ, watch=False, logs=LogStream(log, as_json=True)
            ) as running,
        ):
            assert running.wait_until_consuming(60)
            yield running


@pytest.fixture
def user(platform: Platform, broker_of_platform: Kafka) -> Iterator[User]:
    """Somebody with no tasks yet."""
    with User.of(platform, broker_of_platform, f"user-{uuid4()}") as somebody:
        yield somebody


@pytest.fixture
def looked_at(platform: Platform, broker_of_platform: Kafka) -> dict[str, str]:
    """What an operator's command line is configured with."""
    written = json.loads((Path(platform._state) / ENVIRONMENT).read_text())
    return {**written, **broker_of_platform.environment()}
