"""A small history in which every promise holds, to be spoiled by a test and written down for the checker."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_BEGUN = 1_795_000_000.0
_AT = datetime.fromtimestamp(_BEGUN, UTC).isoformat()
_DUE = datetime.fromtimestamp(_BEGUN + 10, UTC).isoformat()
_BOTH = ["task-events", "task-updates"]


_HEADERS = {"ce_specversion": "1.0", "ce_source": "/chaos", "ce_type": "task.complete", "ce_userid": "ada"}


def places(offset: int) -> list[str]:
    return [f"task-events/0/{offset}", f"task-updates/0/{offset}"]


def node(event_id: str, event_type: str, *where: str, children: list[Json] | None = None) -> Json:
    """An event of a story that is told."""
    about = {"kind": "event", "id": event_id, "type": event_type, "user": "ada"}
    return {**about, "places": list(where), "children": children or []}


def handling(function: str, status: int | None, *children: Json) -> Json:
    attempts = 1 if status else None
    return {"kind": "handling", "function": function, "attempts": attempts, "status": status, "children": [*children]}


class Story:
    """Ada makes a task and changes it, completes one that recurs, is reminded of one, deletes one, and slips once."""

    def __init__(self) -> None:
        self.run: Json = {
            "seed": 7, "seconds": 60, "commands": 8, "started": _BEGUN, "peace": _BEGUN + 60, "ended": _BEGUN + 90,
            "settled": True, "settling_took": 30.0, "faults": {},
        }  # fmt: skip
        self.commands: list[Json] = []
        self.committed: list[Json] = []
        self.topics: dict[str, list[Json]] = defaultdict(list)
        self.deliveries: list[Json] = []
        self.rows: dict[str, list[Json]] = defaultdict(list)
        self.faults: list[Json] = []
        self.stories: list[Json] = []
        self.rebuilt = self.table = "1\tada\n2\tada\n"
        self._events = 0
        self._tell()

    def _tell(self) -> None:
        created = self.task(1, title="c1")
        self.call("c1", "create", 201, created, fields={"title": "c1"})
        self.event("task.created", created, command="c1", function="create-task")
        updated = {**created, "version": 2, "description": "c2"}
        self.call("c2", "update", 200, updated, task=1, fields={"description": "c2"})
        self.event("task.updated", updated, command="c2", function="update-task")
        self.row("task", updated)

        recurring = self.task(2, title="c3", due_on="2090-01-01", recurrence_pattern="daily", series_id=2, occurrence=1)
        self.record("c3", "create", fields={"title": "c3"})
        self.event("task.created", recurring, command="c3", function="create-task")
        completed = {**recurring, "version": 2, "completed": True, "completed_at": _AT}
        self.record("c4", "complete", task=2)
        self.event(
            "task.completed", completed, command="c4", cause="c4", function="complete-task",
            more=["schedule-next-recurrence"],
        )  # fmt: skip
        following = {**recurring, "task_id": 3, "occurrence": 2, "due_on": "2090-01-02"}
        for event_type, data in (("task.recurring.next", {**following, "follows": 2}), ("task.created", following)):
            self.event(event_type, data, command="c4", cause="e4", function="schedule-next-recurrence")
        self.row("task", completed)
        self.row("task", following)
        self.row("series", {"series_id": 2, "head": 2, "paused_at": None, "ended_at": None})

        reminding = self.task(4, title="c5", due_at=_DUE)
        self.record("c5", "create", fields={"title": "c5"})
        self.event("task.created", reminding, command="c5", function="create-task")
        ring = {"reminder_id": "r1", "remind_at": _DUE}
        self.event("reminder.due", {**reminding, **ring}, function="dispatch-due-reminders", topics=["reminders"])
        self.delivery("r1", status=503)
        self.delivery("r1")
        self.event("reminder.sent", {"task_id": 4, **ring}, function="send-reminder", topics=["task-updates"])
        self.row("task", reminding)
        self.row("reminder", {"reminder_id": "r1", "task_id": 4, "due_at": _DUE, "fired_at": _DUE, "closed_at": _DUE})

        brief = self.task(5, title="c6")
        self.call("c6", "create", 201, brief, fields={"title": "c6"})
        self.event("task.created", brief, command="c6", function="create-task")
        self.call("c7", "delete", 204, None, task=5)
        self.event("task.deleted", brief, command="c7", function="delete-task")

        self.command(
            "c8", "poison", by="cloudevent", expect="dead-letter", reason="no text", fields={"kind": "a number"}
        )
        self.commands.append({"event": "stored", "command": "c8", "topic": "create-task", "partition": 0, "offset": 9})
        headers = {"ce_specversion": "1.0", "ce_id": "c8", "ce_source": "/chaos", "ce_type": "task.create"}
        letter = {"headers": {**headers, "ce_reason": "title: is no text"}, "key": "ada", "value": '{"title": 7}'}
        self._publish("dead-letters", letter)
        self._tell_stories()

    def _tell_stories(self) -> None:
        """As `taskmaster trace` does it: of a call, of a record with what followed, and of one that went wrong."""
        self.tell(
            "c1", {"kind": "call", "children": [node("e1", "task.created", "task-events/0/0", "task-updates/0/0")]}
        )
        self.topics["complete-task"].append(
            {"key": "ada", "headers": {**_HEADERS, "ce_id": "c4", "ce_correlationid": "c4"}, "value": '{"task_id": 2}'}
        )
        completed = node("e4", "task.completed", *places(3), "schedule-next-recurrence/0/0")
        following = [node("e5", "task.recurring.next", *places(4)), node("e6", "task.created", *places(5))]
        completed["children"] = [handling("schedule-next-recurrence", None, *following)]
        self.tell(
            "c4", node("c4", "task.complete", "complete-task/0/0", children=[handling("complete-task", 204, completed)])
        )
        letter = {"kind": "dead letter", "letter": "0/0", "children": []}
        self.tell("c8", node("c8", "task.create", children=[letter]))

    # What there is to tell --------------------------------------------------------------------------------------

    @staticmethod
    def task(task_id: int, **fields: Any) -> Json:
        return {
            "task_id": task_id, "title": "", "description": None, "completed": False, "priority": "medium",
            "due_at": None, "due_on": None, "reminders": None, "recurrence_pattern": None, "series_id": None,
            "occurrence": None, "version": 1, "created_at": _AT, "updated_at": _AT, **fields,
        }  # fmt: skip

    def call(self, name: str, operation: str, status: int, body: Json | None, **told: Any) -> None:
        """A command by REST and its answer."""
        self.command(name, operation, by="rest", **told)
        self.commands.append({"event": "answered", "command": name, "status": status, "body": body})
        self._inbox(name, operation, status)

    def record(self, name: str, operation: str, **told: Any) -> None:
        """A command by Kafka that the broker has."""
        self.command(name, operation, by="cloudevent", **told)
        self.commands.append({"event": "stored", "command": name, "topic": "t", "partition": 0, "offset": 1})
        self._inbox(name, operation, 204)

    def command(self, name: str, operation: str, **told: Any) -> None:
        sent = {"task": None, "fields": {}, "key": name, "expect": "effect", "statuses": [], "reason": "", **told}
        self.commands.append(
            {"event": "sent", "command": name, "operation": operation, "user": "ada", "asked_at": _BEGUN, **sent}
        )

    def event(
        self,
        event_type: str,
        data: Json,
        *,
        command: str = "",
        cause: str = "",
        function: str,
        topics: list[str] = _BOTH,
        more: list[str] | None = None,
    ) -> None:
        """An event, committed and on its topics."""
        self._events += 1
        number = self._events
        headers = {
            "ce_specversion": "1.0", "ce_id": f"e{number}", "ce_type": event_type, "ce_userid": "ada",
            "ce_source": f"/taskmaster/{function}", "ce_correlationid": command, "ce_causationid": cause,
        }  # fmt: skip
        key = str(data.get("series_id") or data["task_id"])
        row = {"key": key, "headers": headers, "value": json.dumps(data)}
        to = [*topics, *(more or [])]
        self.committed.append({"id": number, "topics": to, **row})
        for topic in to:
            self._publish(topic, dict(row))

    def delivery(self, webhook_id: str, *, status: int = 204, signed: bool = True) -> None:
        data = {"task_id": 4, "remind_at": _DUE}
        entry = {"at": _BEGUN + 11, "user": "ada", "webhook_id": webhook_id, "data": data, "signed": signed}
        self.deliveries.append({**entry, "status": status})

    def row(self, table: str, row: Json) -> None:
        self.rows[table].append(row)

    # Spoiling it ------------------------------------------------------------------------------------------------

    def on(self, topic: str, event_type: str, task: int | None = None) -> int:
        """Where an event is on a topic."""
        return next(
            place
            for place, record in enumerate(self.topics[topic])
            if record["headers"]["ce_type"] == event_type
            and (task is None or json.loads(record["value"])["task_id"] == task)
        )

    def without(self, keep: Callable[[Json], bool]) -> None:
        """Forget every trace of the events that are not to be kept: committed ones too."""
        gone = {row["headers"]["ce_id"] for row in self.committed if not keep(row)}
        self.committed = [row for row in self.committed if row["headers"]["ce_id"] not in gone]
        for topic, records in self.topics.items():
            self.topics[topic] = [record for record in records if record["headers"]["ce_id"] not in gone]

    # What is told of it at the end ------------------------------------------------------------------------------

    def tell(self, identifier: str, *nodes: Json) -> None:
        self.stories.append({"id": identifier, "story": list(nodes)})

    # Writing it down --------------------------------------------------------------------------------------------

    def write(self, directory: Path) -> Path:
        (directory / "run.json").write_text(json.dumps(self.run))
        records = [
            {"topic": topic, "partition": 0, "offset": offset, **record}
            for topic, found in self.topics.items()
            for offset, record in enumerate(found)
        ]
        rows = [{"table": table, "row": row} for table, found in self.rows.items() for row in found]
        for name, entries in {
            "commands": self.commands, "topics": records, "committed": self.committed, "tables": rows,
            "deliveries": self.deliveries, "faults": self.faults, "stories": self.stories,
        }.items():  # fmt: skip
            (directory / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        for name, text in (("rebuilt", self.rebuilt), ("table", self.table)):
            (directory / f"{name}.copy").write_text(text)
        return directory

    def _publish(self, topic: str, record: Json) -> None:
        self.topics[topic].append(record)

    def _inbox(self, name: str, operation: str, status: int) -> None:
        self.row(
            "inbox", {"function": f"{operation}-task", "user_id": "ada", "id": name, "status": status, "attempts": 1}
        )
