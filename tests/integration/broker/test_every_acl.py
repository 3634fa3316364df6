"""No ACL of docs/kafka.md is one too many: whatever is taken away ends what it is there for, and nothing else.

On a Kafka with those ACLs, one after another is denied: what denies goes before what allows.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import (
    ACLFilter,
    ACLPermissionType,
    ACLResourcePatternType,
    NewTopic,
    ResourcePatternFilter,
)
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError

from taskmaster.broker import acls
from taskmaster.broker.topics import Admin
from taskmaster.events import routes
from taskmaster.settings import read
from tests.support.brokers import Kafka, as_acls
from tests.support.command_line import prepare

pytestmark = pytest.mark.kafka

Deed = Callable[[Kafka, str], None]  # what a role does; raises KafkaError or AssertionError where it may not


def writes(topic: str) -> Deed:
    def do(kafka: Kafka, role: str) -> None:
        headers = [("ce_specversion", b"1.0"), ("ce_type", b"tests.nothing"), ("ce_source", b"/tests"), ("ce_id", b"1")]
        with closing(KafkaProducer(**kafka.client(role), enable_idempotence=False, max_block_ms=10_000)) as producer:
            producer.send(topic, value=b"{}", headers=headers).get(20)

    return do


def reads(topic: str) -> Deed:
    def do(kafka: Kafka, role: str) -> None:
        writes(topic)(kafka, "")
        with closing(KafkaConsumer(**kafka.client(role), auto_offset_reset="earliest")) as consumer:
            consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
            assert consumer.poll(timeout_ms=5_000)

    return do


def joins(group: str, topic: str) -> Deed:
    def do(kafka: Kafka, role: str) -> None:
        quiet = {"enable_auto_commit": False}  # that takes READ on the topic, and is no matter of the group
        with closing(KafkaConsumer(**kafka.client(role), group_id=f"{group}{uuid4()}", **quiet)) as consumer:
            consumer.subscribe([topic])
            with suppress(TopicAuthorizationFailedError):  # that it may not read is no matter of the group
                consumer.poll(timeout_ms=5_000)
            assert consumer.assignment()

    return do


def deletes_its_group(kafka: Kafka, role: str) -> None:
    group = f"taskmaster-{uuid4()}"
    with closing(KafkaConsumer(**kafka.client(), group_id=group)) as consumer:
        consumer.commit({TopicPartition("create-task", 0): OffsetAndMetadata(0, "", -1)})
    with closing(KafkaAdminClient(**kafka.client(role))) as admin:
        admin.delete_groups([group])
        assert group not in {each["group_id"] for each in _of_everybody(kafka)}


def sees_its_groups(kafka: Kafka, role: str) -> None:
    """A group without offsets: those of a topic that may not be read are an error of their own."""
    with closing(KafkaAdminClient(**kafka.client(role))) as admin:
        admin.list_group_offsets([f"taskmaster-{uuid4()}"])


def creates(kafka: Kafka, role: str) -> None:
    """As far as it gets with a topic that is there: who may not create it is told that, and nothing of the topic."""
    with suppress(TopicAlreadyExistsError), closing(KafkaAdminClient(**kafka.client(role))) as admin:
        admin.create_topics([NewTopic(routes.DEAD_LETTERS, 1, 1)], validate_only=True)


def describes(kafka: Kafka, role: str) -> None:
    with closing(KafkaAdminClient(**kafka.client(role))) as admin:
        assert routes.TASK_EVENTS in {each["name"] for each in admin.describe_topics() if not each.get("error_code")}


def shortens(kafka: Kafka, role: str) -> None:
    with closing(Admin(read(kafka.environment(role)))) as admin:
        admin.set_retention([routes.TASK_EVENTS])


DEEDS: dict[tuple[str, str, str], Deed] = {
    ("functions", "topic", "WRITE"): writes(routes.TASK_EVENTS),
    ("source", "topic", "READ"): reads("create-task"),
    ("source", "group", "READ"): joins("taskmaster-", "create-task"),
    ("source", "group", "DELETE"): deletes_its_group,
    ("producer", "topic", "WRITE"): writes("create-task"),
    ("listener", "topic", "READ"): reads(routes.TASK_EVENTS),
    ("listener", "group", "READ"): joins("listener-", routes.TASK_EVENTS),
    ("admin", "topic", "CREATE"): creates,
    ("admin", "topic", "DESCRIBE"): describes,
    ("admin", "topic", "ALTER_CONFIGS"): shortens,
    ("operator", "topic", "READ"): reads(routes.DEAD_LETTERS),
    ("operator", "group", "DESCRIBE"): sees_its_groups,
    ("operator", "topic", "WRITE"): writes("create-task"),
}


@pytest.fixture(scope="module")
def guarded(kafka: Kafka) -> Kafka:
    prepare(kafka.environment("admin"), "topics")
    return kafka


def test_every_acl_is_tried() -> None:
    given = {(grant.role, grant.resource, operation) for grant in acls.GRANTS for operation in grant.operations}
    assert given == set(DEEDS)


@pytest.mark.parametrize(("role", "resource", "operation"), DEEDS)
def test_without_it_one_thing_cannot_be_done_and_all_else_can(
    guarded: Kafka, role: str, resource: str, operation: str
) -> None:
    mine = {key: deed for key, deed in DEEDS.items() if key[0] == role}
    with denied(guarded, role, resource, operation):
        assert {key for key, deed in mine.items() if not done(deed, guarded, role)} == {(role, resource, operation)}
    assert done(mine[role, resource, operation], guarded, role)


def done(deed: Deed, kafka: Kafka, role: str) -> bool:
    try:
        deed(kafka, role)
    except (KafkaError, AssertionError):
        return False
    return True


@contextmanager
def denied(kafka: Kafka, role: str, resource: str, operation: str) -> Iterator[None]:
    rules = [
        replace(grant, operations=(operation,))
        for grant in acls.GRANTS
        if (grant.role, grant.resource) == (role, resource) and operation in grant.operations
    ]
    wanted = [acl for grant in rules for acl in as_acls(grant)]
    for acl in wanted:
        acl.permission_type = ACLPermissionType.DENY
    [kind], [principal] = {acl.resource_pattern.resource_type for acl in wanted}, {acl.principal for acl in wanted}
    anywhere = ResourcePatternFilter(kind, None, ACLResourcePatternType.ANY)
    them = ACLFilter(principal, "*", wanted[0].operation, ACLPermissionType.DENY, anywhere)
    with kafka.admin() as admin:
        assert not admin.create_acls(wanted)["failed"]
        try:
            _wait_for(admin, them, count=len(wanted))
            yield
        finally:
            admin.delete_acls([them])
            _wait_for(admin, them, count=0)


def _wait_for(admin: KafkaAdminClient, acls: ACLFilter, *, count: int) -> None:
    """A broker follows what its controller has already answered."""
    deadline = time.monotonic() + 10
    while len(admin.describe_acls(acls)[0]) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _of_everybody(kafka: Kafka) -> list[dict[str, str]]:
    with kafka.admin() as admin:
        return list(admin.list_groups())
