"""The examples of the documents for users: tables whose every row a test tries."""

from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "recurrence.md"


def rows(*header: str) -> list[list[str]]:
    """The rows of all tables with this header."""
    found, table = [], False
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            table = False
        elif cells == list(header):
            table = True
        elif table and not cells[0].startswith("---"):
            found.append(cells)
    return found
