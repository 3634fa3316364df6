"""The gauges tell what is in the database and on the broker, in text that a parser of OpenMetrics takes."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from pytest_httpserver import HTTPServer

from taskmaster.diagnosis.work import RELAY
from taskmaster.events import routes
from tests.support.brokers import Kafka
from tests.support.command_line import at_once

Sql = Callable[..., list[tuple[Any, ...]]]
Labels = frozenset[tuple[str, str]]
DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def parsed(text: str) -> dict[str, dict[Labels, float]]:
    """By family its samples, the text being as OpenMetrics 1.0 has it. Fails where it is not."""
    lines = text.splitlines()
    assert text.endswith("# EOF\n")
    found: dict[str, dict[Labels, float]] = {}
    family = ""
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            family, kind = line.split()[2:]
            assert kind == "gauge"
            assert family not in found
            found[family] = {}
        elif line.startswith("# UNIT "):
            name, unit = line.split()[2:]
            assert name == family
            assert name.endswith("_" + unit)
        elif line.startswith("# HELP "):
            assert line.split()[2] == family
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == family
            labels = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            assert labels not in found[family]
            found[family][labels] = float(match[3])
    return found


def measured(environment: dict[str, str], *words: str) -> dict[str, dict[Labels, float]]:
    ended = at_once(environment, "metrics", *words)
    assert ended.exit_code == 0, ended.output
    return parsed(ended.stdout)


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


@pytest.fixture
def topics(connected: dict[str, str], kafka: Kafka) -> dict[str, str]:
    prefix = uuid4().hex[:8]
    named = {name: f"{prefix}.{name}" for name in routes.TOPICS}
    kafka.rename(named, partitions=1)
    return named


@pytest.fixture
def looked_at(own: dict[str, str], topics: dict[str, str], kafka: Kafka) -> dict[str, str]:
    return {**own, **kafka.environment(), "KAFKA_TOPICS": json.dumps(topics)}


def test_where_nothing_is_late_all_is_zero(looked_at: dict[str, str], sql: Sql) -> None:
    [(ticked_at,)] = sql("UPDATE tick SET at = now() WHERE function = %s RETURNING at", RELAY)
    found = measured(looked_at)
    assert set(found["taskmaster_source_up"].values()) == {1}
    for name in ("outbox_events", "outbox_oldest_age_seconds", "reminders_overdue", "reminders_lateness_seconds",
                 "reminders_undelivered"):  # fmt: skip
        assert found[f"taskmaster_{name}"] == {of(): 0}
    assert found["taskmaster_dead_letters"] == found["taskmaster_inbox_retried_events"] == {}
    [tick] = found["taskmaster_last_tick_timestamp_seconds"].values()
    assert tick == pytest.approx(ticked_at.timestamp(), abs=0.001)
    assert len(found["taskmaster_consumer_group_lag_records"]) == len(routes.MAILBOXES) + 1


def test_what_waits_fails_and_is_late_is_measured(looked_at: dict[str, str], sql: Sql) -> None:
    sql(
        "INSERT INTO outbox (key, topics, headers, value, created_at)"
        " SELECT '1', '{task-events}', '{}', '', now() - make_interval(secs => s) FROM unnest(ARRAY[10, 600]) AS s"
    )
    sql(
        "INSERT INTO inbox (function, user_id, source, id, digest, attempts, expires_at)"
        " SELECT 'complete-task', 'ada', '/s', n::text, '', n, now() + interval '1 day' FROM generate_series(1, 4) AS n"
    )
    sql(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from,"
        " recurrence_paused, version, created_at, updated_at)"
        " VALUES (1, 'ada', 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now())"
    )
    sql(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at, fired_at) VALUES"
        " (uuidv7(), 1, 'ada', now() - interval '1 hour', now() - interval '1 hour', NULL),"
        " (uuidv7(), 1, 'ada', now() + interval '1 hour', now() + interval '1 hour', NULL),"
        " (uuidv7(), 1, 'ada', now() - interval '2 hours', now() - interval '2 hours', now() - interval '2 hours')"
    )
    found = measured(looked_at)
    assert found["taskmaster_outbox_events"] == {of(): 2}
    assert found["taskmaster_outbox_oldest_age_seconds"][of()] == pytest.approx(600, abs=30)
    assert found["taskmaster_inbox_retried_events"] == {of(function="complete-task"): 3}
    assert found["taskmaster_inbox_attempts_max"] == {of(function="complete-task"): 4}
    assert found["taskmaster_reminders_overdue"] == {of(): 1}
    assert found["taskmaster_reminders_lateness_seconds"][of()] == pytest.approx(3600, abs=30)
    assert found["taskmaster_reminders_undelivered"] == {of(): 1}


@pytest.fixture
def prefix(topics: dict[str, str], kafka: Kafka) -> Iterator[str]:
    """The group of complete-task has handled one of three records."""
    prefix = f"taskmaster-{uuid4().hex[:8]}-"
    with kafka.producer() as producer:
        for _ in range(3):
            producer.send(topics["complete-task"], b"{}", partition=0).get(10)
    consumer = KafkaConsumer(**kafka.client("source"), group_id=f"{prefix}complete-task", enable_auto_commit=False)
    partition = TopicPartition(topics["complete-task"], 0)
    consumer.assign([partition])
    consumer.commit({partition: OffsetAndMetadata(1, "", -1)})
    yield prefix
    consumer.close()


def test_lag_and_dead_letters_are_measured(
    looked_at: dict[str, str], topics: dict[str, str], prefix: str, kafka: Kafka
) -> None:
    with kafka.producer() as producer:
        for number in (17, 18):
            headers = [("ce_knativeerrordest", b"create-task"), ("ce_reason", f'task {number} has "no" title'.encode())]
            producer.send(topics["dead-letters"], b"{}", headers=headers).get(10)
    found = measured(looked_at, "--group-prefix", prefix)
    lag = found["taskmaster_consumer_group_lag_records"]
    group = f"{prefix}complete-task"
    assert lag[of(group=group, topic=topics["complete-task"], partition="0")] == 2
    assert sum(lag.values()) == 2
    assert found["taskmaster_dead_letters"] == {of(function="create-task", reason='task N has \\"no\\" title'): 2}


def test_what_cannot_be_asked_is_said(own: dict[str, str]) -> None:
    found = measured({**own, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_REQUEST_TIMEOUT": "1"})
    assert found["taskmaster_source_up"] == {
        of(source="database"): 1, of(source="groups"): 0, of(source="dead_letters"): 0
    }  # fmt: skip
    assert "taskmaster_consumer_group_lag_records" not in found
    assert found["taskmaster_outbox_events"] == {of(): 0}


def test_the_page_explains_every_gauge_and_no_other(looked_at: dict[str, str]) -> None:
    explained = set(re.findall(r"^\| `(taskmaster_\w+)", DOCUMENT.read_text(), re.MULTILINE))
    assert explained == set(measured(looked_at))


def test_gauges_are_pushed_to_a_pushgateway(connected: dict[str, str], kafka: Kafka) -> None:
    environment = {**connected, **kafka.environment("admin")}
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/metrics/job/taskmaster", method="PUT").respond_with_data("")
        ended = at_once(environment, "metrics", "--push", server.url_for("/"))
        assert (ended.exit_code, ended.stdout) == (0, ""), ended.output
        [(request, _)] = server.log
        assert parsed(request.get_data(as_text=True))["taskmaster_source_up"]
        refused = at_once(environment, "metrics", "--push", server.url_for("/elsewhere"))
    assert refused.exit_code == 1
    assert "refused: HTTP 500" in refused.stderr
