"""The OpenAPI document as a page for people: plain HTML without a script, which show-page serves at /docs.

It is made here and not by the function or in the browser: a reader waits for nothing, and there is nothing to allow in
the Content-Security-Policy.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from tests.programs.specifications.openapi import resolved

Json = Mapping[str, Any]

_HEAD = """<!doctype html>
<!-- Made from the code by `make documents`; a test holds it to that. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API of taskmaster functions</title>
<link rel="icon" type="image/svg+xml" href="{{base}}icon.svg">
<link rel="stylesheet" href="{{base}}docs/style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the operations</a>
"""


def page(document: Json) -> str:
    """The whole page. Addresses of its files are filled in by the function."""
    info = document["info"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        _HEAD,
        "<header>",
        _element("h1", "API of taskmaster functions"),
        _element("p", info["description"]),
        '<p><a href="/openapi.yaml">openapi.yaml</a> is the same for programs (OpenAPI 3.1). <a href="/">The page</a> '
        "is for people.</p>",
        "</header>",
        '<nav aria-label="Operations"><ul>',
        *(_entry(*each) for each in operations),
        "</ul></nav>",
        '<main id="main">',
    ]
    for tag in document["tags"]:
        parts += [_element("h2", tag["name"].capitalize()), _element("p", tag["description"])]
        for method, path, operation in operations:
            if operation["tags"] == [tag["name"]]:
                parts += _operation(document, method, path, operation)
    parts += [_element("h2", "Schemas")]
    for name, schema in document["components"]["schemas"].items():
        parts += [f'<section id="{escape(name)}">', _element("h3", name), *_schema(schema), "</section>"]
    return "\n".join([*parts, "</main>", "</body>", "</html>", ""])


def _entry(method: str, path: str, operation: Json) -> str:
    link = f'<a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a>'
    return f"<li>{_method(method)} {_element('code', path)} {link}</li>"


def _operation(document: Json, method: str, path: str, operation: Json) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}">'
    yield f"<h3>{_method(method)} {_element('code', path)}</h3>"
    yield _element("p", operation["summary"] + ".", kind="summary")
    if "description" in operation:
        yield _element("p", operation["description"])
    parameters = [resolved(document, each) for each in operation["parameters"]]
    yield from _table(
        "Parameters",
        ("name", "in", "type", "meaning"),
        (
            (
                _named(each["name"], is_required=each.get("required", False)),
                escape(each["in"]),
                _type(each["schema"]),
                escape(each["description"]),
            )
            for each in parameters
        ),
    )
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]
        yield _element("h4", f"Body: {' or '.join(content)}")
        yield from _media(next(iter(content.values())))
    yield from _table(
        "Answers",
        ("status", "meaning", "content"),
        ((f"<b>{status}</b>", *_answer(resolved(document, said))) for status, said in operation["responses"].items()),
    )
    for status, said in operation["responses"].items():
        if "$ref" not in said:
            for media in said.get("content", {}).values():
                yield from _examples(f"Example of {status}", media)
    yield "</section>"


def _answer(said: Json) -> tuple[str, str]:
    kinds = [f"{escape(kind)}: {_type(media['schema'])}" for kind, media in said.get("content", {}).items()]
    headers = f" Headers: {', '.join(said['headers'])}." if "headers" in said else ""
    return escape(said["description"] + headers), ", ".join(kinds)


def _media(media: Json) -> Iterator[str]:
    yield f"<p>{_type(media['schema'])}</p>"
    yield from _examples("Example", media)


def _examples(title: str, media: Json) -> Iterator[str]:
    for example in media.get("examples", {}).values():
        value = example["value"]
        text = (
            value.replace("\r\n", "\n") if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        )
        yield f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def _schema(schema: Json) -> Iterator[str]:
    if "description" in schema:
        yield _element("p", schema["description"])
    if "properties" not in schema:
        yield f"<p>{_type(schema)}</p>"
        return
    required = schema.get("required", [])
    yield from _table(
        "",
        ("field", "type", "meaning"),
        (
            (_named(name, is_required=name in required), _type(field), escape(field.get("description", "")))
            for name, field in schema["properties"].items()
        ),
    )


def _table(title: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table whose cells are markup already; nothing where it has no rows."""
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    if not lines:
        return
    if title:
        yield _element("h4", title)
    yield f"<table><thead><tr>{''.join(_element('th', head) for head in heads)}</tr></thead><tbody>"
    yield from lines
    yield "</tbody></table>"


def _type(schema: Json) -> str:
    """A schema in a few words, as markup."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    if "enum" in schema or "const" in schema:
        return ", ".join(_element("code", json.dumps(each)) for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}{_limits(schema, 'minItems', 'maxItems')}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    format_ = f" ({escape(schema['format'])})" if "format" in schema else ""
    limits = _limits(schema, "minimum", "maximum") + _limits(schema, "minLength", "maxLength")
    return f"{escape(str(kind))}{format_}{limits}"


def _limits(schema: Json, least: str, most: str) -> str:
    said = [f"from {schema[least]}"] if least in schema else []
    said += [f"to {schema[most]}"] if most in schema else []
    return f", {' '.join(said)}" if said else ""


def _named(name: str, *, is_required: bool) -> str:
    return _element("code", name) + (" <small>required</small>" if is_required else "")


def _method(method: str) -> str:
    return f'<b class="method {method.lower()}">{method}</b>'


def _element(name: str, text: str, *, kind: str = "") -> str:
    said = f' class="{kind}"' if kind else ""
    return f"<{name}{said}>{escape(text)}</{name}>"
