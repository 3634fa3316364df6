"""A pytest plugin: the summary has one line for each reason why tests were skipped, and not one for each test."""

from collections import Counter
from collections.abc import Iterable

import pytest


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """How many tests were skipped for each reason, the most first."""
    reasons = Counter(_reason(report) for report in reports)
    return [f"SKIPPED [{count}] {reason}" for reason, count in reasons.most_common()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in lines(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line)


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
