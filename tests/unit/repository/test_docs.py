"""Every page says what is there: settings, make targets, modules, tests, and links that lead somewhere."""

import ast
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from taskmaster.events.routes import TOPICS
from taskmaster.settings import Settings
from tests.support.documents import rows

ROOT = Path(__file__).parents[3]
# Folders that are made here, and are not of the repository.
MADE_HERE = {".venv", ".local", ".pytest_cache", "node_modules"}
DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if not MADE_HERE & {*path.relative_to(ROOT).parts})
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
CONFIGURATION = ROOT / "docs" / "configuration.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ROOMS = sorted(path.parent for path in (ROOT / "functions" / "taskmaster").glob("*/__init__.py"))


def table(document: Path, first: str) -> dict[str, str]:
    """The second column by the first, of the table whose first heading this is."""
    found: dict[str, str] = {}
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        inside = bool(cells) and (inside or cells[0] == first)
        if inside and cells[0] != first and not cells[0].startswith("---"):
            found[cells[0].strip("`")] = cells[1]
    return found


def starts(document: Path, folder: str) -> list[list[str]]:
    """The rows of a table of rooms: what is there, what it is for, where to start."""
    lines = document.read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"| `{folder}/` |")) + 2
    found = itertools.takewhile(lambda line: line.startswith("|"), lines[first:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def shown(default: object) -> str:
    """A default as the document writes it."""
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def prose(document: Path) -> str:
    """The page without its code, in which a # is a comment and brackets are no link."""
    text = re.sub(r"^( *)```.*?^\1```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4,}\S.*$|`[^`\n]+`(?!\])", "", text, flags=re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """The headings as GitHub makes anchors of them: a heading that comes again is numbered."""
    text = re.sub(r"^( *)```.*?^\1```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        found[re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")] += 1
    return {f"{anchor}-{again}" if again else anchor for anchor, count in found.items() for again in range(count)}


def test_every_setting_is_documented_with_its_default_and_none_that_is_not_there() -> None:
    settings = {name.upper(): shown(field.default) for name, field in Settings.model_fields.items()}
    assert table(CONFIGURATION, "variable") == settings


@each_document
def test_every_variable_that_is_set_in_an_example_exists(document: Path) -> None:
    set_there = set(re.findall(r"(?:^|\s|`)([A-Z][A-Z_]*_[A-Z_]+)=", document.read_text(encoding="utf-8")))
    known = {*table(CONFIGURATION, "variable"), *table(CONFIGURATION, "server variable")}
    known |= {*table(ROOT / "docs" / "client.md", "client variable")}
    assert set_there <= known


@each_document
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    code = [*fenced, *re.findall(r"^ {4}.+$", text, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)]
    named = {target for piece in code for target in re.findall(r"\bmake (?:-\w+ )*([a-z][a-z-]*)", piece)}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_the_reader_of_links_sees_them_and_the_headings() -> None:
    """A parser that finds nothing would pass everything."""
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "architecture.md"} <= {path.name for path in DOCUMENTS}
    assert len(re.findall(r"\]\(([^)\s]+)\)", prose(ROOT / "README.md"))) > 20
    assert {"code-map", "time"} <= anchors(ARCHITECTURE)


def test_the_readme_is_short() -> None:
    """Whoever arrives reads it to the end; what is longer has a page of its own."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


@pytest.mark.parametrize("folder", ["functions", "helm"])
def test_the_code_map_has_every_module_of_a_flat_folder(folder: str) -> None:
    modules = {path.name for path in (ROOT / folder).glob("*.py") if not path.name.startswith("__")}
    assert table(ARCHITECTURE, f"`{folder}/`").keys() == modules


@pytest.mark.parametrize("folder", ["functions/taskmaster", "knative"])
def test_the_code_map_has_every_room_and_where_to_start(folder: str) -> None:
    rows = {name.strip("`"): row for row in starts(ARCHITECTURE, folder) for name in row[0].split(", ")}
    rooms = {f"{path.parent.name}/" for path in (ROOT / folder).glob("*/__init__.py")}
    files = {path.name for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"}
    assert {name for name in rows if name.endswith("/")} >= rooms
    assert {name for name in rows if name.endswith(".py")} == files
    for name, (_, _, start) in rows.items():
        inside = name if name.endswith("/") else ""
        assert (ROOT / folder / inside / start.strip("`")).exists(), name


def test_every_file_that_answers_a_question_exists() -> None:
    answers = rows("architecture.md", "question", "file")
    for question, answer in answers:
        files = re.findall(r"[\w/.]+\.(?:py|sql)", answer)
        assert files, question
        for name in files:
            assert any((ROOT / folder / name).is_file() for folder in ("", "functions/taskmaster")), name
    assert len(answers) > 15


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_the_face_of_a_room_is_a_docstring_that_names_where_to_start(room: Path) -> None:
    face = (room / "__init__.py").read_text(encoding="utf-8")
    module, name = re.findall(r"Start at `(\w+)\.(\w+)`", face)[0]
    assert len(ast.parse(face).body) == 1
    assert re.search(rf"^(class|def) {name}\b", (room / f"{module}.py").read_text(encoding="utf-8"), re.MULTILINE)


@each_document
def test_every_test_that_is_named_exists(document: Path) -> None:
    if document.name == "adding-an-operation.md":
        return  # it names the test that its reader is to write
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document.read_text(encoding="utf-8"))
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []


@each_document
def test_the_number_of_functions_and_of_topics_is_right(document: Path) -> None:
    functions = len(list((ROOT / "functions").glob("*.py")))
    right = {"functions": functions, "Services": functions, "topics": len(TOPICS)}
    named = re.findall(r"\b(\d+) (?:small Python )?(functions|Services|topics)\b", document.read_text(encoding="utf-8"))
    assert [(number, what) for number, what in named if int(number) != right[what]] == []


def test_every_promise_names_a_test_that_proves_it() -> None:
    for promise, proven_by, _ in rows("reliability.md", "promise", "proven by", "not covered"):
        assert re.search(r"tests/[\w/]+\.py", proven_by), promise
    for outage, what in rows("reliability.md", "what is away", "what happens, and the test of it"):
        assert re.search(r"tests/[\w/]+\.py::", what), outage
