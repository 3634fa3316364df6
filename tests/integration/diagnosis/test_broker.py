"""What can be wrong on a broker is made, and found by doctor: topics, rights, groups, and the record behind one."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from taskmaster.events import routes
from tests.support.brokers import Kafka
from tests.support.findings import Findings, doctor
from tests.support.function_process import eventually
from tests.support.group_member import member

HEADERS = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/s", "ce_type": "task.complete", "ce_userid": "ada"}


@pytest.fixture
def topics(connected: dict[str, str], kafka: Kafka) -> dict[str, str]:
    """All topics of ours under names of this test's own, so that nothing of another test is in them."""
    prefix = uuid4().hex[:8]
    named = {name: f"{prefix}.{name}" for name in routes.TOPICS}
    kafka.rename(named, partitions=1)
    return named


@pytest.fixture
def looked_at(connected: dict[str, str], topics: dict[str, str], kafka: Kafka) -> dict[str, str]:
    """Settings to run doctor with, as a superuser of the broker."""
    return {**connected, **kafka.environment(), "KAFKA_TOPICS": json.dumps(topics)}


def test_a_broker_that_has_all_is_no_finding(looked_at: dict[str, str]) -> None:
    found = doctor(looked_at, "broker", "groups")
    assert found.codes <= {"retention-untold", "topic-kept-too-long"}  # as the test's own topics were made


def test_a_broker_that_is_not_there_is_found() -> None:
    found = doctor({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_REQUEST_TIMEOUT": "1"}, "broker", "groups")
    assert found.of("broker-unreachable")["severity"] == "critical"
    assert "ECONNREFUSED" in found.of("broker-unreachable")["what"]
    assert "the broker refused" in found.of("not-looked-at")["what"]


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("changed", "said", "mend"),
    [
        ({"KAFKA_SASL_PASSWORD": "another"}, "", "KAFKA_SASL_PASSWORD"),  # it says so, or only hangs up
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "", "KAFKA_SASL_MECHANISM"),
        ({"KAFKA_SSL_CAFILE": ""}, "CERTIFICATE_VERIFY_FAILED", "kafka.ca.secret"),
        ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "", "kafka.securityProtocol"),
    ],
)
def test_a_broker_that_lets_nobody_in_is_found_with_its_reason(
    kafka: Kafka, changed: dict[str, str], said: str, mend: str
) -> None:
    found = doctor({**kafka.environment("functions"), "KAFKA_REQUEST_TIMEOUT": "5", **changed}, "broker")
    finding = found.of("broker-unreachable")
    assert said in finding["what"]
    assert mend in finding["mend"]


def test_a_topic_that_is_missing_is_found(looked_at: dict[str, str], topics: dict[str, str]) -> None:
    absent = f"absent-{uuid4().hex[:8]}"
    found = doctor({**looked_at, "KAFKA_TOPICS": json.dumps({**topics, "task-events": absent})}, "broker")
    finding = found.of("topic-missing")
    assert f"no topic {absent}" in finding["what"]
    assert finding["mend"].startswith("taskmaster topics")


@pytest.mark.kafka
def test_a_topic_that_keeps_records_for_ever_is_found(
    looked_at: dict[str, str], topics: dict[str, str], kafka: Kafka
) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    with kafka.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics["task-events"], {"retention.ms": "-1"})])
    kept = [each for each in doctor(looked_at, "broker") if each["code"] == "topic-kept-too-long"]
    assert any("keeps records for ever" in each["what"] for each in kept)


@pytest.mark.kafka
def test_a_user_without_write_is_found(connected: dict[str, str], kafka: Kafka) -> None:
    found = doctor({**connected, **kafka.environment("listener")}, "broker")
    assert {each["severity"] for each in found if each["code"] == "acl-missing"} == {"note"}
    assert "this user may not write to task-events" in str(found)


def test_dead_letters_are_told_by_function_and_reason(
    looked_at: dict[str, str], topics: dict[str, str], kafka: Kafka
) -> None:
    letter = {
        **HEADERS,
        "ce_knativeerrordest": "http://complete-task.default.svc.cluster.local/events",
        "ce_reason": "why",
    }
    with kafka.producer() as producer:
        for _ in range(2):
            headers = [(name, value.encode()) for name, value in letter.items()]
            producer.send(topics["dead-letters"], b"{}", headers=headers).get(10)
    finding = doctor(looked_at, "broker").of("dead-letters")
    assert finding["what"] == "2 dead letters of complete-task within a day: why"
    assert "taskmaster dead-letters list --function complete-task" in finding["mend"]


# Groups ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prefix(topics: dict[str, str], kafka: Kafka) -> Iterator[str]:
    """A member of complete-task's group that has handled the first of three records, and goes on with none."""
    prefix = f"taskmaster-{uuid4().hex[:8]}-"
    topic = topics["complete-task"]
    with kafka.producer() as producer:
        for number in range(3):
            headers = [(name, value.encode()) for name, value in {**HEADERS, "ce_id": f"e{number}"}.items()]
            producer.send(topic, b"{}", key=b"ada", headers=headers, partition=0).get(10)
    consumer = eventually(lambda: member(kafka, topic, f"{prefix}complete-task"), "an assignment", within=60)
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "", -1)})
    yield prefix
    consumer.close()


def groups(looked_at: dict[str, str], prefix: str) -> Findings:
    return doctor(looked_at, "groups", words=("--group-prefix", prefix, "--watch", "0.2"))


def test_a_partition_that_waits_is_told_with_its_record(
    looked_at: dict[str, str], topics: dict[str, str], prefix: str
) -> None:
    finding = groups(looked_at, prefix).of("partition-waits")
    assert f"waits behind {topics['complete-task']}/0/1, which the function has never counted" in finding["what"]
    assert "2 to go" in finding["what"]
    assert f"taskmaster records show {topics['complete-task']}/0/1" in finding["mend"]


def test_the_attempts_at_the_record_are_told(
    looked_at: dict[str, str], topics: dict[str, str], prefix: str, environment: dict[str, str]
) -> None:
    import psycopg

    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        row = ("complete-task", "ada", "/s", "e1", b"", 4)
        connection.execute(
            "INSERT INTO inbox (function, user_id, source, id, digest, attempts, expires_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, now() + interval '1 minute')", row
        )  # fmt: skip
        try:
            assert "tried 4 times" in groups(looked_at, prefix).of("partition-waits")["what"]
        finally:
            connection.execute("DELETE FROM inbox WHERE id = 'e1' AND user_id = 'ada'")


def test_a_record_that_no_source_can_send_is_told_with_how_to_skip_it(
    looked_at: dict[str, str], topics: dict[str, str], prefix: str, kafka: Kafka
) -> None:
    topic = topics["update-task"]
    headers = [(name, value.encode()) for name, value in {**HEADERS, "ce_correlationid": "a\nb"}.items()]
    with kafka.producer() as producer:
        producer.send(topic, b"{}", headers=headers, partition=0).get(10)
    found = groups(looked_at, prefix)
    if "group-without-members" in found.codes:  # a broker that tells how many members there are: nobody reads at all
        assert "update-task" in found.of("group-without-members")["what"]
        return
    finding = found.of("record-unsendable")
    assert "ce_correlationid holds U+000A: no KafkaSource can ever send it" in finding["what"]
    assert f"taskmaster records skip {prefix}update-task {topic}/0/0" in finding["mend"]
