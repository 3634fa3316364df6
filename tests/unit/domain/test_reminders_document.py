"""docs/reminders.md says when a reminder is sent: every row of its tables is read out of it and tried."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from taskmaster.domain.preferences import Preferences, QuietHours
from taskmaster.domain.reminders import Reminders, moments
from taskmaster.domain.task import Task
from taskmaster.reminding.webhook import _classified
from tests.support.documents import rows

ZURICH = ZoneInfo("Europe/Zurich")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH).astimezone(UTC)


def written(moment: datetime) -> str:
    return f"{moment.astimezone(ZURICH):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(("due", "reminders", "rings"), rows("reminders.md", "due", "reminders", "sent"))
def test_it_rings_as_written(due: str, reminders: str, rings: str) -> None:
    given = json.loads(reminders)
    task = Task(
        task_id=1,
        title="x",
        due_at=local(due) if " " in due else None,
        due_on=date.fromisoformat(due) if "-" in due and " " not in due else None,
        time_zone="Europe/Zurich",
        reminders=None if given is None else TypeAdapter(Reminders).validate_python(given),
        created_at=NOW,
        updated_at=NOW,
    )
    assert ", ".join(map(written, moments(task, day_hour="09:00"))) == rings


@pytest.mark.parametrize(("quiet", "meant_for", "rings"), rows("reminders.md", "quiet hours", "meant for", "sent"))
def test_quiet_hours_hold_it_back_as_written(quiet: str, meant_for: str, rings: str) -> None:
    start, end = quiet.split(" to ")
    preferences = Preferences(time_zone="Europe/Zurich", quiet_hours=QuietHours(start=start, end=end))
    moment = local(meant_for)
    assert written(preferences.quiet_until(moment) or moment) == rings


@pytest.mark.parametrize(("status", "follows"), rows("reminders.md", "answer", "what follows"))
def test_an_answer_has_the_outcome_written(status: str, follows: str) -> None:
    assert _classified(int(status), "").outcome == follows


def test_the_tables_were_found() -> None:
    assert (
        len(rows("reminders.md", "due", "reminders", "sent")),
        len(rows("reminders.md", "quiet hours", "meant for", "sent")),
    ) == (16, 7)
