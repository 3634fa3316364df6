"""The pack of functions as a test sees it: call one, send it an event, deliver what it left, look at what happened."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from psycopg import Connection
from werkzeug.test import TestResponse

from taskmaster import settings
from taskmaster.runtime import Runtime
from tests.programs.specifications import published
from tests.support import shared, tokens
from tests.support.fake_store import FakeStore

FUNCTIONS = Path(__file__).parents[2] / "functions"
INTERNAL = "http://{name}.default.svc.cluster.local"

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event in the outbox: its attributes without the ce_ prefix, its topics and its data."""

    row: int
    key: str
    topics: list[str]
    attributes: dict[str, str]
    data: Json

    @property
    def type(self) -> str:
        return self.attributes["type"]


class SilentPublisher:
    """Publishes nothing, so that a test can look at the outbox."""

    def wake(self) -> None:
        pass

    def drain(self, timeout: float) -> None:
        pass


@dataclass
class Pack:
    """Functions of one process on one database, spoken to as one user who has it for himself.

    They share one runtime, made from the environment when it is first needed, whose publisher publishes nothing.
    """

    user: str
    owner_url: str
    clock_file: Path
    store: FakeStore | None = None  # instead of PostgreSQL
    _clients: dict[str, FlaskClient] = field(default_factory=dict)
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _delivered: set[int] = field(default_factory=set)
    _runtime: Runtime | None = None
    _making: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def served(cls, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, user: str) -> Iterator["Pack"]:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)  # where the tests themselves run in a pod
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        clock_file = Path(environment.get("CLOCK_OFFSET_FILE") or f"/tmp/{uuid4()}")
        monkeypatch.setattr("taskmaster.clock._OFFSET_FILE", str(clock_file))
        served = cls(
            user=user,
            owner_url=environment["MIGRATION_DATABASE_URL"],
            clock_file=clock_file,
        )
        served.sql("DELETE FROM reminder")  # of other tests: whoever asks what is due is told of every user
        try:
            yield served
        finally:
            served.restart()
            served._hold_events()
            clock_file.unlink(missing_ok=True)

    @classmethod
    @contextmanager
    def in_memory(cls, store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> Iterator["Pack"]:
        """The functions on a store in memory, without any server."""
        nowhere = {
            "DATABASE_URL": "postgresql://nowhere",
            "SYSTEM_DATABASE_URL": "postgresql://nowhere",
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "USER_CALLS_PER_SECOND": "0",
            **tokens.settings(),
        }
        for name, value in nowhere.items():
            monkeypatch.setenv(name, value)
        served = cls(
            user="ada",
            owner_url="",
            clock_file=Path("/nonexistent"),
            store=store,
        )
        try:
            yield served
        finally:
            served.restart()

    # The process ------------------------------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """What all functions hold, by the environment of when it was first needed."""
        with self._making:
            if self._runtime is None:
                configured = settings.read(os.environ)
                database: Any = self.store or shared.database(configured)
                self._runtime = Runtime(configured, database=database, publisher=SilentPublisher())
            return self._runtime

    def restart(self) -> None:
        """As another process goes on: the environment is read anew when a function is called again."""
        with self._making:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.broker.close()

    # Asking -----------------------------------------------------------------------------------------------------

    def call(
        self, function: str, method: str, path: str, body: Any = None, *, user: str | None = None, **headers: str
    ) -> TestResponse:
        """A person's HTTP call; header names are given with underscores. `body` is JSON, or bytes as they are."""
        sent = {"Authorization": tokens.bearer(user or self.user)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.client(function).open(path, method=method, data=data, headers=sent)

    def event(
        self,
        function: str,
        event_type: str,
        data: Any,
        *,
        user: str | None = None,
        event_id: str | None = None,
        source: str = "/tests",
        **attributes: str,
    ) -> TestResponse:
        """An event in binary mode, as KafkaSource delivers it."""
        headers = {
            "ce-specversion": "1.0",
            "ce-id": event_id or str(uuid4()),
            "ce-source": source,
            "ce-type": event_type,
            "ce-userid": user or self.user,
            **{f"ce-{name}": value for name, value in attributes.items()},
        }
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return self.deliver_raw(function, headers, body)

    def envelope(
        self, function: str, envelope: Any, *, offset: int, time: str = "2026-11-24T13:42:37.988Z"
    ) -> TestResponse:
        """A record that is no CloudEvent, as KafkaSource wraps it."""
        headers = {
            "ce-specversion": "1.0",
            "ce-id": f"partition:0/offset:{offset}",
            "ce-source": f"/apis/v1/namespaces/default/kafkasources/{function}#{function}-{self.user}",
            "ce-subject": f"partition:0#{offset}",
            "ce-type": "dev.knative.kafka.event",
            "ce-time": time,
        }
        return self.deliver_raw(
            function, headers, envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
        )

    def tick(self, function: str, event_type: str = "dev.knative.sources.ping") -> TestResponse:
        """What a PingSource sends."""
        headers = {"ce-specversion": "1.0", "ce-id": str(uuid4()), "ce-source": "/ping", "ce-type": event_type}
        return self.deliver_raw(function, headers, b"")

    def deliver_raw(
        self, function: str, headers: dict[str, str], body: bytes, *, content_type: str = "application/json"
    ) -> TestResponse:
        """A POST to /events under the cluster's internal host."""
        base_url = INTERNAL.format(name=function)
        return self.client(function).post(
            "/events", data=body, headers=headers, content_type=content_type, base_url=base_url
        )

    def client(self, function: str) -> FlaskClient:
        """The function under functions-framework, as `functions-framework --source X.py --target X` serves it."""
        target = function.replace("-", "_")
        if function not in self._clients:
            self.serve(function, FUNCTIONS / f"{target}.py")
        getattr(self._modules[function], target).runtime.use(self.runtime)
        return self._clients[function]

    def serve(self, function: str, source: Path) -> None:
        """Serve a function from this file."""
        app, self._modules[function] = shared.application(function, source)
        self._clients[function] = app.test_client()

    def module(self, function: str) -> ModuleType:
        """The module of a function, as functions-framework has imported it."""
        self.client(function)
        return self._modules[function]

    # The common operations, by HTTP ------------------------------------------------------------------------------

    def create(self, **fields: Any) -> Json:
        """A task that is created; its fields as the answer has them."""
        return self._expect(201, self.call("create-task", "POST", "/tasks", {"title": "water the plants", **fields}))

    def update(self, task: Json, **changes: Any) -> Json:
        return self._expect(200, self.call("update-task", "PATCH", f"/tasks/{task['task_id']}", changes))

    def complete(self, task: Json) -> Json:
        return self._expect(200, self.call("complete-task", "POST", f"/tasks/{task['task_id']}/complete"))

    def reopen(self, task: Json) -> Json:
        return self._expect(200, self.call("reopen-task", "POST", f"/tasks/{task['task_id']}/reopen"))

    def delete(self, task: Json) -> None:
        assert self.call("delete-task", "DELETE", f"/tasks/{task['task_id']}").status_code == 204

    def get(self, task: Json) -> Json:
        return self._expect(200, self.call("query-tasks", "GET", f"/tasks/{task['task_id']}"))

    def prefer(self, **preferences: Any) -> Json:
        """All of the user's preferences, those not given at their defaults."""
        return self._expect(200, self.call("set-preferences", "PUT", "/preferences", preferences))

    def tasks(self, **query: Any) -> list[Json]:
        """Every task of the user, by creation, or those of a query."""
        from urllib.parse import urlencode

        query = {"sort": "created_at", "limit": 100, **query}
        page = self._expect(200, self.call("query-tasks", "GET", f"/tasks?{urlencode(query, doseq=True)}"))
        return list(page["tasks"])

    @staticmethod
    def _expect(status: int, answer: TestResponse) -> Json:
        assert answer.status_code == status, answer.text
        return dict(answer.json or {})

    # Time ---------------------------------------------------------------------------------------------------------

    def travel(self, to: datetime | None = None, **by: float) -> datetime:
        """Move business time to a moment, or on by timedelta's arguments; what time it is then."""
        offset = float(self.clock_file.read_text()) if self.clock_file.exists() else 0.0
        offset += timedelta(**by).total_seconds()
        if to is not None:
            offset = (to - datetime.now(UTC)).total_seconds()
        self.clock_file.write_text(str(offset))
        return datetime.now(UTC) + timedelta(seconds=offset)

    # Looking ------------------------------------------------------------------------------------------------------

    def events(self, event_type: str | None = None, *, of: Json | None = None) -> list[Event]:
        """What the user's work left in the outbox, in order: of one type, about one task, or all.

        What wakes the dispatcher (reminder.armed) is told only when it is asked for.
        """
        return [
            event
            for event in self._outbox()
            if (event_type or event.type) == event.type and (event_type or event.type != "reminder.armed")
            if (of is None or event.data.get("task_id") == of["task_id"])
        ]

    def rings(self, task: Json) -> list[str]:
        """The moments of a task's armed reminders, as UTC in RFC 3339 to the minute, or to what it takes."""
        rows = self.sql(
            "SELECT due_at FROM reminder WHERE task_id = %(id)s AND closed_at IS NULL ORDER BY due_at",
            id=task["task_id"],
        )
        return [
            moment.astimezone(UTC).isoformat().removesuffix(":00+00:00").removesuffix("+00:00") for (moment,) in rows
        ]

    def deliver(self, topic: str = "schedule-next-recurrence", *, function: str | None = None) -> int:
        """Hand the events of a mailbox to its function, each once, as KafkaSource does. How many there were."""
        handed = 0
        while fresh := [e for e in self._outbox() if topic in e.topics and e.row not in self._delivered]:
            for event in fresh:
                assert self.redeliver(event, function or topic).status_code == 204
                self._delivered.add(event.row)
                handed += 1
        return handed

    def redeliver(self, event: Event, function: str) -> TestResponse:
        """Hand one event to a function, whether it had it before or not."""
        headers = {f"ce-{name}": value for name, value in event.attributes.items()}
        return self.deliver_raw(function, headers, json.dumps(event.data).encode())

    def sql(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Look into the database as its owner."""
        cursor = shared.owner(self.owner_url).execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def _hold_events(self) -> None:
        """Whatever was published for this user, and to the pack itself, is as its schema says."""
        rows = self.sql(
            "SELECT headers, value FROM outbox WHERE headers->>'ce_userid' IN (%(user)s, 'taskmaster') "
            "AND NOT 'dead-letters' = ANY (topics)",
            user=self.user,
        )
        for headers, value in rows:
            published.hold({name.removeprefix("ce_"): text for name, text in headers.items()}, value)

    def _outbox(self) -> list[Event]:
        return [
            Event(
                row=row,
                key=key,
                topics=topics,
                attributes={name[3:]: value for name, value in headers.items() if name.startswith("ce_")},
                data=json.loads(value),
            )
            for row, key, topics, headers, value in self._outbox_rows()
        ]

    def _outbox_rows(self) -> list[tuple[Any, ...]]:
        if self.store is not None:
            return [
                (row, each.key, list(each.topics), each.headers, each.value)
                for row, each in enumerate(self.store.tables.outbox)
                if each.headers["ce_userid"] == self.user
            ]
        return self.sql(
            "SELECT id, key, topics, headers, value FROM outbox WHERE headers->>'ce_userid' = %(user)s ORDER BY id",
            user=self.user,
        )


def act_for(connection: "Connection[Any]", user: str) -> None:
    """Have a session of the user's login act for this user, as a function does for each transaction."""
    connection.execute("SELECT set_config('taskmaster.user_id', %s, false)", [user])
