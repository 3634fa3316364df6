"""The Apache Kafka of the tests: its listeners, its ACLs, and what it still knows after it was killed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from tests.programs.apache_kafka import ApacheKafka, Listener, NoApacheKafka, class_path

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    with ApacheKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def topic(kafka: ApacheKafka) -> str:
    name = f"things-{uuid4()}"
    with kafka.administrator() as admin:
        admin.create_topics([name], wait_for_metadata=True)
    return name


def may(user: str, operation: ACLOperation, topic: str) -> ACL:
    return ACL(f"User:{user}", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic))


def write(client: dict[str, Any], topic: str, value: bytes = b"hello") -> None:
    """Raises kafka's errors."""
    producer = KafkaProducer(**client, acks="all", enable_idempotence=False, max_block_ms=10_000)
    try:
        producer.send(topic, value).get(timeout=30)
    finally:
        producer.close(timeout=1)


def read(client: dict[str, Any], topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(topic, **client, auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    try:
        return [record.value for _, record in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_user_signs_in_and_does_what_an_acl_allows(kafka: ApacheKafka, topic: str, listener: Listener) -> None:
    user = f"ada-{uuid4()}"
    kafka.set_password(user)
    client = kafka.client(user, listener=listener)
    with pytest.raises(TopicAuthorizationFailedError):
        write(client, topic)
    kafka.allow([may(user, ACLOperation.WRITE, topic)])
    write(client, topic)
    assert read(kafka.client(), topic, 1) == [b"hello"]


def test_a_wrong_password_is_refused(kafka: ApacheKafka, topic: str) -> None:
    user = f"ada-{uuid4()}"
    kafka.set_password(user)
    with pytest.raises(KafkaError):
        write({**kafka.client(user), "sasl_plain_password": "another", "bootstrap_timeout_ms": 2_000}, topic)


def test_what_was_acknowledged_outlives_a_kill_and_users_and_acls_too(kafka: ApacheKafka, topic: str) -> None:
    user = f"ada-{uuid4()}"
    kafka.set_password(user)
    kafka.allow([may(user, ACLOperation.WRITE, topic), may(user, ACLOperation.READ, topic)])
    write(kafka.client(user), topic, b"before")
    kafka.kill()
    assert not kafka.running
    kafka.start()
    write(kafka.client(user), topic, b"after")
    assert sorted(read(kafka.client(user), topic, 2)) == [b"after", b"before"]


def test_paused_it_answers_nobody_and_resumed_it_goes_on(kafka: ApacheKafka, topic: str) -> None:
    producer = KafkaProducer(**kafka.client(), acks="all", enable_idempotence=False)
    producer.send(topic, b"before").get(timeout=30)
    kafka.pause()
    try:
        waiting = producer.send(topic, b"while it was paused")
        with pytest.raises(KafkaError):
            waiting.get(timeout=1)
    finally:
        kafka.resume()
    waiting.get(timeout=30)
    producer.close()


def test_where_java_is_missing_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoApacheKafka, match="apt-get install"):
        class_path()


def test_a_java_too_old_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(NoApacheKafka, match=r"17 or later.*11\.0\.2"):
        class_path()
