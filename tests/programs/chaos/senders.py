"""Commands on their way: by REST until there is an answer, by Kafka until the broker has it; every try is noted."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import requests
from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.programs.chaos.history import Log

Json = dict[str, Any]
By = Literal["rest", "cloudevent", "envelope"]

# What a client may not take for an answer: the same command is to be sent again.
_AGAIN = (408, 429, 502, 503, 504)
_BUSY = "Being handled"  # of a 409: the same command is under way
_REST_TIMEOUT = 8.0  # shorter than the pack's own, so that answers get lost
_STORED_TIMEOUT = 12.0

_TOPICS = {
    "create": "create-task",
    "update": "update-task",
    "complete": "complete-task",
    "reopen": "reopen-task",
    "delete": "delete-task",
    "skip": "schedule-next-recurrence",
    "preferences": "set-preferences",
}
_TYPES = {
    "create": "task.create",
    "update": "task.update",
    "complete": "task.complete",
    "reopen": "task.reopen",
    "delete": "task.delete",
    "skip": "task.skip",
    "preferences": "preferences.set",
}
_REST = {
    "create": ("POST", "/tasks"),
    "update": ("PATCH", "/tasks/{task}"),
    "complete": ("POST", "/tasks/{task}/complete"),
    "reopen": ("POST", "/tasks/{task}/reopen"),
    "skip": ("POST", "/tasks/{task}/skip"),
    "delete": ("DELETE", "/tasks/{task}"),
    "preferences": ("PUT", "/preferences"),
}
_TOLD = ("operation", "by", "user", "task", "fields", "key", "asked_at", "expect", "statuses", "reason")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, as the history tells it. `key` is its Idempotency-Key or event id."""

    command: str
    operation: str
    by: By
    user: str
    task: int | None = None
    fields: Json = field(default_factory=dict)
    key: str | None = None
    asked_at: float = field(default_factory=time.time)  # what it says itself, if it comes by Kafka
    expect: Literal["effect", "refusal", "dead-letter"] = "effect"
    statuses: tuple[int, ...] = ()  # of a refusal by REST
    reason: str = ""  # of a dead letter
    signed: bool = True  # with a token
    record: "Record | None" = None  # instead of the one that follows from all this


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record as it goes to Kafka."""

    topic: str
    key: str
    headers: dict[str, str]
    value: bytes


class Senders:
    """Sends commands; used by many threads. `over` ends all waiting."""

    def __init__(
        self,
        *,
        url: str,
        producer: Callable[[], KafkaProducer],
        tokens: dict[str, str],
        log: Log,
        over: threading.Event,
    ) -> None:
        self._url = url
        self._make_producer = producer
        self._producer: KafkaProducer | None = None
        self._tokens = tokens
        self._log = log
        self._over = over
        self._here = threading.local()
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()

    def close(self) -> None:
        if self._producer is not None:
            self._drop(self._producer)

    def settle(self, command: Command, *, tries: int | None = None) -> Json | None:
        """Send until answered, or so many times; the answer: {"status", "body"}, or {"status": 0} from the broker."""
        send = self._by_rest if command.by == "rest" else self._by_kafka
        made = 0
        while not self._over.is_set() and (tries is None or made < tries):
            made += 1
            if (answer := send(command, self._next_try(command))) is not None:
                return answer
            self._over.wait(min(0.2 * 2 ** min(made, 4), 2.0))
        return None

    def read(self, user: str, path: str) -> Json | None:
        """A user looks: what is there, or None where nobody answers."""
        try:
            answer = self._session().get(
                self._url + path, headers={"Authorization": f"Bearer {self._tokens[user]}"}, timeout=_REST_TIMEOUT
            )
            return dict(answer.json()) if answer.status_code == 200 else None
        except (requests.RequestException, ValueError):
            return None

    # By REST ----------------------------------------------------------------------------------------------------

    def _by_rest(self, command: Command, number: int) -> Json | None:
        method, path = _REST[command.operation]
        headers = {"X-Correlation-Id": command.command}
        if command.signed:
            headers["Authorization"] = f"Bearer {self._tokens[command.user]}"
        if command.key:
            headers["Idempotency-Key"] = command.key
        body = command.fields if method in ("PATCH", "PUT") or command.operation == "create" else None
        try:
            answer = self._session().request(
                method,
                self._url + path.format(task=command.task),
                params=command.fields if method == "DELETE" else None,
                json=body,
                headers=headers,
                timeout=_REST_TIMEOUT,
            )
            content = answer.json() if answer.content else None
        except (requests.RequestException, ValueError) as error:
            self._note("unanswered", command, number, why=type(error).__name__)
            return None
        busy = answer.status_code == 409 and (content or {}).get("title") == _BUSY
        if answer.status_code in _AGAIN or busy:
            self._note("unanswered", command, number, why=f"HTTP {answer.status_code}")
            return None
        self._note("answered", command, number, status=answer.status_code, body=content)
        return {"status": answer.status_code, "body": content}

    def _session(self) -> requests.Session:
        if not hasattr(self._here, "session"):
            self._here.session = requests.Session()
        session: requests.Session = self._here.session
        return session

    # By Kafka ---------------------------------------------------------------------------------------------------

    def _by_kafka(self, command: Command, number: int) -> Json | None:
        record = command.record or record_of(command)
        producer = None
        try:
            producer = self._connected()
            stored = producer.send(
                record.topic,
                key=record.key.encode(),
                value=record.value,
                headers=[(name, text.encode()) for name, text in record.headers.items()],
            ).get(timeout=_STORED_TIMEOUT)
        except Exception as error:
            self._note("unanswered", command, number, why=type(error).__name__)
            if producer is not None:
                self._drop(producer)  # it may take long to notice that the broker is back
            return None
        self._note("stored", command, number, topic=stored.topic, partition=stored.partition, offset=stored.offset)
        return {"status": 0}

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = self._make_producer()
            return self._producer

    def _drop(self, producer: KafkaProducer) -> None:
        with self._lock:
            self._producer = None if self._producer is producer else self._producer
        with contextlib.suppress(KafkaError):  # of what could not be sent any more
            producer.close(timeout=1)

    # The history ------------------------------------------------------------------------------------------------

    def _next_try(self, command: Command) -> int:
        with self._lock:
            self._tries[command.command] += 1
            number = self._tries[command.command]
        told = {name: getattr(command, name) for name in _TOLD}
        self._note("sent", command, number, **told)
        return number

    def _note(self, event: str, command: Command, number: int, **more: Any) -> None:
        self._log.write(at=time.time(), event=event, command=command.command, **{"try": number}, **more)


def record_of(command: Command) -> Record:
    """The record that says a command, as a CloudEvent in binary mode or as the original JSON envelope."""
    data = command.fields if command.task is None else {**command.fields, "task_id": command.task}
    asked_at = datetime.fromtimestamp(command.asked_at, UTC).isoformat().replace("+00:00", "Z")
    if command.by == "cloudevent":
        headers = {
            "ce_specversion": "1.0",
            "ce_id": command.key or command.command,
            "ce_source": "/chaos",
            "ce_type": _TYPES[command.operation],
            "ce_userid": command.user,
            "ce_time": asked_at,
            "ce_correlationid": command.command,
            "content-type": "application/json",
        }
        return Record(
            topic=_TOPICS[command.operation], key=command.user, headers=headers, value=json.dumps(data).encode()
        )
    envelope = {
        "event_id": command.key or command.command,
        "event_type": _TYPES[command.operation],
        "event_version": "1.0",
        "user_id": command.user,
        "timestamp": asked_at,
        "correlation_id": command.command,
        "data": data,
        "metadata": {"source": "/chaos"},
    }
    value = json.dumps(envelope).encode()
    return Record(topic=_TOPICS[command.operation], key=command.user, headers={}, value=value)


def without(record: Record, *headers: str) -> Record:
    """The same record without some of its headers."""
    return replace(record, headers={name: text for name, text in record.headers.items() if name not in headers})
