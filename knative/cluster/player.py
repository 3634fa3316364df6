"""Somebody who uses the functions through Kafka alone, for the demo: run in a pod of the cluster, with their settings.

It needs kafka-python and the KAFKA_* variables of a function, and imports nothing else: the demo hands this file's text
to `python3 -c` in the functions' own image. What it does it says on standard output, one JSON object a line.
"""

import json
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from os import environ
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

USER = environ.get("DEMO_USER", "demo")
PACE = float(environ.get("DEMO_PACE", "4"))  # seconds between two steps: functions go back to zero in between
_PATIENCE = 60.0  # seconds to wait for what follows from a command


def client() -> dict[str, Any]:
    """kafka-python's settings out of a function's environment."""
    named = {
        "security_protocol": "KAFKA_SECURITY_PROTOCOL",
        "sasl_mechanism": "KAFKA_SASL_MECHANISM",
        "sasl_plain_username": "KAFKA_SASL_USERNAME",
        "sasl_plain_password": "KAFKA_SASL_PASSWORD",
        "ssl_cafile": "KAFKA_SSL_CAFILE",
        "ssl_certfile": "KAFKA_SSL_CERTFILE",
        "ssl_keyfile": "KAFKA_SSL_KEYFILE",
    }
    given = {name: environ[variable] for name, variable in named.items() if environ.get(variable)}
    return {"bootstrap_servers": environ["KAFKA_BOOTSTRAP_SERVERS"].split(","), **given}


def topic(name: str) -> str:
    """What a topic is called on this broker."""
    names: dict[str, str] = json.loads(environ.get("KAFKA_TOPICS") or "{}")
    return names.get(name, name)


def say(what: str, **more: Any) -> None:
    print(json.dumps({"said": what, **more}), flush=True)  # noqa: T201


class Player:
    def __init__(self) -> None:
        self._producer = KafkaProducer(**client(), enable_idempotence=False)
        # No group: nobody's place changes. From the end: what is there already is none of ours.
        self._updates = KafkaConsumer(**client())
        partitions = self._updates.partitions_for_topic(topic("task-updates")) or ()
        self._updates.assign([TopicPartition(topic("task-updates"), number) for number in partitions])
        self._updates.seek_to_end()
        for partition in self._updates.assignment():
            self._updates.position(partition)
        self.tasks: set[int] = set()

    def send(self, mailbox: str, event_type: str, **data: Any) -> str:
        """One command; returns the correlation id that all that follows from it carries."""
        correlation = str(uuid.uuid4())
        headers = {
            "ce_specversion": "1.0",
            "ce_type": event_type,
            "ce_source": "/demo",
            "ce_id": str(uuid.uuid4()),
            "ce_userid": USER,
            "ce_correlationid": correlation,
        }
        encoded = [(name, text.encode()) for name, text in headers.items()]
        value = json.dumps(data).encode()
        self._producer.send(topic(mailbox), key=USER.encode(), value=value, headers=encoded).get(timeout=30)
        return correlation

    def outcome(self, correlation: str, event_type: str) -> dict[str, Any]:
        """The event of that type that follows from a command. Raises TimeoutError."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for records in self._updates.poll(timeout_ms=200).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    fits = headers.get("ce_correlationid") == correlation and headers.get("ce_type") == event_type
                    if headers.get("ce_userid") == USER and headers.get("ce_type") == "task.created":
                        self.tasks.add(json.loads(record.value)["task_id"])
                    if fits:
                        found: dict[str, Any] = json.loads(record.value)
                        return found
        raise TimeoutError(f"no {event_type} within {_PATIENCE:.0f} s")

    def play(self) -> None:
        soon = (datetime.now(UTC) + timedelta(seconds=12 * PACE)).isoformat()
        month_end = f"{datetime.now(UTC).year + 1}-01-31"

        say("a record on create-task: water the plants")
        task = self.outcome(self.send("create-task", "task.create", title="water the plants"), "task.created")
        say(f"task {task['task_id']} is there, and told on task-events")
        time.sleep(PACE)

        say("three more at once, one of them with a reminder, one that recurs")
        self.send("create-task", "task.create", title="take the bread out", due_at=soon)
        self.send("create-task", "task.create", title="call Ada", tags=["friends"])
        sent = self.send(
            "create-task", "task.create", title="pay the rent", due_on=month_end, recurrence_pattern="monthly"
        )
        rent = self.outcome(sent, "task.created")
        time.sleep(PACE)

        say("update-task: the plants have priority")
        sent = self.send("update-task", "task.update", task_id=task["task_id"], priority="high")
        self.outcome(sent, "task.updated")
        time.sleep(PACE)

        say("complete-task: the rent is paid, so the next occurrence follows")
        sent = self.send("complete-task", "task.complete", task_id=rent["task_id"])
        successor = self.outcome(sent, "task.created")
        say(f"task {successor['task_id']} is due {successor['due_on']}")
        time.sleep(PACE)

        say("reopen-task: it was not paid after all; what followed is withdrawn")
        self.outcome(self.send("reopen-task", "task.reopen", task_id=rent["task_id"]), "task.deleted")
        self.tasks.discard(successor["task_id"])
        say(f"and the reminder comes at {soon[11:19]} UTC: dispatch-due-reminders and send-reminder see to it")
        time.sleep(2 * PACE)

        self.tidy()

    def tidy(self) -> None:
        """Delete what was created; with its open occurrence a series ends."""
        say(f"delete-task: {len(self.tasks)} tasks go again")
        for task_id in sorted(self.tasks):
            sent = self.send("delete-task", "task.delete", task_id=task_id)
            self.outcome(sent, "task.deleted")
        say("nothing is left of it", tidy=True)


def main() -> None:
    try:
        Player().play()
    except (KafkaError, OSError, TimeoutError, KeyError) as error:
        say(f"it went wrong: {type(error).__name__}: {error}", wrong=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
