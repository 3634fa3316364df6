"""Vikunja's export: a zip with data.json, in which each project has its tasks and the projects below it."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

from taskmaster import rfc3339
from taskmaster.importing import files
from taskmaster.importing.files import Reading
from taskmaster.importing.found import Found, NotReadable, before, found, key_of

_PRIORITIES = {1: "low", 2: "medium", 3: "high", 4: "urgent", 5: "urgent"}
_DAY, _MONTHLY, _FROM_COMPLETION = 86_400, 1, 2  # seconds; repeat_mode
_NOT_KEPT = {
    "assignees": "who is assigned",
    "attachments": "its attachments",
    "related_tasks": "the tasks that it is related to",
    "start_date": "when it starts",
    "end_date": "when it ends",
    "percent_done": "how much of it is done",
    "reactions": "reactions",
}
_DEEPEST = 50  # projects within projects


def tasks(content: bytes, reading: Reading) -> Iterator[Found]:
    """Its tasks; a project becomes a tag. Raises NotReadable."""
    yield from _of_projects(_data(content), reading, [])


def _data(content: bytes) -> Any:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive, archive.open("data.json") as file:
            text = file.read(files.LARGEST + 1)  # whatever the archive says of its size
        if len(text) > files.LARGEST:
            raise NotReadable(f"its data.json has more than {files.LARGEST // 1_000_000} MB")
        return json.loads(text)
    except KeyError:
        raise NotReadable("the zip has no data.json, so it is no export of Vikunja") from None
    except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, NotReadable):
            raise
        raise NotReadable(f"it is no export of Vikunja: {error}") from None


def _of_projects(projects: Any, reading: Reading, above: list[str]) -> Iterator[Found]:
    for project in _dicts(projects) if len(above) < _DEEPEST else []:
        name = str(project.get("title") or "")
        for task in _dicts(project.get("tasks")):
            yield _task(task, name, reading)
        for below in ("child_projects", "lists"):  # the second as it was called before version 0.21
            yield from _of_projects(project.get(below), reading, [*above, name])


def _task(task: dict[str, Any], project: str, reading: Reading) -> Found:
    lost: list[str] = []
    for name, says in _NOT_KEPT.items():
        value = task.get(name)
        if value and (not name.endswith("_date") or _moment(value)):
            lost.append(says)
    due = _moment(task.get("due_date"))
    comments = [_text(each.get("comment")) for each in _dicts(task.get("comments"))]
    labels = [str(each.get("title") or "") for each in _dicts(task.get("labels"))]
    pattern, from_completion = _recurrence(task, lost)
    return found(
        key_of("vikunja", task.get("id"), task.get("created")),
        str(task.get("title") or ""),
        description="\n\n".join(filter(None, [_text(task.get("description")), *comments])),
        priority=_PRIORITIES.get(_whole(task.get("priority"))),
        tags=[*labels, project],
        due=due,
        zone=reading.zone,
        pattern=pattern,
        from_completion=from_completion,
        reminders=_reminders(task, lost),
        completed=bool(task.get("done")),
        not_kept=lost,
    )


def _moment(text: Any) -> datetime | None:
    """A moment as it writes one; the year 1 is none."""
    try:
        found = rfc3339.timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.year > 1 else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _recurrence(task: dict[str, Any], lost: list[str]) -> tuple[str | None, bool]:
    seconds, mode = _whole(task.get("repeat_after")), _whole(task.get("repeat_mode"))
    if mode == _MONTHLY:
        return "monthly", False
    if seconds <= 0:
        return None, False
    if seconds % _DAY:
        lost.append(f"its recurrence: every {seconds} seconds is no number of days")
        return None, False
    return ("daily" if seconds == _DAY else f"every {seconds // _DAY} days"), mode == _FROM_COMPLETION


def _reminders(task: dict[str, Any], lost: list[str]) -> Iterator[str]:
    listed = task.get("reminders")
    for each in listed if isinstance(listed, list) else []:
        is_one = isinstance(each, dict)  # a moment alone, before version 0.21
        ahead = before(-_whole(each.get("relative_period"))) if is_one else None
        if ahead and each.get("relative_to") == "due_date":
            yield ahead
        elif moment := _moment(each.get("reminder") if is_one else each):
            yield rfc3339.written(moment)
        else:
            lost.append("a reminder")


def _text(html: Any) -> str:
    """The text of a description, which newer versions write as HTML."""
    if not isinstance(html, str) or "<" not in html:
        return html.strip() if isinstance(html, str) else ""
    reader = _Lines()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts).strip()


class _Lines(HTMLParser):
    """Text with a line for each paragraph and each item of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "li":
            self.parts.append("- ")
        elif tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li", "div", "h1", "h2", "h3", "blockquote", "pre"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
