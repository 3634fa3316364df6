"""The chart's README: README.md.in, with tables made from the comments of values.yaml and of the profiles."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from helm.command import CHART, PROFILES

FILE = CHART / "README.md"
_TEXT = CHART / "README.md.in"
# Shown whole, in tables of their own or in the text.
_WHOLE = (
    "functions",
    "queueProxy",
    "defaults.resources",
    "networkPolicy.callers",
    "networkPolicy.internetExcept",
    "settings",
)


def current() -> str:
    """The README as it should be."""
    text = _TEXT.read_text(encoding="utf-8")
    return text.replace("@VALUES@", _values()).replace("@FUNCTIONS@", _functions()).replace("@PROFILES@", _profiles())


def described() -> dict[str, tuple[str, Any]]:
    """Every value by its path, with its description (the comment above it) and its default."""
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    root = yaml.compose("\n".join(lines))
    assert isinstance(root, yaml.MappingNode)
    return dict(_leaves(root, "", "", lines))


def _leaves(node: yaml.MappingNode, prefix: str, above: str, lines: list[str]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """A value without a comment has that of the map that it is in."""
    for key, value in node.value:
        path, comment = f"{prefix}{key.value}", _comment(lines, key.start_mark.line) or above
        if isinstance(value, yaml.MappingNode) and value.value and path not in _WHOLE:
            yield from _leaves(value, f"{path}.", comment, lines)
        else:
            yield path, (comment, yaml.SafeLoader("").construct_document(value))


def _comment(lines: list[str], line: int) -> str:
    """The comment that ends in the line before."""
    found: list[str] = []
    for above in reversed(lines[:line]):
        if not above.strip().startswith("#"):
            break
        found.insert(0, above.strip().removeprefix("#").removeprefix(" "))
    # What is set in columns is a list for whoever reads the file.
    return " ".join(part for part in found if not part.startswith("  ")).strip()


def _values() -> str:
    rows = ["| value | default | what it is |", "|---|---|---|"]
    for path, (comment, default) in described().items():
        shown = "see below" if path == "functions" else f"`{json.dumps(default)}`"
        rows.append(f"| `{path}` | {shown} | {_cell(comment)} |")
    return "\n".join(rows)


def _functions() -> str:
    functions = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["functions"]
    rows = ["| function | records of | routes | pods at most |", "|---|---|---|---|"]
    for name, entry in functions.items():
        routes = ", ".join(f"`{route}`" for route in entry.get("routes", ()))
        topics = ", ".join(f"`{topic}`" for topic in entry.get("topics", ()))
        rows.append(f"| {name} | {topics} | {routes} | {entry.get('maxScale', 5)} |")
    return "\n".join(rows)


def _profiles() -> str:
    rows = ["| profile | for | Secrets |", "|---|---|---|"]
    for file in sorted(PROFILES.glob("*.yaml")):
        comment = []
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            comment.append(line.removeprefix("#").strip())
        purpose, _, secrets = "\n".join(comment).partition("\nSecrets: ")
        rows.append(
            f"| [{file.stem}](profiles/{file.name}) | {_cell(_sentence(purpose))} | {_cell(_sentence(secrets))} |"
        )
    return "\n".join(rows)


def _sentence(text: str) -> str:
    """The first sentence of a comment, which says it all."""
    joined = " ".join(text.partition("\nkubectl")[0].split())
    head, stop, _ = joined.partition(". ")
    return head + stop.strip() if stop else joined


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
