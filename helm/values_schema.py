"""The part of values.schema.json that says what may stand under `settings`: made from what the functions read."""

import json
from typing import Any

from helm.command import CHART
from taskmaster.settings import Settings

FILE = CHART / "values.schema.json"
# What the server reads beside the settings, and is of use on a cluster.
_SERVER = {"THREADS": {"type": "integer", "minimum": 1, "maximum": 1000}}
# What a Secret has, the chart makes from other values, or only a laptop needs: refused under `settings`.
_NOT_HERE = {
    *("DATABASE_URL", "SYSTEM_DATABASE_URL", "MIGRATION_DATABASE_URL", "SMTP_URL"),
    *("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_MECHANISM"),
    *("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SECURITY_PROTOCOL", "KAFKA_TOPICS"),
    *("KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE", "REMINDER_ALARM"),
    *("CLOCK_OFFSET_FILE", "KUBERNETES_API_URL"),
    *("TRANSPORT", "DAPR_URL", "DAPR_API_TOKEN", "DAPR_PUBSUB", "REDIS_URL"),
}
_KEPT = ("type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "description")


def settings_schema() -> dict[str, Any]:
    """JSON Schema of the settings by the names of their variables; an empty text leaves one out."""
    fields = Settings.model_json_schema()["properties"]
    assert {name.lower() for name in _NOT_HERE} <= fields.keys()
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{name.upper(): _field(field) for name, field in fields.items() if name.upper() not in _NOT_HERE},
            **_SERVER,
        },
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
