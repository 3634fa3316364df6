r"""Rows as PostgreSQL's COPY writes them in its text format, from the JSON of a task.

A file of them is loaded by `\copy`, and compares byte by byte with what COPY writes of a table (in UTC, ISO dates).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"})
_BARE = re.compile(r'[^{}",\\ \t\n\r\v\f]+')  # an element of an array that needs no quotes


def row(values: Mapping[str, Any], columns: Mapping[str, Callable[[Any], str]]) -> str:
    """One line without its end: a value for each column, as that column writes it."""
    return "\t".join(NULL if (value := values.get(name)) is None else write(value) for name, write in columns.items())


def text(value: Any) -> str:
    return str(value).translate(_ESCAPES)


def boolean(value: Any) -> str:
    return "t" if value else "f"


def moment(value: Any) -> str:
    """An RFC 3339 moment as `timestamptz` is written where the session's zone is UTC."""
    at = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(" ").rstrip("0") + "+00" if at.microsecond else at.isoformat(" ") + "+00"


def texts(value: Any) -> str:
    """A list as `text[]`."""
    return ("{" + ",".join(map(_element, value)) + "}").translate(_ESCAPES)


def _element(value: str) -> str:
    if _BARE.fullmatch(value) and value.upper() != "NULL":
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
