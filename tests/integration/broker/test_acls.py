"""What a user of the broker may not do, the broker refuses: on a Kafka with the documented ACLs and no other."""

from contextlib import closing
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from taskmaster.events import routes
from tests.support.brokers import Kafka
from tests.support.command_line import prepare, taskmaster

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def guarded(kafka: Kafka) -> Kafka:
    prepare(kafka.environment("admin"), "topics")
    return kafka


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("producer", routes.TASK_EVENTS),
        ("producer", routes.TASK_UPDATES),
        ("producer", routes.REMINDERS),
        ("producer", routes.DISPATCH_DUE_REMINDERS),
        ("producer", routes.DEAD_LETTERS),
        ("listener", "create-task"),
        ("source", "create-task"),
        ("admin", "create-task"),
        ("operator", routes.TASK_EVENTS),
    ],
)
def test_who_may_not_write_cannot(guarded: Kafka, role: str, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        _write(guarded, role, topic)


@pytest.mark.parametrize(("role", "topic"), [("producer", "create-task"), ("functions", routes.TASK_EVENTS)])
def test_who_may_write_can(guarded: Kafka, role: str, topic: str) -> None:
    _write(guarded, role, topic)


@pytest.mark.parametrize(
    ("role", "topic"),
    [
        ("functions", routes.TASK_EVENTS),
        ("producer", "create-task"),
        ("producer", routes.TASK_EVENTS),
        ("listener", "create-task"),
        ("listener", routes.DEAD_LETTERS),
        ("source", routes.TASK_EVENTS),
    ],
)
def test_who_may_not_read_sees_nothing(guarded: Kafka, role: str, topic: str) -> None:
    _write(guarded, "", topic)
    try:
        seen = _read(guarded, role, topic)
    except TopicAuthorizationFailedError:
        return
    assert not seen  # who may not even know of the topic is told that there is none


@pytest.mark.parametrize(("role", "topic"), [("listener", routes.TASK_EVENTS), ("operator", routes.DEAD_LETTERS)])
def test_who_may_read_does(guarded: Kafka, role: str, topic: str) -> None:
    _write(guarded, "", topic)
    assert _read(guarded, role, topic)


def test_a_listener_cannot_join_the_group_of_a_source(guarded: Kafka) -> None:
    with closing(KafkaConsumer(**guarded.client("listener"), group_id="taskmaster-create-task")) as consumer:
        consumer.subscribe([routes.TASK_EVENTS])
        with pytest.raises(GroupAuthorizationFailedError):
            consumer.poll(timeout_ms=10_000)


def test_a_password_that_is_none_opens_nothing(guarded: Kafka) -> None:
    wrong = {**guarded.client("producer"), "sasl_plain_password": uuid4().hex}
    with pytest.raises(KafkaError):
        KafkaProducer(**wrong, enable_idempotence=False, bootstrap_timeout_ms=5_000)


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("listener", f"there is no topic {routes.DEAD_LETTERS}, or this user may not DESCRIBE it"),
        ("admin", f"this user may not read topic {routes.DEAD_LETTERS}: it needs READ and DESCRIBE on it"),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["show", "0/0"], ["replay", "--all"]], ids=lambda words: words[0])
def test_who_may_not_see_dead_letters_is_told_what_is_missing(
    guarded: Kafka, environment: dict[str, str], role: str, said: str, command: list[str]
) -> None:
    ended = taskmaster({**environment, **guarded.environment(role)}, "dead-letters", *command, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_operator_sees_dead_letters(guarded: Kafka, environment: dict[str, str]) -> None:
    taskmaster({**environment, **guarded.environment("operator")}, "dead-letters", "list")


def _write(kafka: Kafka, role: str, topic: str) -> None:
    """One record that no function makes anything of: its type is nobody's."""
    headers = [("ce_specversion", b"1.0"), ("ce_type", b"tests.nothing"), ("ce_source", b"/tests"), ("ce_id", b"1")]
    with closing(KafkaProducer(**kafka.client(role), enable_idempotence=False, max_block_ms=10_000)) as producer:
        producer.send(topic, value=b"{}", headers=headers).get(20)


def _read(kafka: Kafka, role: str, topic: str) -> bool:
    """Whether a record is seen within ten seconds."""
    with closing(KafkaConsumer(**kafka.client(role), auto_offset_reset="earliest")) as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
        return bool(consumer.poll(timeout_ms=10_000))
