"""The AsyncAPI 3 document: topics as channels, what the functions read from them and write to them, the messages.

Beside the schemas it refers to, and not in `eventing/` itself: every file there is applied to a cluster.
"""

from typing import Any

from taskmaster.broker import topics
from taskmaster.events import routes
from tests.programs.specifications import events
from tests.programs.specifications.events import CARRIED, FOLDER, USER_ID, EventType
from tests.programs.specifications.served import readers, served

FILE = FOLDER / "asyncapi.yaml"
_KAFKA = "0.5.0"  # of the binding

_TEXT = {"type": "string", "minLength": 1, "maxLength": 2048}
_CARRIED = {**_TEXT, "pattern": CARRIED}
_TRACE = {
    "type": "string",
    "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "W3C Trace Context: which trace it belongs to, and which span of that caused it",
}
_TRACE_STATE = {
    "type": "string",
    "maxLength": 512,
    "description": "W3C Trace Context: what tracing systems add, with a ce_traceparent alone",
}

# The attributes of a CloudEvent in Kafka's binary mode (CloudEvents 1.0.2, Kafka protocol binding 3.2).
COMMAND_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_userid"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_CARRIED, "description": "tells one event from another of the same source; a repeat has the same"},
        "ce_source": {**_CARRIED, "description": "who says it"},
        "ce_type": _TEXT,
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_userid": {**USER_ID, "description": "who asks for it, or whose it is"},
        "ce_correlationid": {**_CARRIED, "description": "the request that began it all; kept through every hop"},
        "ce_traceparent": _TRACE,
        "ce_tracestate": _TRACE_STATE,
        "content-type": {"const": "application/json"},
    },
}
FACT_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": [
        *COMMAND_HEADERS["required"],
        "ce_time", "ce_dataschema", "ce_partitionkey", "ce_correlationid", "content-type",
    ],
    "properties": {
        **COMMAND_HEADERS["properties"],
        "ce_source": {"type": "string", "pattern": "^/taskmaster/[a-z-]+$", "description": "the function that says it"},
        "ce_dataschema": {**_TEXT, "description": "the $id of the schema of the data"},
        "ce_partitionkey": {**_TEXT, "description": "the record's key, which KafkaSource does not copy"},
        "ce_subject": {"type": "string", "pattern": "^tasks/[0-9]+$"},
        "ce_causationid": {**_CARRIED, "description": "the id of the event that was being handled; none in a call"},
    },
}  # fmt: skip

_BY_USER = {"type": "string", "description": "the user id"}
_BY_TASK = {"type": "string", "description": "the task id; in a series that of its first task, so that all is in order"}
_OF_USERS = {"task.command.rejected", "preferences.updated"}
_CHANNELS = {
    routes.TASK_EVENTS: "Every fact about a task, for whoever subscribes.",
    routes.TASK_UPDATES: "The same, what became of reminders, and commands that were refused: what a client needs.",
    routes.REMINDERS: "Reminders at their moment.",
    routes.DEAD_LETTERS: "What a function refused, or never managed, as it came and with why.",
    routes.SCHEDULE_NEXT_RECURRENCE: "The mailbox of schedule-next-recurrence: skips, and completions in a series.",
    routes.DISPATCH_DUE_REMINDERS: "The mailbox of dispatch-due-reminders, which the pack writes to itself.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:taskmaster",
        "info": {
            "title": "taskmaster functions",
            "version": events.VERSION,
            "description": "What the functions read from Kafka and tell by it: CloudEvents 1.0 in binary mode, JSON "
            "data. At least once, repeats under the same ce_id; those of a task in the order of their commits. A "
            "fact may have further fields tomorrow. WRITE on a mailbox means acting for every user: for services "
            "alone.",
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in routes.TOPICS},
        "operations": {**_receiving(), **_sending()},
        "components": {
            "messages": {
                **{each.name: _message(each, FACT_HEADERS, _key(each.name)) for each in events.facts().values()},
                **{each.name: _message(each, COMMAND_HEADERS, _BY_USER) for each in events.commands().values()},
                "envelope": {
                    "summary": "A command in the original JSON envelope, without headers.",
                    "payload": {"$ref": f"./envelope.{events.VERSION}.json"},
                    "bindings": _binding(key=_BY_USER),
                },
                "dead-letter": {
                    "summary": "An event as it came, with why it is here.",
                    "headers": {
                        "type": "object",
                        "properties": {
                            "ce_reason": {"type": "string", "description": "what the function said"},
                            "ce_knativeerrorcode": {"type": "string", "description": "the HTTP status of its answer"},
                            "ce_knativeerrordest": {"type": "string", "description": "which function that was"},
                            "ce_knativeerrordata": {
                                "type": "string",
                                "description": "the beginning of its answer's body, in base64",
                            },
                        },
                    },
                    "payload": {},
                },
            },
            "schemas": {"CommandHeaders": COMMAND_HEADERS, "FactHeaders": FACT_HEADERS},
        },
    }


