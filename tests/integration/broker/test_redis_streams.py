"""The tools on topics that Dapr keeps on Redis: entries as Dapr writes them, and what other programs add."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from taskmaster.broker import redis_streams, transports
from taskmaster.broker.transport import Unreadable
from taskmaster.settings import Settings, read
from tests.support import dapr
from tests.support.command_line import at_once

DAY_MS = 24 * 3600 * 1000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with dapr.redis_server() as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def environ(server: str, client: redis.Redis) -> dict[str, str]:
    return {"TRANSPORT": "dapr", "REDIS_URL": server, "KAFKA_REQUEST_TIMEOUT": "5"}


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return read(environ)


def add(client: redis.Redis, topic: str, value: bytes, entry: str = "*", **metadata: str) -> None:
    """As Dapr does with a raw event: its parameters stand beside the headers."""
    written = {**metadata, "partitionKey": metadata.get("partitionKey", "ada"), "rawPayload": "true"}
    client.xadd(topic, {"data": value, "metadata": json.dumps(written)}, id=entry)


def test_an_entry_is_a_record_with_key_headers_and_time(client: redis.Redis, settings: Settings) -> None:
    add(client, "create-task", b'{"title": "x"}', "1795957920421-3", ce_id="1", ce_note="Z\u00fcrich")
    with transports.reading(settings, ["create-task", "update-task"]) as topics:
        [record] = topics.read()
        assert (topics.size(), topics.has("update-task")) == (1, True)
    assert (record.topic, record.partition, record.offset) == ("create-task", 0, "1795957920421-3")
    assert (record.timestamp, record.key, record.value) == (1_795_957_920_421, b"ada", b'{"title": "x"}')
    assert dict(record.headers) == {"ce_id": b"1", "ce_note": "Z\u00fcrich".encode()}


@pytest.mark.parametrize("metadata", [None, b"", b"{nope", b"[1]", b'{"a": 1}'])
def test_what_somebody_else_added_is_a_record_too(
    client: redis.Redis, settings: Settings, metadata: bytes | None
) -> None:
    client.xadd("create-task", {"data": b"x"} if metadata is None else {"data": b"x", "metadata": metadata})
    client.xadd("create-task", {"other": b"x"})
    with transports.reading(settings, ["create-task"]) as topics:
        first, second = topics.read()
    assert (first.key, first.value, first.headers) == (None, b"x", [("a", b"1")] if metadata == b'{"a": 1}' else [])
    assert (second.value, second.headers) == (b"", [])


def test_more_entries_than_one_answer_holds_are_read_once_each(client: redis.Redis, settings: Settings) -> None:
    with client.pipeline() as pipeline:
        for number in range(1_203):
            pipeline.xadd("t", {"data": b"%d" % number, "metadata": "{}"}, id=f"7-{number + 1}")
        pipeline.execute()
    with transports.reading(settings, ["t"]) as topics:
        reading = topics.read()
        first = next(reading)
        add(client, "t", b"behind the end as it was when asked")
        assert [int(each.value) for each in (first, *reading)] == list(range(1_203))


def test_of_a_moment_only_what_was_added_since_is_read(client: redis.Redis, settings: Settings) -> None:
    for second in (1, 2, 3):
        add(client, "t", b"%d" % second, f"{second * 1000}-0")
    with transports.reading(settings, ["t"]) as topics:
        assert [each.value for each in topics.read(since=datetime.fromtimestamp(2, UTC))] == [b"2", b"3"]


def test_only_the_newest_are_read(client: redis.Redis, settings: Settings) -> None:
    for second in (1, 2, 3):
        add(client, "t", b"%d" % second, f"{second * 1000}-0")
    with transports.reading(settings, ["t", "none"]) as topics:
        assert [each.value for each in topics.read(newest=2)] == [b"2", b"3"]
        assert [each.value for each in topics.read(newest=9)] == [b"1", b"2", b"3"]


def test_topics_deletes_what_is_older_than_a_week(client: redis.Redis, environ: dict[str, str]) -> None:
    now = int(time.time() * 1000)
    for days in (9, 8, 6):
        add(client, "create-task", b"%d" % days, f"{now - days * DAY_MS - 60_000}-0")
    add(client, "somebody-elses", b"old", f"{now - 9 * DAY_MS}-0")
    dry = at_once(environ, "topics", "--dry-run")
    assert (dry.exit_code, dry.output) == (2, "create-task: has records of 9.0 days\n")
    done = at_once(environ, "topics")
    assert (done.exit_code, done.output) == (0, "deleted 2 records that were older than 7 days\n")
    kept: Any = client.xrange("create-task")
    assert [fields[b"data"] for _, fields in kept] == [b"6"]
    assert client.xlen("somebody-elses") == 1
    assert at_once(environ, "topics", "--dry-run").exit_code == 0


def test_doctor_says_what_is_kept_too_long(client: redis.Redis, environ: dict[str, str]) -> None:
    now = int(time.time() * 1000)
    add(client, "task-events", b"{}", f"{now - 9 * DAY_MS}-0")
    add(client, "dead-letters", b"{}", ce_id="1", ce_reason="title: wrong", ce_knativeerrordest="http://create-task.x")
    said = at_once(environ, "doctor", "--only", "broker", "--json").output
    found = {each["code"]: each["what"] for each in map(json.loads, said.splitlines())}
    assert found["topic-kept-too-long"] == "task-events has records of 9.0 days, longer than the inbox remembers them"
    assert found["dead-letters"] == "1 dead letters of create-task within a day: title: wrong"


def test_doctor_says_which_mailbox_nobody_reads_and_which_stands(client: redis.Redis, environ: dict[str, str]) -> None:
    """The groups are those that the bridge makes: of the function's name, one a mailbox."""
    for topic, count in (("create-task", 2), ("update-task", 3), ("delete-task", 1), ("reminders", 1)):
        for _ in range(count):
            add(client, topic, b"{}")
    first: dict[str, bytes] = {}
    readers = {"update-task": "update-task", "delete-task": "delete-task", "reminders": "send-reminder"}
    for topic, function in readers.items():
        client.xgroup_create(topic, f"taskmaster-{function}", id="0")
        client.xreadgroup(f"taskmaster-{function}", "bridge", {topic: ">"}, count=1)
        oldest: Any = client.xrange(topic, count=1)
        first[topic] = oldest[0][0]
    client.xack("reminders", "taskmaster-send-reminder", first["reminders"])
    said = at_once(environ, "doctor", "--only", "groups", "--watch", "0", "--json").output
    found = {each["what"]: each["code"] for each in map(json.loads, said.splitlines())}
    assert found.pop("stream create-task has 2 records, and no group taskmaster-create-task that reads them") == (
        "group-without-members"
    )
    waits = (
        f"taskmaster-update-task does not move in update-task, 3 to go: it waits behind {first['update-task'].decode()}"
    )
    assert found.pop(waits) == "partition-waits"
    [(other, code)] = found.items()
    assert (other.split(" does")[0], code) == ("taskmaster-delete-task", "partition-waits")


def test_a_redis_that_does_not_answer_is_told_without_its_password() -> None:
    environ = {"TRANSPORT": "dapr", "REDIS_URL": "redis://:hidden@127.0.0.1:1/0", "KAFKA_REQUEST_TIMEOUT": "1"}
    with pytest.raises(Unreadable), transports.reading(read(environ), ["t"]):
        pass
    for command in (["dead-letters", "list"], ["topics"], ["doctor", "--only", "broker"]):
        ended = at_once(environ, *command)
        assert ended.exit_code != 0
        assert "127.0.0.1:1" in ended.output
        assert "hidden" not in ended.output


def test_a_wrong_password_is_told(server: str, client: redis.Redis) -> None:
    client.config_set("requirepass", "right")
    try:
        wrong = read({"TRANSPORT": "dapr", "REDIS_URL": server.replace("redis://", "redis://:wrong@")})
        with pytest.raises(Unreadable, match="AuthenticationError"), redis_streams.reading(wrong, ["t"]):
            pass
    finally:
        client.config_set("requirepass", "")
