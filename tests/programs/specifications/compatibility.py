"""Whether programs written for the schemas of a released version still work with those of today.

The question is the same for what the pack tells and for what it takes: is everything that is sent still expected? Of a
fact, today's pack sends and a reader of the release expects; of a command, a writer of the release sends and today's
pack expects. So one rule compares two schemas, and a sentence says where it breaks:

- a field that is expected is sent: none is removed, and a required one does not become optional;
- a field that is sent is not refused: none goes from a closed object, and none becomes required;
- a value that is sent is one that is expected: no further type, null included, no further word of an enumeration, no
  wider bound, no other pattern or format;
- what is left out means what it meant: defaults stay.

A further field of a fact, and a further optional field of a command, break nobody. The schemas are those that
`json_schema` makes; a keyword that this module does not know is a break unless it is unchanged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_UPPER = ("maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties")
_SAME = ("pattern", "format", "uniqueItems", "multipleOf")
_REMARKS = {"$schema", "$id", "$defs", "definitions", "title", "description", "examples"}
_COMPARED = {
    "type", "enum", "const", "anyOf", "oneOf", "$ref", "properties", "required", "additionalProperties", "items",
    "default", *_UPPER, *_LOWER, *_SAME,
}  # fmt: skip


def breaks(sent: Schema, expected: Schema) -> list[str]:
    """Where something that is `sent` is not what is `expected`; one sentence each, with the place (RFC 6901)."""
    return list(_breaks(sent, expected, _Roots(sent, expected), ""))


class _Roots:
    """The two documents that references are resolved in."""

    def __init__(self, sent: Schema, expected: Schema) -> None:
        self._sent, self._expected = sent, expected

    def alternatives(self, schema: Schema, *, is_sent: bool) -> list[Schema]:
        """What a schema allows, one by one: its references and its anyOf and oneOf followed."""
        if "$ref" in schema:
            target: Any = self._sent if is_sent else self._expected
            for name in schema["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            return self.alternatives(target, is_sent=is_sent)
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return [each for one in schema[several] for each in self.alternatives(one, is_sent=is_sent)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": each} for each in schema["type"]]
        return [schema]


def _breaks(sent: Schema, expected: Schema, roots: _Roots, at: str) -> Iterator[str]:
    if sent.get("default") != expected.get("default"):
        yield f"{at}: left out, it means {expected.get('default')!r} and not {sent.get('default')!r}"
    allowed = roots.alternatives(expected, is_sent=False)
    for one in roots.alternatives(sent, is_sent=True):
        found = [list(_differences(one, other, roots, at)) for other in allowed]
        if all(found):
            # Of several, the one that is nearest tells best what is wrong.
            alike = [each for each, other in zip(found, allowed, strict=True) if _type(other) == _type(one)]
            yield from min(alike, key=len) if alike else [f"{at}: may be {_type(one)}, which is not expected"]


def _differences(sent: Schema, expected: Schema, roots: _Roots, at: str) -> Iterator[str]:
    """The same for schemas that are no choice."""
    if _type(expected) not in ("anything", _type(sent)) and (_type(sent), _type(expected)) != ("integer", "number"):
        yield f"{at}: may be {_type(sent)}, which is not expected"
        return
    yield from _values(sent, expected, at)
    yield from _bounds(sent, expected, at)
    for unknown in sorted({*sent, *expected} - _COMPARED - _REMARKS):
        if sent.get(unknown) != expected.get(unknown):
            yield f"{at}: {unknown} changed, which nobody here can judge"
    if "items" in expected:
        yield from _breaks(sent.get("items", {}), expected["items"], roots, f"{at}/items")
    if _type(expected) == "object":
        yield from _fields(sent, expected, roots, at)


def _values(sent: Schema, expected: Schema, at: str) -> Iterator[str]:
    known = _listed(expected)
    if known is None:
        return
    given = _listed(sent)
    if given is None:
        yield f"{at}: may be anything, where {_words(known)} is expected"
    elif further := [value for value in given if value not in known]:
        yield f"{at}: may be {_words(further)}, where {_words(known)} is expected"


def _bounds(sent: Schema, expected: Schema, at: str) -> Iterator[str]:
    values = _listed(sent)
    if values is not None and _listed(expected) is not None:
        return
    for name in (*_UPPER, *_LOWER):
        if name in expected:
            given, limit = sent.get(name), expected[name]
            if given is None or (given > limit if name in _UPPER else given < limit):
                yield f"{at}: {name} is {'open' if given is None else given}, where {limit} is expected"
    for name in _SAME:
        if name in expected and sent.get(name) != expected[name]:
            yield f"{at}: {name} is {sent.get(name, 'open')!r}, where {expected[name]!r} is expected"


def _fields(sent: Schema, expected: Schema, roots: _Roots, at: str) -> Iterator[str]:
    given, known = sent.get("properties", {}), expected.get("properties", {})
    may_have_more, takes_more = sent.get("additionalProperties", True), expected.get("additionalProperties", True)
    for name in expected.get("required", []):
        if name not in sent.get("required", []):
            yield f"{at}/{name}: is required, and may be missing"
    for name in known:
        if name in given:
            yield from _breaks(given[name], known[name], roots, f"{at}/{name}")
        elif may_have_more is True:
            yield f"{at}/{name}: is expected, and not there any more"
    for name in given:
        if name not in known and takes_more is False:
            yield f"{at}/{name}: is sent, and refused"
    if may_have_more is True and takes_more is False:
        yield f"{at}: may have further fields, which are refused"
    elif isinstance(takes_more, Mapping):
        further = may_have_more if isinstance(may_have_more, Mapping) else {}
        if may_have_more is not False:
            yield from _breaks(further, takes_more, roots, f"{at}/*")


def _type(schema: Schema) -> str:
    """The type that a schema says, or that its listed values have."""
    kinds = {str: "string", bool: "boolean", int: "integer"}
    found = {kinds.get(type(value), "null") for value in _listed(schema) or []}
    return str(schema.get("type") or (found.pop() if len(found) == 1 else "anything"))


def _listed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _words(values: list[Any]) -> str:
    return ", ".join(map(repr, values))
