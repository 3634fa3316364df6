"""The rules of the time zones are those that the lock file pins."""

import zoneinfo
from importlib.metadata import distribution
from pathlib import Path

import taskmaster

LOCK = Path(taskmaster.__file__).parents[1] / "requirements.txt"


def test_zones_are_read_from_the_package_and_from_nowhere_else() -> None:
    """What the machine has may be older: Vancouver's rules changed in 2026."""
    pinned = distribution("tzdata")
    assert (str(pinned.locate_file("tzdata/zoneinfo")),) == zoneinfo.TZPATH
    assert f"tzdata=={pinned.version} " in LOCK.read_text()
