"""The OpenAPI 3.1 document of the one REST address, from the operations' own routes, commands and answers."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from taskmaster.assistants import json_schema
from taskmaster.assistants.json_schema import Schema
from taskmaster.domain.changes import ChangeStream, ListChanges, WatchTasks
from taskmaster.domain.task import FrozenModel, Task, TaskCommand
from taskmaster.handling.answers import Document
from taskmaster.handling.operation import Route
from tests.programs.specifications import answers
from tests.programs.specifications.examples import DOCUMENTS, QUERIES, REQUESTS, RESPONSES, STREAM
from tests.programs.specifications.served import ROOT, Served, served

FILE = ROOT / "docs" / "openapi.yaml"

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_TAGS = {
    "tasks": "A task: created, read, changed, completed, reopened, deleted.",
    "recurrence": "The dates of a recurring task.",
    "reminders": "Silence, and what a user prefers.",
    "calendar": "Open tasks as a calendar feed, at a secret address.",
    "pack": "The pack at work: functions, events and dead letters, for those whom PACK_VIEWERS names.",
}
_SECRET = {
    "name": "secret",
    "in": "path",
    "required": True,
    "description": "what PUT /calendar answers in `address`",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
}
_TAG_OF = {"occurrences": "recurrence", "skip": "recurrence", "snooze": "reminders", "dismiss": "reminders",
           "preferences": "reminders", "reminders": "reminders", "calendar": "calendar",
           "{secret}.ics": "calendar", "pack": "pack", "dead-letters": "pack", "replay": "pack"}  # fmt: skip


def document() -> dict[str, Any]:
    """The whole document."""
    components: dict[str, Schema] = {"Problem": answers.PROBLEM}
    paths: dict[str, Any] = {}
    for each in served():
        for route in each.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(each, route, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "taskmaster functions",
            "version": "1.0",
            "description": "A to-do back end of functions that sleep at zero: what people and their programs call. "
            "Who calls is who the bearer token says; nobody sees another's tasks. Every refusal is problem details "
            "(RFC 9457) with a sentence that says what to do. Each operation has a host of its own too, where its "
            "path is without /tasks; a CloudEvent POSTed to its root, or to /tasks where tasks are created, is handled "
            "as its type says. GET answers HEAD as well, and its ETag makes it conditional (RFC 9110, 13). There is "
            "one representation of everything, so that Accept, Range and dates in conditions are not looked at.",
        },
        "servers": [
            {"url": "http://localhost:8080", "description": "make up"},
            {
                "url": "https://{host}",
                "description": "a cluster, by the HTTPRoute's host name",
                "variables": {"host": {"default": "tasks.example.com"}},
            },
        ],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items(), key=lambda item: (not item[0].startswith("/tasks"), item[0]))),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the OpenID Connect provider (RFC 6750); on a laptop, what `make token` "
                    "prints.",
                }
            },
            "parameters": answers.PARAMETERS,
            "headers": answers.HEADERS,
            "responses": answers.responses(),
            "schemas": dict(sorted(components.items())),
        },
    }


def resolved(document: Mapping[str, Any], part: Any) -> Any:
    """A part of the document, or what it refers to."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _operation(each: Served, route: Route, components: dict[str, Schema]) -> dict[str, Any]:
    in_path = [name for name in _PATH_PARAMETER.findall(route.path) if name != "secret"]
    has_body = route.method in ("POST", "PUT", "PATCH")
    command = _hoisted(each.operation.command, components, written=False)
    fields = {name: field for name, field in command["properties"].items() if name not in in_path}
    required = [name for name in command.get("required", []) if name not in in_path]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _bare(command["properties"][name])}
        | {"description": command["properties"][name]["description"]}
        for name in in_path
    ]
    if each.operation.by_address:
        parameters.append(_SECRET)
    if not has_body:
        parameters += [_query(name, field, each, name in required) for name, field in fields.items()]
    described: dict[str, Any] = {
        "operationId": each.id,
        "tags": [_tag(route)],
        "summary": each.summary,
        **({"description": each.description} if each.description else {}),
        "parameters": [*parameters, *(_common(name) for name in _common_parameters(each, route))],
    }
    if has_body:
        name = each.operation.command.__name__
        body = {key: value for key, value in command.items() if key not in ("properties", "required")}
        components[name] = {**body, "properties": fields, **({"required": required} if required else {})}
        described["requestBody"] = _body(each, route, name, bool(required))
    if each.operation.by_address:
        described["security"] = []
    described["responses"] = _responses(each, route, components, has_body=has_body)
    return described


def _hoisted(model: type[FrozenModel], components: dict[str, Schema], *, written: bool) -> Schema:
    """The schema of a model, those within it among the components."""
    schema = json_schema.of(model, written=written, definitions="#/components/schemas/{model}")
    definitions: dict[str, Schema] = schema.pop("$defs", {})
    # What is read is closed and what is written is open: a model that is both has a name for each.
    names = {name: f"Shown{name}" if written and components.get(name, part) != part else name
             for name, part in definitions.items()}  # fmt: skip
    for name, part in definitions.items():
        components[names[name]] = _renamed(part, names)
    return dict(_renamed(schema, names))


