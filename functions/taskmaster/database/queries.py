"""The named SQL of sql/queries: read once, called by name.

Python writes no SQL of its own. It puts the lists of sql/columns.sql into the places that a query names.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import LiteralString

_FOLDER = Path(__file__).parent / "sql"
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_FORMS: Mapping[str, Callable[[list[str]], str]] = {
    "names": ", ".join,
    "values": lambda columns: ", ".join(f"%({column})s" for column in columns),
    "changes": lambda columns: ", ".join(f"{column} = %({column})s" for column in columns),
    "matches": lambda columns: " AND ".join(f"{column} = %({column})s" for column in columns),
}


def named(file: str) -> dict[str, LiteralString]:
    """Every query of one file by the name in its `-- name:` line, without comments."""
    return {name: _with_columns(text) for name, text in _sections(f"queries/{file}", "name").items()}


@cache
def columns() -> Mapping[str, list[str]]:
    """Every list of columns by its name."""
    return {name: re.split(r",\s*", text) for name, text in _sections("columns.sql", "columns").items()}


def _sections(file: str, heading: str) -> dict[str, str]:
    text = (_FOLDER / file).read_text(encoding="utf-8")
    _, *parts = re.split(rf"^-- {heading}: (\w+)$", text, flags=re.MULTILINE)
    bodies = (re.sub(r"^--.*\n", "", part, flags=re.MULTILINE).strip() for part in parts[1::2])
    return dict(zip(parts[0::2], bodies, strict=True))


def _with_columns(query: str) -> LiteralString:
    """A query with its columns in place. Other places, such as those of an order, stay for psycopg's `sql.SQL`."""

    def put(place: re.Match[str]) -> str:
        if (listed := columns().get(place[1])) is None:
            return place[0]
        return _FORMS[place[2] or "names"](listed)

    return _PLACE.sub(put, query)
