"""The operations of people as tools: what each is called, what it takes and gives, and how careful one has to be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from taskmaster.domain.changes import ChangeStream
from taskmaster.handling.operation import Operation
from taskmaster.identity.callers import READ, WRITE

KEY = "idempotency_key"
_KEY_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": "^[!-~]([ -~]*[!-~])?$",
    "description": "a text of your own, new for each change; send it again with a call that you repeat because you "
    "do not know what became of it: for 24 hours it gets the first answer, and nothing is done twice",
}
_NOTHING = {"type": "object", "properties": {}, "description": "empty: it is done, and there is nothing to show"}


@dataclass(frozen=True)
class Tool:
    """One operation as a tool."""

    operation: Operation

    @property
    def name(self) -> str:
        return self.operation.name.replace("-", "_")

    @property
    def only_reads(self) -> bool:
        return self.operation.only_reads

    @property
    def scope(self) -> str:
        return READ if self.only_reads else WRITE

    @cached_property
    def described(self) -> Mapping[str, Any]:
        """The tool as `tools/list` tells it."""
        title = self.operation.name.replace("-", " ").capitalize()
        return {
            "name": self.name,
            "title": title,
            "description": _in_lines(self.operation.about),
            "inputSchema": self._taken(),
            "outputSchema": self._given(),
            "annotations": {
                "title": title,
                "readOnlyHint": self.only_reads,
                "destructiveHint": not self.only_reads and self.operation.destructive,
                "idempotentHint": self.only_reads or self.operation.idempotent,
                "openWorldHint": False,
            },
        }

    def _taken(self) -> dict[str, Any]:
        schema = _schema(self.operation.command, written=False)
        more = {} if self.only_reads else {KEY: _KEY_SCHEMA}
        return {**schema, "properties": {**schema.get("properties", {}), **more}}

    def _given(self) -> dict[str, Any]:
        """An object at its root, as the revisions with a handshake require; an empty one where nothing is shown."""
        kinds = self.operation.answers
        shown = [kind for kind in kinds if kind is not None]
        if not shown:
            return _NOTHING
        schema = _schema(shown[0], written=True)
        if None not in kinds:
            return schema
        definitions = schema.pop("$defs", {})
        either = {"type": "object", "anyOf": [schema, {"maxProperties": 0}]}
        return {**either, **({"$defs": definitions} if definitions else {})}


def tools_of(operations: Iterable[Operation]) -> dict[str, Tool]:
    """By name the tools of those that people can ask for, in a lasting order; a stream is none."""
    asked = (each for each in operations if each.http and ChangeStream not in each.answers)
    found = {tool.name: tool for tool in map(Tool, asked)}
    return dict(sorted(found.items()))


def _schema(model: type[BaseModel], *, written: bool) -> dict[str, Any]:
    from taskmaster.assistants import json_schema  # for lists alone: a call needs none

    return json_schema.of(model, written=written, definitions="#/$defs/{model}")


def _in_lines(text: str) -> str:
    """A docstring as plain text: a line for each paragraph, the first letter a capital."""
    lines = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    said = "\n".join(lines)
    return said[:1].upper() + said[1:]
