"""What is late in a database is made, and found by doctor: events that wait or fail, reminders, the hourly call."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.support.brokers import Kafka
from tests.support.command_line import at_once
from tests.support.findings import doctor

Sql = Callable[..., list[tuple[Any, ...]]]
HEADERS = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/taskmaster/create-task", "ce_type": "task.created"}


def wait_in_outbox(sql: Sql, *, minutes: int, key: str = "1", topic: str = "task-events", **headers: str) -> None:
    sql(
        "INSERT INTO outbox (key, topics, headers, value, created_at)"
        " VALUES (%s, %s, %s, '{}', now() - make_interval(mins => %s))",
        key, [topic], Jsonb({**HEADERS, **headers}), minutes,
    )  # fmt: skip


def test_what_was_written_a_moment_ago_is_no_finding(own: dict[str, str], sql: Sql) -> None:
    wait_in_outbox(sql, minutes=1)
    assert doctor(own, "work") == []


def test_events_that_wait_are_found_and_relay_publishes_them(
    own: dict[str, str], sql: Sql, connected: dict[str, str], kafka: Kafka
) -> None:
    wait_in_outbox(sql, minutes=7, ce_id=str(uuid4()))
    finding = doctor(own, "work").of("outbox-waits")
    assert finding["what"].startswith("1 events wait to be published, the oldest since 20")
    assert finding["mend"].startswith("taskmaster relay ")
    mended = at_once({**own, **kafka.environment("functions")}, "relay")
    assert (mended.exit_code, mended.stdout) == (0, "published 1 events, purged 0 rows\n")
    assert doctor(own, "work") == []


def test_an_event_that_no_broker_takes_is_told_with_the_reason(
    own: dict[str, str], sql: Sql, connected: dict[str, str], kafka: Kafka
) -> None:
    absent = f"absent-{uuid4().hex[:8]}"
    wait_in_outbox(sql, minutes=9, key="1", ce_id="flawed", ce_correlationid="line1\nline2")
    wait_in_outbox(sql, minutes=8, key="1", ce_id="behind it")
    wait_in_outbox(sql, minutes=7, key="2", ce_id="homeless", topic=absent)
    found = doctor({**own, **kafka.environment("functions")}, "work")
    said = {each["what"].partition(": ")[0]: each for each in found if each["code"] == "outbox-unsendable"}
    assert set(said) == {"event flawed cannot be published", "event homeless cannot be published"}
    assert "holds U+000A" in said["event flawed cannot be published"]["what"]
    assert "UPDATE outbox" in said["event flawed cannot be published"]["mend"]
    assert f"there is no topic {absent}" in said["event homeless cannot be published"]["what"]
    assert "taskmaster topics" in said["event homeless cannot be published"]["mend"]
    assert found.of("outbox-waits")["severity"] == "warning"


def test_an_event_that_fails_again_and_again_is_found(own: dict[str, str], sql: Sql) -> None:
    sql(
        "INSERT INTO inbox (function, user_id, source, id, digest, attempts, expires_at)"
        " VALUES ('complete-task', 'ada', '/s', 'e1', '', 6, now() + interval '1 day')"
    )
    assert doctor(own, "work").of("events-retried")["what"] == (
        "complete-task has 1 events that failed more than once, one of them 6 times"
    )


def arm(sql: Sql, *, due: str, fired: str = "NULL") -> None:
    sql(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from,"
        " recurrence_paused, version, created_at, updated_at)"
        " VALUES (1, 'ada', 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now()) ON CONFLICT DO NOTHING"
    )
    sql(
        "INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at, fired_at)"
        f" VALUES (uuidv7(), 1, 'ada', {due}, {due}, {fired})"
    )


def test_a_reminder_that_nobody_fired_is_found(own: dict[str, str], sql: Sql, kafka: Kafka) -> None:
    arm(sql, due="now() + interval '1 hour'")
    assert doctor(own, "work") == []
    arm(sql, due="now() - interval '1 hour'")
    finding = doctor(own, "work").of("reminders-late")
    assert finding["what"].startswith("1 reminders should have been fired, the oldest at 20")
    assert finding["mend"].startswith("taskmaster relay calls it")


def test_a_reminder_whose_delivery_died_is_found(own: dict[str, str], sql: Sql) -> None:
    arm(sql, due="now() - interval '1 hour'", fired="now() - interval '1 hour'")
    assert doctor(own, "work").of("deliveries-late")["what"].startswith("1 reminders were fired and are neither")


def test_an_hourly_call_that_does_not_come_is_found(own: dict[str, str], sql: Sql, kafka: Kafka) -> None:
    sql("UPDATE tick SET at = now() - interval '3 hours'")
    finding = doctor(own, "work").of("no-tick")
    assert finding["what"].startswith("relay-outbox has not run since 20")
    at_once({**own, **kafka.environment("functions")}, "relay")
    assert doctor(own, "work") == []


@pytest.mark.parametrize("missing", ["DATABASE_URL", "SYSTEM_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"])
def test_relay_names_the_setting_that_is_missing(own: dict[str, str], missing: str) -> None:
    ended = at_once({name: value for name, value in own.items() if name != missing}, "relay")
    assert ended.exit_code == 1
    assert missing in str(ended.exception) + ended.output


def test_relay_says_who_is_away(own: dict[str, str], sql: Sql) -> None:
    wait_in_outbox(sql, minutes=1)
    ended = at_once({**own, "KAFKA_REQUEST_TIMEOUT": "1", "KAFKA_DELIVERY_TIMEOUT": "2"}, "relay")
    assert ended.exit_code == 1
    assert "the broker is away" in ended.stderr
