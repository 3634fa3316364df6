"""A history as the checker sees it: commands with what became of them, events by topic, deliveries and rows.

Its own reading of CloudEvents in Kafka's binary mode (Kafka protocol binding 3.2) and of the history's files. Nothing
of the pack is used here.
"""

import base64
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.programs.chaos.history import Json, read


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one try got: a status by REST, or 0 and a place on a topic by Kafka."""

    status: int
    body: Json = field(default_factory=dict)
    place: tuple[str, int, int] | None = None


@dataclass(kw_only=True)
class Command:
    """One command, with all its tries."""

    id: str
    operation: str
    by: str
    user: str
    task: int | None
    fields: Json
    key: str | None
    asked_at: datetime
    expect: str
    statuses: list[int]
    reason: str
    tries: int = 0
    answers: list[Answer] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether it took effect or was refused, for sure: answered, or stored by the broker."""
        return bool(self.answers)

    @property
    def by_rest(self) -> bool:
        return self.by == "rest"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A record that is a CloudEvent, or a row of the outbox that becomes one."""

    id: str
    type: str
    source: str
    user: str
    correlation: str
    key: str | None
    attributes: dict[str, str]
    value: bytes
    place: tuple[str, int, Any]  # topic, partition, offset (on Redis the entry's id); of a row: "", 0 and its id

    @cached_property
    def data(self) -> Json:
        found = json.loads(self.value)
        return found if isinstance(found, dict) else {}

    @property
    def task(self) -> int | None:
        return self.data.get("task_id")

    @property
    def version(self) -> int | None:
        return self.data.get("version")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One call of a user's webhook."""

    at: float
    user: str
    webhook_id: str
    task: int
    moment: datetime  # when it was to ring
    signed: bool
    taken: bool  # answered 2xx


@dataclass(kw_only=True)
class History:
    """Everything that is known of a run."""

    run: Json
    commands: dict[str, Command]
    topics: dict[str, list[Event]]  # by partition in order
    others: dict[str, list[Json]]  # records that are no CloudEvents, by topic
    committed: list[Event]
    topics_of: dict[str, list[str]]  # the topics that a committed event was to go to, by its id
    deliveries: list[Delivery]
    rows: dict[str, list[Json]]
    faults: list[Json]
    stories: list[Json]
    rebuilt: bytes  # the tasks as COPY writes them, made from events
    table: bytes  # the same of the table

    @cached_property
    def facts(self) -> list[Event]:
        """Every event about tasks and commands, once, as those who listen see them."""
        return once([*self.topics.get("task-events", ()), *self.topics.get("task-updates", ())])

    @cached_property
    def facts_of_task(self) -> dict[int, list[Event]]:
        found: dict[int, list[Event]] = defaultdict(list)
        for event in once(self.topics.get("task-events", ())):
            if event.task is not None:
                found[event.task].append(event)
        return found

    @cached_property
    def caused(self) -> dict[str, list[Event]]:
        """By command: the facts that carry its id."""
        found: dict[str, list[Event]] = defaultdict(list)
        for event in self.facts:
            found[event.correlation].append(event)
        return found


def once(events: Any) -> list[Event]:
    """Repeats removed by id: the first of each stays where it is."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.id, event)
    return list(first.values())


def load(directory: Path) -> History:
    """Read a history. Raises FileNotFoundError where the run was not written to its end."""
    topics: dict[str, list[Event]] = defaultdict(list)
    others: dict[str, list[Json]] = defaultdict(list)
    for entry in read(directory / "topics.jsonl"):
        place = (entry["topic"], entry["partition"], entry["offset"])
        event = _event(entry["headers"], entry["key"], _value(entry), place)
        if event is None:
            others[entry["topic"]].append(entry)
        else:
            topics[entry["topic"]].append(event)
    committed, topics_of = [], {}
    for entry in read(directory / "committed.jsonl"):
        event = _event(entry["headers"], entry["key"], _value(entry), ("", 0, entry["id"]))
        assert event is not None, f"row {entry['id']} of the outbox is no CloudEvent"
        committed.append(event)
        topics_of[event.id] = entry["topics"]
    rows: dict[str, list[Json]] = defaultdict(list)
    for entry in read(directory / "tables.jsonl"):
        rows[entry["table"]].append(entry["row"])
    return History(
        run=json.loads((directory / "run.json").read_text()),
        commands=_commands(directory / "commands.jsonl"),
        topics=topics,
        others=others,
        committed=committed,
        topics_of=topics_of,
        deliveries=[_delivery(entry) for entry in read(directory / "deliveries.jsonl")],
        rows=rows,
        faults=list(read(directory / "faults.jsonl")),
        stories=list(read(directory / "stories.jsonl")),
        rebuilt=_bytes(directory / "rebuilt.copy"),
        table=_bytes(directory / "table.copy"),
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _bytes(file: Path) -> bytes:
    """The content; none of a file that an older history has not."""
    return file.read_bytes() if file.exists() else b""


def _commands(file: Path) -> dict[str, Command]:
    commands: dict[str, Command] = {}
    for entry in read(file):
        name = entry["command"]
        if entry["event"] == "sent":
            told = ("operation", "by", "user", "task", "fields", "key", "expect", "statuses", "reason")
            asked_at = datetime.fromtimestamp(entry["asked_at"], UTC)
            command = commands.setdefault(
                name, Command(id=name, asked_at=asked_at, **{field: entry[field] for field in told})
            )
            command.tries += 1
        elif entry["event"] == "answered":
            commands[name].answers.append(Answer(status=entry["status"], body=entry["body"] or {}))
        elif entry["event"] == "stored":
            place = (entry["topic"], entry["partition"], entry["offset"])
            commands[name].answers.append(Answer(status=0, place=place))
    return commands


def _delivery(entry: Json) -> Delivery:
    data = entry["data"]
    return Delivery(
        at=entry["at"],
        user=entry["user"],
        webhook_id=entry["webhook_id"],
        task=data["task_id"],
        moment=moment(data["remind_at"]),
        signed=entry["signed"],
        taken=entry["status"] < 300,
    )


def _event(headers: Json, key: str | None, value: bytes, place: tuple[str, int, Any]) -> Event | None:
    attributes = {name[3:]: text for name, text in headers.items() if name.startswith("ce_")}
    if not all(attributes.get(name) for name in ("specversion", "id", "source", "type")):
        return None
    return Event(
        id=attributes["id"],
        type=attributes["type"],
        source=attributes["source"],
        user=attributes.get("userid", ""),
        correlation=attributes.get("correlationid", ""),
        key=key,
        attributes=attributes,
        value=value,
        place=place,
    )


def _value(entry: Json) -> bytes:
    if "value_base64" in entry:
        return base64.b64decode(entry["value_base64"])
    return (entry["value"] or "").encode()
