"""Which kind of file it is, told from its content, and the tasks in it."""

import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO
from typing import NamedTuple

from taskmaster.importing.found import Found, NotReadable

LARGEST = 100_000_000  # bytes, of a file and of what is packed in one


class Reading(NamedTuple):
    """How a file is read: the zone of times that say none, and the day that `today` is."""

    zone: str
    today: date


def read(content: bytes, reading: Reading) -> tuple[str, Iterator[Found]]:
    """The name of the kind, and the tasks. Raises NotReadable, here or while they are read."""
    if len(content) > LARGEST:
        raise NotReadable(f"it has more than {LARGEST // 1_000_000} MB")
    kind, reader = _reader(content)
    return kind, reader(content, reading)


def _reader(content: bytes) -> tuple[str, Callable[[bytes, Reading], Iterator[Found]]]:
    begin = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].upper()
    if zipfile.is_zipfile(BytesIO(content)):
        from taskmaster.importing import vikunja

        return "Vikunja", vikunja.tasks
    if begin.startswith(b"BEGIN:VCALENDAR"):
        from taskmaster.importing import icalendar_file

        return "iCalendar", icalendar_file.tasks
    if begin.startswith((b"TYPE,", b'"TYPE",')):
        from taskmaster.importing import todoist

        return "Todoist", todoist.tasks
    raise NotReadable("it is neither Todoist's CSV, nor an iCalendar file, nor Vikunja's export")
