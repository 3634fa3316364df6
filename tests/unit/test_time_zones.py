"""The rules of the time zones are those that the lock file pins."""

import zoneinfo
from importlib.metadata import version
from pathlib import Path

import tzdata

import taskmaster


def test_zones_are_read_from_the_package_and_from_nowhere_else() -> None:
    """What the machine has may be older: Vancouver's rules changed in 2026."""
    assert taskmaster
    assert (str(Path(tzdata.__file__).parent / "zoneinfo"),) == zoneinfo.TZPATH
    assert f"tzdata=={version('tzdata')}" in (Path(__file__).parents[2] / "functions" / "requirements.txt").read_text()
