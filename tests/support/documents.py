"""The examples of the documents for users: tables whose every row a test tries."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def rows(document: str, *header: str) -> list[list[str]]:
    """The rows of all tables with this header in a document of docs/."""
    found, table = [], False
    for line in (DOCS / document).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        if not line.startswith("|"):
            table = False
        elif cells == list(header):
            table = True
        elif table and not cells[0].startswith("---"):
            found.append(cells)
    return found
