"""What is told of a row of the inbox, and what is not."""

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from taskmaster.database.system_transaction import NewestCommand
from taskmaster.overview.commands import ASKED, TOLD, shown

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def row(**fields: Any) -> NewestCommand:
    given = {"function": "create-task", "source": "idempotency-key", "attempts": 1, "status": 201, "has_reason": False}
    return NewestCommand(**{**given, "received_at": AT, **fields})


@pytest.mark.parametrize(
    ("fields", "sender", "kind"),
    [
        ({}, "call", "task.create"),
        ({"source": "/the-budget-of-grace"}, "outside", "task.create"),
        ({"source": "/taskmaster/call-tools"}, "call-tools", None),
        ({"source": "/taskmaster/grace"}, "outside", None),
        ({"function": "schedule-next-recurrence", "source": "/taskmaster/complete-task"}, "complete-task",
         "task.completed"),
        ({"function": "schedule-next-recurrence"}, "call", "task.skip"),
        ({"function": "snooze-reminder"}, "call", None),
        ({"function": "send-reminder", "source": "/taskmaster/dispatch-due-reminders"}, "dispatch-due-reminders", None),
    ],
)  # fmt: skip
def test_who_sent_it_and_of_which_type_it_is(fields: dict[str, Any], sender: str, kind: str | None) -> None:
    told = shown(row(**fields))
    assert (told.sender, told.type) == (sender, kind)


@pytest.mark.parametrize(
    ("status", "has_reason", "outcome"),
    [
        (None, False, "under way"), (201, False, "handled"), (204, True, "parked"), (422, True, "refused"),
        (409, False, "refused"),
    ],
)  # fmt: skip
def test_what_came_of_it(status: int | None, has_reason: bool, outcome: str) -> None:
    assert shown(row(status=status, has_reason=has_reason)).outcome == outcome


def test_the_types_are_those_that_the_functions_take() -> None:
    for function, kind in [*ASKED.items(), *TOLD.items()]:
        name = function.replace("-", "_")
        operations = getattr(importlib.import_module(name), name).operations
        taken = [event_type for each in operations for event_type in each.types]
        others = {ASKED.get(function), TOLD.get(function)} - {kind}
        assert kind in taken, function
        assert set(taken) <= {kind, *others}, function
