"""Coming to rest: when nothing is on its way any more. And what there is then, read independently, for the history.

The pack's safety nets come by the hour, so business time travels past one of each.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from psycopg import sql
from psycopg.rows import dict_row

from tests.programs.chaos.history import Log, text_or_base64
from tests.programs.chaos.victims import Kafka, StandIn

# Who reads which topic: what is produced and not committed by its group is on its way.
READERS = {
    "create-task": "taskmaster-create-task",
    "update-task": "taskmaster-update-task",
    "complete-task": "taskmaster-complete-task",
    "reopen-task": "taskmaster-reopen-task",
    "delete-task": "taskmaster-delete-task",
    "set-preferences": "taskmaster-set-preferences",
    "snooze-reminder": "taskmaster-snooze-reminder",
    "schedule-next-recurrence": "taskmaster-schedule-next-recurrence",
    "dispatch-due-reminders": "taskmaster-dispatch-due-reminders",
    "reminders": "taskmaster-send-reminder",
}
TOPICS = (*READERS, "task-events", "task-updates", "dead-letters")
_TABLES = ("task", "series", "reminder", "inbox", "outbox", "alarm")

_JOURNEY = "61m"
_STILL_SECONDS = 6.0  # of rest, before it counts

_LEDGER = """
CREATE SCHEMA IF NOT EXISTS chaos;
CREATE TABLE IF NOT EXISTS chaos.committed (id bigint, key text, topics text[], headers jsonb, value bytea);
CREATE OR REPLACE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO chaos.committed VALUES (NEW.id, NEW.key, NEW.topics, NEW.headers, NEW.value);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION chaos.note();
"""

# The journey makes a reminder that is to be tried again due an hour ahead; those of another day are not on their way.
_ON_ITS_WAY = """
SELECT (SELECT count(*) FROM outbox) AS "in the outbox",
       (SELECT count(*) FROM inbox WHERE status IS NULL) AS "not answered in the inbox",
       (SELECT count(*) FROM reminder
         WHERE closed_at IS NULL AND (fired_at IS NOT NULL OR due_at < now() + interval '1 day')) AS reminders
"""


def keep_a_ledger(database_url: str) -> None:
    """From now on, note every row of the outbox in the transaction that writes it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_LEDGER)


def come_to_rest(
    *, database_url: str, kafka: Kafka, stand_in: StandIn, wake: Callable[[], object], seconds: float
) -> bool:
    """Wait until nothing is on its way, or so many seconds; says every few seconds what still is.

    `wake` makes an ordinary call, as there always is one some time.
    """
    begun = time.monotonic()
    travelled = still_since = None
    said = 0.0
    while (now := time.monotonic()) - begun < seconds:
        left = {name: count for name, count in on_its_way(database_url, kafka).items() if count}
        if left:
            still_since = None
        elif still_since is None:
            still_since = now
        if travelled is None and (not left or now - begun > 30):
            wake()
            stand_in.travel(_JOURNEY)
            travelled, still_since = now, None
        if travelled and still_since and now - still_since > _STILL_SECONDS:
            return True
        if now - said > 5:
            said = now
            told = ", ".join(f"{count} {name}" for name, count in left.items()) or "nothing"
            print(f"  {now - begun:4.0f} s: on its way: {told}", flush=True)
        time.sleep(0.5)
    return False


def on_its_way(database_url: str, kafka: Kafka) -> dict[str, int]:
    """How much of what is not done yet, by a name for people."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        found = connection.execute(_ON_ITS_WAY).fetchone() or {}
    return {**_lags(kafka), **found}


def _lags(kafka: Kafka) -> dict[str, int]:
    lags = {}
    consumer = KafkaConsumer(**kafka.client(), client_id="chaos-lag")
    admin = KafkaAdminClient(**kafka.client(), client_id="chaos-lag")
    try:
        offsets = admin.list_group_offsets(dict.fromkeys(READERS.values()))
        for topic, group in READERS.items():
            ends = consumer.end_offsets(_partitions(consumer, topic))
            read = {partition: max(found.offset, 0) for partition, found in offsets[group].items()}
            lags[f"on {topic}"] = sum(end - read.get(partition, 0) for partition, end in ends.items())
    finally:
        admin.close()
        consumer.close()
    return lags


def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


# For the history --------------------------------------------------------------------------------------------------


def export(directory: Path, *, database_url: str, kafka: Kafka) -> None:
    """Write topics.jsonl, committed.jsonl and tables.jsonl."""
    topics = Log(directory / "topics.jsonl")
    for record in _records(kafka):
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        key = record.key.decode("utf-8", "replace") if record.key is not None else None
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        topics.write(**place, key=key, headers=headers, **text_or_base64(record.value))
    topics.close()
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        committed = Log(directory / "committed.jsonl")
        for row in connection.execute("SELECT * FROM chaos.committed ORDER BY id"):
            value = row.pop("value")
            committed.write(**row, **text_or_base64(value))
        committed.close()
        tables = Log(directory / "tables.jsonl")
        for table in _TABLES:
            for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))):
                tables.write(table=table, row={name: _written(value) for name, value in row.items()})
        tables.close()


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _records(kafka: Kafka) -> Iterable[Any]:
    consumer = KafkaConsumer(**kafka.client(), client_id="chaos-reader", enable_auto_commit=False)
    try:
        partitions = [partition for topic in TOPICS for partition in _partitions(consumer, topic)]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records
    finally:
        consumer.close()
