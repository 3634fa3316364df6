"""The demo's page, in a terminal and without one."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from knative.cluster.pods import Ledger
from knative.cluster.view import View
from tests.unit.cluster.test_pods import pod


def shown(*, terminal: bool) -> str:
    page = StringIO()
    console = Console(file=page, force_terminal=terminal, width=120, color_system=None)
    ledger = Ledger()
    with View(console, ledger, ["create-task", "query-tasks"]) as view:
        ledger.record("ADDED", pod(ready=True), at=datetime.now(UTC))
        view.say("a record on create-task")
        view.refresh()
    return page.getvalue()


def test_in_a_terminal_every_function_has_a_line_with_its_pods() -> None:
    page = shown(terminal=True)
    assert "●" in page
    assert "query-tasks" in page
    assert "zero" in page
    assert "a record on create-task" in page


def test_without_one_only_what_changes_is_told() -> None:
    page = shown(terminal=False)
    assert "create-task: ready" in page
    assert "query-tasks" not in page
    assert "a record on create-task" in page
    assert "\x1b" not in page
