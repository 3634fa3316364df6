"""One task out of a file, as the pack can have it, and what of it could not be kept. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from taskmaster import rfc3339
from taskmaster.domain.recurring_task import check_recurrence, first_occurrence
from taskmaster.domain.reminders import MOST, parse_reminder
from taskmaster.domain.task import (
    LONGEST_DESCRIPTION,
    LONGEST_TAG,
    LONGEST_TITLE,
    MOST_TAGS,
    Refused,
    Task,
    is_kept,
)

_A_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


class NotReadable(ValueError):
    """A file that is none of these. The text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A task to be made: `fields` are those of POST /tasks, `key` is its idempotency key."""

    key: str
    fields: dict[str, Any]
    completed: bool = False
    not_kept: tuple[str, ...] = ()
    left_out: str = ""  # why it is no task at all

    @property
    def title(self) -> str:
        return str(self.fields["title"])


def key_of(kind: str, *identity: Any) -> str:
    """An idempotency key by what makes a task of a file this one and no other."""
    told = json.dumps([kind, *identity], ensure_ascii=False, default=str)
    return f"import-{kind}-{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def found(
    key: str,
    title: str,
    *,
    description: str = "",
    priority: str | None = None,
    tags: Iterable[str] = (),
    due: date | datetime | None = None,
    zone: str = "UTC",
    pattern: str | None = None,
    from_completion: bool = False,
    reminders: Iterable[str] = (),
    completed: bool = False,
    not_kept: Iterable[str] = (),
) -> Found:
    """The task within the pack's limits. What is cut or left out is told in `not_kept`, behind what the file's own is.

    `due` is a day, or an aware moment.
    """
    lost = list(not_kept)
    fields: dict[str, Any] = {"title": _cut(title, LONGEST_TITLE, "title", lost) or "(no title)"}
    if text := _cut(description, LONGEST_DESCRIPTION, "description", lost):
        fields["description"] = text
    if priority:
        fields["priority"] = priority
    if listed := list(dict.fromkeys(filter(None, (_cut(tag, LONGEST_TAG, "tag", lost) for tag in tags)))):
        fields["tags"] = listed[:MOST_TAGS]
        lost += [f"tag {tag}" for tag in listed[MOST_TAGS:]]
    if due is not None and not is_kept(due.astimezone(UTC) if isinstance(due, datetime) else due):
        lost.append(f"the date {due}: it lies outside of the years 1970 to 9000")
        due = None
    if due is not None:
        is_moment = isinstance(due, datetime)
        fields["due_at" if is_moment else "due_on"] = (
            rfc3339.written(due.astimezone(UTC)) if isinstance(due, datetime) else due.isoformat()
        )
        fields["time_zone"] = zone
    if pattern and completed:
        lost.append(f"its recurrence ({pattern}): it is done")
    elif pattern and (why := _obstacle(pattern, due, zone)):
        lost.append(f"its recurrence ({pattern}): {why}")
    elif pattern:
        fields["recurrence_pattern"] = pattern
        if from_completion:
            fields["recurrence_from"] = "completion"
    if kept := _reminders(reminders, due, lost):
        fields["reminders"] = kept
    return Found(key=key, fields=fields, completed=completed, not_kept=tuple(lost))


def signature(task: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a task of the pack the same as one of a file: its title, its notes and its date."""
    moment = task.get("due_at")
    at = rfc3339.timestamp(moment) if moment else None
    return task["title"], task.get("description"), task.get("due_on"), at and at.astimezone(UTC)


def before(seconds: float) -> str | None:
    """A reminder so many seconds before the due time; None where that is behind it, or no whole second."""
    whole = round(seconds)
    if whole < 0 or abs(whole - seconds) > 0.5:
        return None
    days, rest = divmod(whole, 86_400)
    return f"P{days}D" if days and not rest else f"PT{whole}S"


def _cut(text: str, longest: int, what: str, lost: list[str]) -> str:
    text = text.replace("\x00", "").strip()
    if len(text) <= longest:
        return text
    lost.append(f"the end of its {what}: {longest} characters are kept")
    return text[: longest - 1] + "…"


def _obstacle(pattern: str, due: date | datetime | None, zone: str) -> str | None:
    """Why a task of this date cannot follow a pattern."""
    moment = due.astimezone(UTC) if isinstance(due, datetime) else None
    task = Task.model_construct(
        task_id=1,
        title="x",
        due_at=moment,
        due_on=None if moment else due,
        time_zone=zone,
        recurrence_pattern=pattern,
        created_at=_A_MOMENT,
        updated_at=_A_MOMENT,
    )
    try:
        first_occurrence(check_recurrence(task))
    except Refused as refusal:
        return refusal.detail
    return None


def _reminders(written: Iterable[str], due: date | datetime | None, lost: list[str]) -> list[str]:
    kept: list[str] = []
    for text in dict.fromkeys(written):
        try:
            parsed = parse_reminder(text)
        except ValueError as error:
            lost.append(f"a reminder ({text}): it {error}")
            continue
        if due is None and not isinstance(parsed, datetime):
            lost.append(f"a reminder ({text}): the task has no date")
        elif len(kept) == MOST:
            lost.append(f"a reminder ({text}): a task has {MOST} at most")
        else:
            kept.append(text)
    return kept
