"""The events by type, and the JSON Schema of each: `eventing/schemas/TYPE.1.0.json`, as its dataschema says.

Draft 7, which AsyncAPI takes as it is and every schema registry knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskmaster.assistants import json_schema
from taskmaster.assistants.json_schema import Schema
from taskmaster.domain.history import ChangedTask
from taskmaster.domain.preferences import AnnouncedPreferences
from taskmaster.domain.reminder_rows import ReminderDue, ReminderOutcome
from taskmaster.domain.series import Followed
from taskmaster.domain.task import Task
from taskmaster.handling.announcements import Moving, Rejection, ReminderArmed
from taskmaster.identity.callers import USER_ID_LIMIT
from tests.programs.specifications import examples
from tests.programs.specifications.served import ROOT, served

VERSION = "1.0"
FOLDER = ROOT / "eventing" / "schemas"
USER_ID = {"type": "string", "pattern": f"^[!-~]([ -~]{{0,{USER_ID_LIMIT - 2}}}[!-~])?$"}  # printable ASCII
# What arrives unchanged as a header: no controls, nothing beyond Latin-1, no blank at an end.
CARRIED = r"^[!-~\xa1-\xff]([ -~\xa0-\xff]*[!-~\xa1-\xff])?$"


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One type of event: what its data is and what it says."""

    name: str
    model: type[BaseModel]
    says: str
    example: dict[str, Any] | None  # none yet: a command that was added a moment ago

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.{VERSION}.json"


class Metadata(BaseModel):
    """Where an envelope comes from."""

    model_config = ConfigDict(extra="allow")

    source: str | None = Field(default=None, description="becomes source; without it, the KafkaSource's")
    trace_id: str | None = Field(default=None, description="becomes traceparent, where it is one (W3C Trace Context)")


class Envelope(BaseModel):
    """The original JSON envelope: a record without headers, which a function reads as the CloudEvent it stands for."""

    model_config = ConfigDict(extra="allow")

    event_id: str | None = Field(
        default=None,
        max_length=500,
        json_schema_extra={"pattern": CARRIED},
        description="becomes id; without it, the record's place and time",
    )
    event_type: str = Field(min_length=1, max_length=500, description="becomes type: a command, such as task.create")
    event_version: Any = Field(default=None, description="not read")
    timestamp: str | None = Field(
        default=None, json_schema_extra={"format": "date-time"}, description="becomes time (RFC 3339)"
    )
    user_id: str = Field(
        json_schema_extra={"pattern": USER_ID["pattern"]}, description="becomes userid: who asks for it"
    )
    correlation_id: str | None = Field(
        default=None, max_length=2048, json_schema_extra={"pattern": CARRIED}, description="becomes correlationid"
    )
    data: dict[str, Any] | None = Field(
        default=None,
        description="as the schema of its type has it; fields of a task that are not asked for may be there, and are "
        "left out",
    )
    metadata: Metadata | None = None


_FACTS: dict[str, tuple[type[BaseModel], str]] = {
    "task.created": (Task, "A task was created: by its user, or as the next occurrence of a series."),
    "task.updated": (ChangedTask, "A task changed, was reopened or skipped to its next date; it is told whole."),
    "task.completed": (ChangedTask, "A task was completed."),
    "task.deleted": (Task, "A task was deleted, or withdrawn with the completion that it followed; as it was last."),
    "task.recurring.next": (Followed, "A series moved on to its next date; task.created or task.updated follows."),
    "task.recurring.ended": (Task, "A series ended by COUNT or UNTIL with this occurrence."),
    "task.command.rejected": (Rejection, "A rule refused a command that came by event."),
    "preferences.updated": (AnnouncedPreferences, "What a user prefers changed; told whole, without addresses."),
    "reminders.move": (Moving, "Reminders have yet to follow a new hour of the day. Within the pack."),
    "reminder.armed": (
        ReminderArmed,
        "A reminder comes before anything that the dispatcher waits for. Within the pack.",
    ),
    "reminder.soon": (ReminderArmed, "A reminder comes in a few seconds. Within the pack."),
    "reminder.due": (ReminderDue, "The moment of a reminder has come; the task is as it was then."),
    "reminder.sent": (ReminderOutcome, "A reminder was delivered by at least one channel."),
    "reminder.failed": (ReminderOutcome, "No channel took a reminder, or it was too old to be sent."),
}


@cache
def facts() -> dict[str, EventType]:
    """What the pack tells, by type."""
    return {
        name: EventType(name=name, model=model, says=says, example=examples.FACTS[name])
        for name, (model, says) in _FACTS.items()
    }


@cache
def commands() -> dict[str, EventType]:
    """What may be asked of the pack by event, by type."""
    found = {}
    for each in served():
        for name in each.commands:
            says = f"{each.summary}."
            model = each.operation.command
            found[name] = EventType(name=name, model=model, says=says, example=examples.COMMANDS.get(name))
    return dict(sorted(found.items()))


@cache
def schemas() -> Mapping[Path, Schema]:
    """Every schema, by the file it belongs into."""
    files = {each.file: _schema(each, written=True) for each in facts().values()}
    files |= {each.file: _schema(each, written=False) for each in commands().values()}
    envelope = EventType(
        name="envelope", model=Envelope, says=str(Envelope.__doc__), example=examples.ENVELOPE
    )  # extra fields are passed over
    return {**files, envelope.file: _schema(envelope, written=False)}


def _schema(event: EventType, *, written: bool) -> Schema:
    body = json_schema.of(event.model, written=written)
    definitions = body.pop("$defs", None)
    body.pop("title", None)
    body.pop("description", None)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:taskmaster:schema:{event.name}:{VERSION}",
        "title": event.name,
        "description": event.says,
        **body,
        **({"definitions": definitions} if definitions else {}),
        **({"examples": [event.example]} if event.example else {}),
    }
