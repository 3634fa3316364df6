"""Coming to rest: when nothing is on its way any more. And what there is then, read independently, for the history.

The pack's safety nets come by the hour, so business time travels past one of each.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.programs.chaos.history import Log, text_or_base64
from tests.programs.chaos.transports import Transport
from tests.programs.chaos.victims import StandIn

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
    *, database_url: str, transport: Transport, stand_in: StandIn, wake: Callable[[], object], seconds: float
) -> bool:
    """Wait until nothing is on its way, or so many seconds; says every few seconds what still is.

    `wake` makes an ordinary call, as there always is one some time.
    """
    begun = time.monotonic()
    travelled = still_since = None
    said = 0.0
    while (now := time.monotonic()) - begun < seconds:
        left = {name: count for name, count in on_its_way(database_url, transport).items() if count}
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


def on_its_way(database_url: str, transport: Transport) -> dict[str, int]:
    """How much of what is not done yet, by a name for people."""
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        found = connection.execute(_ON_ITS_WAY).fetchone() or {}
    return {**transport.lags(), **found}


# For the history --------------------------------------------------------------------------------------------------


def export(directory: Path, *, database_url: str, transport: Transport) -> None:
    """Write topics.jsonl, committed.jsonl and tables.jsonl."""
    topics = Log(directory / "topics.jsonl")
    for record in transport.records():
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
