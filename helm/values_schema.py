"""The part of values.schema.json that says what may stand under `settings`: made from what the functions read."""

import json
from typing import Any

from helm.command import CHART
from taskmaster.settings import Settings

FILE = CHART / "values.schema.json"
# What the server reads beside the settings, and is of use on a cluster.
_SERVER = {"THREADS": {"type": "integer", "minimum": 1, "maximum": 1000}}
_KEPT = ("type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "description")


def settings_schema() -> dict[str, Any]:
    """JSON Schema of the settings by the names of their variables; an empty text leaves one out."""
    fields = Settings.model_json_schema()["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**{name.upper(): _field(field) for name, field in fields.items()}, **_SERVER},
    }


def current() -> str:
    """The schema as it should be: the file that is there, with that part made anew."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    schema["definitions"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _field(field: dict[str, Any]) -> dict[str, Any]:
    kept = {key: field[key] for key in _KEPT if key in field}
    if kept.get("type") in ("integer", "number", "boolean"):
        return kept
    if "enum" in kept:
        return {**kept, "enum": ["", *kept["enum"]]}
    # Lists, JSON and optional texts are texts in the environment.
    return {**kept, "type": "string"}
