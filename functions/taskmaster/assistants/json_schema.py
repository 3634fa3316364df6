"""JSON Schemas of the models, for those who read what the pack writes, and for those who write what it reads.

What is written has every field, and may have more of them tomorrow: a reader passes over what it does not know. What is
read is closed, as the pack refuses a field that it does not know.
"""

from typing import Any, Literal, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from taskmaster.domain.task import Task

Schema = dict[str, Any]


class _Generated(GenerateJsonSchema):
    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().default_schema(schema)
        # Absent is the same as null, or as nothing, where that is the default; what is written has no defaults.
        if self.mode == "serialization" or found.get("default", 0) in (None, ""):
            found.pop("default", None)
        return found


def of(model: type[BaseModel], *, written: bool, definitions: str = "#/definitions/{model}") -> Schema:
    """The schema of what a model writes or reads; models within it are under `$defs`, referred to as `definitions`."""
    mode: Literal["validation", "serialization"] = "serialization" if written else "validation"
    found = model.model_json_schema(ref_template=definitions, schema_generator=_Generated, mode=mode)
    return cast(Schema, _tidied(found, written=written))


def _tidied(schema: Any, *, written: bool) -> Any:
    if isinstance(schema, list):
        return [_tidied(each, written=written) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: _tidied(value, written=written) for name, value in schema.items()}
    if written and tidy.get("additionalProperties") is False:
        del tidy["additionalProperties"]
    if tidy.get("type") == "object" and "properties" in tidy:
        tidy["properties"] = {name: _said(name, field) for name, field in tidy["properties"].items()}
    tidy.pop("discriminator", None)  # of OpenAPI, and no more than the schemas say themselves
    return tidy


def _said(name: str, field: Schema) -> Schema:
    """A field in its own words, or in those that a task has for the field of this name."""
    known = Task.model_fields.get(name)
    if "description" in field or "$ref" in field or known is None:
        return field
    return {**field, "description": known.description}
