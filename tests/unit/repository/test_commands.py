"""The commands that the pages tell to type exist, with their options; and what a log is said to say, it says."""

import re
import shlex
from pathlib import Path

import click
import pytest

from knative.local.__main__ import main as stand_in
from taskmaster.broker.topics import wanted
from taskmaster.cli.__main__ import main as taskmaster
from taskmaster.settings import read
from tests.unit.repository.test_guides import DOCUMENTS, ROOT, commands

TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
PAGES = [*DOCUMENTS, ROOT / "tests" / "README.md", ROOT / ".github" / "CONTRIBUTING.md"]
# Behind the name, up to what ends a command in a shell.
CALLS: dict[str, tuple[click.Command, re.Pattern[str]]] = {
    "taskmaster": (taskmaster, re.compile(r"(?:^|-- |run |bin/|[;(] ?)taskmaster ([^|;&>#)]+)")),
    "stand-in": (stand_in, re.compile(r"-m knative\.local ([^|;&>#)]+)")),
}
# What troubleshooting.md quotes of ours, and where it is said.
SAID = {
    "the schema is up to date": "functions/taskmaster/cli/__main__.py",
    "topics are as they should be": "functions/taskmaster/cli/__main__.py",
    "the database refused: ": "functions/taskmaster/cli/__main__.py",
    "DEV_TOKEN_SECRET is no longer read": "functions/taskmaster/settings.py",
    "token rejected": "functions/taskmaster/identity/oidc.py",
    "unavailable:": "functions/taskmaster/web/door.py",
    "publishing waits:": "functions/taskmaster/broker/publisher.py",
    "cannot be published:": "functions/taskmaster/broker/outbox.py",
    "dispatching waits:": "functions/taskmaster/reminding/dispatcher.py",
    "an invocation failed": "functions/taskmaster/web/door.py",
    "goes to the dead letters": "functions/taskmaster/handling/attempts.py",
    "no dead letters": "functions/taskmaster/cli/dead_letters.py",
    "no KafkaSource can ever send it": "functions/taskmaster/broker/records.py",
    "to go, this one is": "functions/taskmaster/cli/records.py",
    "task.command.rejected": "functions/taskmaster/events/routes.py",
    "is left over from an earlier installation, with other": "helm/taskmaster/templates/_check.tpl",
    "there is no Secret": "helm/taskmaster/templates/_check.tpl",
    "missing  ": "knative/platform/install.sh",
}


def unknown(program: click.Command, words: list[str]) -> str:
    """What click would refuse of a command line: a command or an option that is not there; nothing if it takes it."""
    context = click.Context(program, info_name="")
    while isinstance(program, click.Group):
        if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            return ""  # the program's own options, or a name in place of a command
        found = program.get_command(context, words[0])
        if found is None:
            return f"there is no command {words[0]}"
        program, words = found, words[1:]
    try:
        within = click.Context(program, **program.context_settings)
        program.make_parser(within).parse_args(list(words))
    except click.NoSuchOption as error:  # that an option lacks its value is how prose names it
        return error.format_message()
    except click.BadOptionUsage:
        pass
    return ""


def called(document: Path, pattern: re.Pattern[str]) -> list[list[str]]:
    found = [words for command in commands(document) for words in pattern.findall(command)]
    return [shlex.split(re.sub(r"[\\'\"]", " ", words)) for words in found]


@pytest.mark.parametrize("program", CALLS)
@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_a_page_names_exists(document: Path, program: str) -> None:
    command, pattern = CALLS[program]
    refused = {" ".join(words): unknown(command, words) for words in called(document, pattern)}
    assert {words: why for words, why in refused.items() if why} == {}


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_that_a_page_names_exists(document: Path) -> None:
    for command in commands(document):
        for script, word in re.findall(r"(?:^|\s)((?:knative|tests|helm)/\S+\.sh)\b(?: ([a-z]+)\b)?", command):
            assert (ROOT / script).exists(), command
            assert not word or f"{word})" in (ROOT / script).read_text(), command


def test_the_image_is_built_with_requirements_that_exist() -> None:
    named = {
        name for page in PAGES for each in commands(page) for name in re.findall(r"requirements-[a-z]+\.txt", each)
    }
    assert named >= {"requirements-telemetry.txt", "requirements-apprise.txt"}
    assert all((ROOT / "functions" / name).exists() for name in named)


@pytest.mark.parametrize("text", SAID)
def test_what_troubleshooting_quotes_is_said(text: str) -> None:
    assert text in TROUBLESHOOTING.read_text(encoding="utf-8")
    assert text in (ROOT / SAID[text]).read_text(encoding="utf-8")


def test_troubleshooting_knows_how_many_topics_there_are() -> None:
    counted = re.findall(r"all (\d+) topics", TROUBLESHOOTING.read_text(encoding="utf-8"))
    assert counted
    assert {int(number) for number in counted} == {len(wanted(read({})))}


def test_a_command_that_is_not_there_is_seen() -> None:
    assert "sweep" in unknown(taskmaster, ["sweep"])
    assert "--forcibly" in unknown(taskmaster, ["topics", "--forcibly"])
    assert "mend" in unknown(taskmaster, ["records", "mend", "x"])
    assert unknown(taskmaster, ["dead-letters", "list", "--since", "2h"]) == ""
    assert sum(len(called(TROUBLESHOOTING, pattern)) for _, pattern in CALLS.values()) >= 10
