"""One broker for all the tests of a worker; every test makes topics and groups of its own."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from knative.local.embedded import broker


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory that PostgreSQL's user can reach, as pytest's own cannot be; gone after the test."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def bootstrap_servers() -> Iterator[str]:
    with broker() as bootstrap:
        yield bootstrap


@pytest.fixture
def topic(bootstrap_servers: str) -> str:
    """An empty topic of two partitions."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    admin.create_topics([NewTopic(name, 2, 1)])
    admin.close()
    return name


@pytest.fixture(scope="session")
def producer(bootstrap_servers: str) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=False, batch_size=0)
    yield producer
    producer.close()
