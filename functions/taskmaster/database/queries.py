"""The named SQL of sql/queries: read once, called by name. Python never builds SQL."""

import re
from pathlib import Path
from typing import LiteralString, cast

_FOLDER = Path(__file__).parent / "sql" / "queries"


def named(file: str) -> dict[str, LiteralString]:
    """Every query of one file by the name in its `-- name:` line, comments left out."""
    text = (_FOLDER / file).read_text(encoding="utf-8")
    _, *parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    bodies = (re.sub(r"^--.*\n", "", part, flags=re.MULTILINE).strip() for part in parts[1::2])
    return dict(zip(parts[0::2], cast("list[LiteralString]", list(bodies)), strict=True))
