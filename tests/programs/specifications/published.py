"""Holds every event that the pack publishes in a test against its schema, whatever the test itself looks at."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from taskmaster.assistants.json_schema import Schema
from tests.programs.specifications import asyncapi, events


def hold(attributes: Mapping[str, str], data: bytes | str | dict[str, Any]) -> None:
    """Fails for an event of ours that is not as its schema says, or has a field that it does not name.

    Attributes are without the prefix ce_. Events of others, dead letters among them, are passed over.
    """
    if not attributes.get("source", "").startswith("/taskmaster/"):
        return
    headers, body = _validators(attributes["type"])
    named = {name if name == "content-type" else f"ce_{name}": value for name, value in attributes.items()}
    content = data if isinstance(data, dict) else json.loads(data)
    faults = [*headers.iter_errors(named), *body.iter_errors(content)]
    assert [f"{attributes['type']} {fault.instance_path}: {fault.message}" for fault in faults] == []


@cache
def _validators(event_type: str) -> tuple[jsonschema_rs.Validator, jsonschema_rs.Validator]:
    schema = json.loads(events.facts()[event_type].file.read_text())
    headers = json.loads(json.dumps(asyncapi.FACT_HEADERS))
    headers["properties"] |= {"ce_type": {"const": event_type}, "ce_dataschema": {"const": schema["$id"]}}
    return _validator(headers), _validator(schema)


def _validator(schema: Schema) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft7Validator(_closed(schema), validate_formats=True)


def _closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name: tomorrow's reader may be lenient, we are not."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema and "type" in schema else closed
