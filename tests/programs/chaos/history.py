"""The history of a run: a directory of JSON lines; what was asked, what was answered, and what is there at the end.

Whoever wants to check it needs nothing else. Times are seconds since 1970, real time; texts are UTF-8.

run.json        {"seed", "seconds", "started", "ended", "settled": whether all came to rest, "settling": seconds, ...}

commands.jsonl  one line for what happened to a command, in the order of happening; "command" is its id, "try" counts
                from 1. What it set off carries the id as CloudEvents attribute correlationid.
    {"at", "event": "sent", "command", "try", "operation", "by", "user", "task", "fields", "key",
     "asked_at", "expect", "statuses", "reason"}
                "operation": create, update, complete, reopen, delete, skip, preferences, or poison
                "by": rest, cloudevent (Kafka, binary mode) or envelope (Kafka, the original JSON envelope)
                "key": the Idempotency-Key or event id, which is the same for every try; null: none was sent
                "asked_at": the time that a record says itself; a reminder that passes on its way still rings
                "expect": "effect", or what must come instead: "refusal" (no effect, and an answer of `statuses` or
                task.command.rejected) or "dead-letter" (a record on dead-letters whose reason contains "reason").
                Commands of different operations have no order among them, so one that came too late may be rejected
                where an effect was expected (its task was deleted, its series went on), and one that asks for what is
                so already, completing twice, has none; never has one two. task.deleted carries the last version.
    {"at", "event": "answered", "command", "try", "status", "body"}            by REST; the body as JSON, or null
    {"at", "event": "stored", "command", "try", "topic", "partition", "offset"}   by Kafka: the broker acknowledged it
    {"at", "event": "unanswered", "command", "try", "why"}                     nobody knows whether it took effect
                A try with neither was cut off with the run. Several tries answered: the client asked again on purpose.

deliveries.jsonl    what the users' webhook got: {"at", "user", "webhook_id", "data", "signed", "status"}; the status is
                its own answer, and a delivery answered 503 was to come again.

faults.jsonl    what the adversary did: {"at", "what", "whom", ...}

topics.jsonl    every record of every topic, read by an independent consumer once all had come to rest, in the order of
                its partition: {"topic", "partition", "offset", "key", "headers", "value" or "value_base64"}

committed.jsonl what was committed to be published: each row that ever was in the table outbox, noted by a trigger in
                the transaction that wrote it, in the order of its id: {"id", "key", "topics", "headers", "value"}

stories.jsonl   what `taskmaster trace` told of commands: {"id", "story": as --json has it, "seconds": that a process of
                its own took}

rebuilt.copy    the tasks as `taskmaster rebuild` makes them anew from their events; table.copy: the table's, by COPY

tables.jsonl    what the database holds at the end: {"table", "row"}; of task, series, reminder, inbox, outbox, alarm
"""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Log:
    """One file of JSON lines; many threads write to it, and a line is on its way to the disk when `write` returns."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        line = json.dumps(entry, ensure_ascii=False, default=str)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read(file: Path) -> Iterator[Json]:
    """The entries of a file of JSON lines; none where there is no such file."""
    if file.exists():
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def text_or_base64(value: bytes | None) -> Json:
    """A record's value as an entry keeps it."""
    if value is None:
        return {"value": None}
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value).decode()}
