"""Every test makes topics and groups of its own on the broker of its worker."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.support.brokers import Kafka


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory that PostgreSQL's user can reach, as pytest's own cannot be; gone after the test."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """An empty topic of two partitions, which commands go to as to any mailbox."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    kafka.rename({"create-task": name}, partitions=2)
    return name


@pytest.fixture(scope="session")
def producer(kafka: Kafka) -> Iterator[KafkaProducer]:
    with kafka.producer("producer") as producer:
        yield producer