def messages() -> dict[str, list[str]]:
    """By topic the messages that may be on it."""
    found: dict[str, list[str]] = {topic: [] for topic in routes.TOPICS}
    for each in events.facts():
        for topic in routes.topics_of(each, recurs=True):
            found[topic].append(each)
    for topic in routes.MAILBOXES:
        asked = [name for each in served() if each.function in readers()[topic] for name in each.commands]
        found[topic] += [*asked, "envelope"] if asked else []
    found[routes.DEAD_LETTERS].append("dead-letter")
    return found


def _channel(topic: str) -> dict[str, Any]:
    about = _CHANNELS.get(topic) or f"The mailbox of {topic}: its commands."
    return {
        "address": topic,
        "description": about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages()[topic]},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": topics.RETENTION_MS},
                "bindingVersion": _KAFKA,
            }
        },
    }


def _receiving() -> dict[str, Any]:
    """One operation a function, with what it takes of its topic; it answers 204 to all else."""
    found = {}
    for topic, functions in readers().items():
        for function, group in functions.items():
            # What only wakes a function has no operation in it: the dispatcher's own events.
            taken = {name for each in served() if each.function == function for name in each.operation.types}
            read = [name for name in messages()[topic] if not taken or name in taken | {"envelope"}]
            found[function] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{topic}"},
                "summary": f"{function} is called for each.",
                "messages": _of(topic, read),
                "bindings": {"kafka": {"groupId": {"type": "string", "const": group}, "bindingVersion": _KAFKA}},
            }
    return found


def _sending() -> dict[str, Any]:
    """One operation a topic, with the facts that are told on it."""
    told = {
        topic: [name for name in names if name in events.facts() or name == "dead-letter"]
        for topic, names in messages().items()
    }
    return {
        f"tell-{topic}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{topic}"},
            "summary": "Published after the commit of what it tells."
            if topic != routes.DEAD_LETTERS
            else "By park-dead-letter, the dead letter sink of every KafkaSource.",
            "messages": _of(topic, names),
        }
        for topic, names in told.items()
        if names
    }


def _of(topic: str, names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in names]


def _message(event: EventType, headers: dict[str, Any], key: dict[str, str]) -> dict[str, Any]:
    said = {"ce_type": {"const": event.name}}
    if headers is FACT_HEADERS:
        said["ce_dataschema"] = {"const": f"urn:taskmaster:schema:{event.name}:{events.VERSION}"}
    kind = "FactHeaders" if headers is FACT_HEADERS else "CommandHeaders"
    return {
        "name": event.name,
        "summary": event.says,
        "headers": {"allOf": [{"$ref": f"#/components/schemas/{kind}"}, {"type": "object", "properties": said}]},
        "payload": {"$ref": f"./{event.file.name}"},
        "bindings": _binding(key=key),
    }


def _key(event_type: str) -> dict[str, str]:
    return _BY_USER if event_type in _OF_USERS else _BY_TASK


def _binding(*, key: dict[str, str]) -> dict[str, Any]:
    return {"kafka": {"key": key, "bindingVersion": _KAFKA}}