def _renamed(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, list):
        return [_renamed(each, names) for each in part]
    if not isinstance(part, dict):
        return part
    renamed = {name: _renamed(value, names) for name, value in part.items()}
    if isinstance(part.get("$ref"), str):
        folder, _, name = part["$ref"].rpartition("/")
        renamed["$ref"] = f"{folder}/{names.get(name, name)}"
    return renamed


def _query(name: str, field: Schema, each: Served, required: bool) -> dict[str, Any]:
    example = QUERIES.get(each.id, {}).get(name)
    return {
        "name": name,
        "in": "query",
        **({"required": True} if required else {}),
        "description": field["description"],
        "schema": _bare(field),
        **({"example": example} if example is not None else {}),
    }


def _bare(field: Schema) -> Schema:
    """A field as a parameter: one that is null is one that is left out."""
    field = {name: value for name, value in field.items() if name != "description"}
    if "anyOf" in field:
        some = [each for each in field.pop("anyOf") if each != {"type": "null"}]
        field |= some[0] if len(some) == 1 else {"anyOf": some}
    return field


def _common_parameters(each: Served, route: Route) -> Iterable[str]:
    if _streams(each):
        yield "Last-Event-ID"
    elif (
        route.method == "GET"
        or (route.method == "PUT" and each.operation.types)
        or issubclass(each.operation.command, TaskCommand)
    ):
        yield "If-Match"
        yield "If-None-Match"
    if each.operation.types:
        yield "Idempotency-Key"
    yield "X-Correlation-Id"


def _common(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/parameters/{name}"}


def _body(each: Served, route: Route, name: str, required: bool) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if each.id in REQUESTS:
        media["examples"] = {"request": {"value": REQUESTS[each.id]}}
    kinds = ("application/merge-patch+json", "application/json") if route.method == "PATCH" else ("application/json",)
    return {"required": required, "content": dict.fromkeys(kinds, media)}


def _responses(
    each: Served, route: Route, components: dict[str, Schema], *, has_body: bool
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind in each.answers:
        if kind is ChangeStream:
            found["200"] = _stream()
            continue
        if kind is None:
            found["204"] = {"description": "Done; there is nothing to show."}
            continue
        if issubclass(kind, Document):
            found["200"] = _document(each, kind)
            continue
        components[kind.__name__] = _hoisted(kind, components, written=True)
        found[str(each.operation.status)] = {
            "description": "Done.",
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _headers(each, route, kind)},
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{kind.__name__}"},
                    **({"examples": {"answer": {"value": RESPONSES[each.id]}}} if each.id in RESPONSES else {}),
                }
            },
            **({"links": _links()} if each.id == "createTask" else {}),
        }
    if route.method == "GET" and not _streams(each):
        found["304"] = {"$ref": "#/components/responses/Unchanged"}
    for status in _refusals(each, route, has_body=has_body):
        found[str(status)] = {"$ref": f"#/components/responses/{answers.REFUSALS[status].name}"}
    return {status: {name: part for name, part in said.items() if part} for status, said in sorted(found.items())}


def _streams(each: Served) -> bool:
    return ChangeStream in each.answers


def _stream() -> dict[str, Any]:
    return {
        "description": "The stream, until the server ends it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "examples": {"stream": {"value": STREAM}}}},
    }


def _document(each: Served, kind: type[Document]) -> dict[str, Any]:
    media = kind.media.partition(";")[0]
    return {
        "description": "Done.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        "content": {media: {"schema": {"type": "string"}, "examples": {"answer": {"value": DOCUMENTS[each.id]}}}},
    }


def _headers(each: Served, route: Route, kind: type[FrozenModel]) -> list[str]:
    if not issubclass(kind, Task):
        return ["ETag"] if route.method == "GET" else []
    return ["ETag", "Location"] if each.operation.status == 201 else ["ETag"]


def _refusals(each: Served, route: Route, *, has_body: bool) -> list[int]:
    """The statuses that its caller may meet, beside those of success."""
    found = {400, 401, 422, 429, 503}
    if has_body:
        found |= {413, 415}
    if each.operation.types:
        found.add(409)
    if "{" in route.path:
        found.add(404)
    if _tag(route) == "pack":
        found |= {403, 409} if has_body else {403}
    if each.operation.by_address:
        found.remove(401)
    if "If-Match" in _common_parameters(each, route):
        found.add(412)
    if route.path.endswith("}/occurrences"):
        found.add(409)  # of a task that does not recur
    if issubclass(each.operation.command, ListChanges | WatchTasks):
        found.add(410)
    return sorted(found)


def _links() -> dict[str, Any]:
    """From a task that was created to all that can be asked about it."""
    return {
        each.id: {"operationId": each.id, "parameters": {"task_id": "$response.body#/task_id"}}
        for each in served()
        if any("{task_id}" in route.path for route in each.routes)
    }


def _tag(route: Route) -> str:
    return _TAG_OF.get(route.path.rpartition("/")[2], "tasks")
