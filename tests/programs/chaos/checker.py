"""The checker: holds a history against every promise. It shares no code with what it checks: it reads files."""

from pathlib import Path

from tests.programs.chaos.facts import History, load
from tests.programs.chaos.promises import commands, dead_letters, publishing, rebuilt, reminders, rest, series, stories
from tests.programs.chaos.promises.verdict import Verdict


def check(directory: Path) -> Verdict:
    """Read a history and check it. Raises FileNotFoundError for one that was not written to its end."""
    return judge(load(directory))


def judge(history: History) -> Verdict:
    verdict = Verdict()
    for promise in (commands, publishing, series, reminders, dead_letters, rest, rebuilt, stories):
        promise.check(history, verdict)
    return verdict
