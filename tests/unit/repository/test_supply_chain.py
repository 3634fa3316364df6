"""What is installed is what was locked: every line pinned with hashes, and of a licence that may be in the image."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.programs.supply_chain import licences, lock

RULES: dict[str, Any] = {
    "allowed": ["MIT", "Apache-2.0"],
    "written": {"MIT License": "MIT"},
    "exceptions": {"psycopg": {"licence": "LGPL-3.0-only", "why": "it is"}},
}


@pytest.mark.parametrize("file", lock.ALL, ids=lambda path: str(path.relative_to(lock.ROOT)))
def test_every_line_of_a_lock_file_is_pinned_and_has_hashes(file: Path) -> None:
    lines = lock.requirements(file)
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", line), line
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |$)", line), line
    assert "://" not in file.read_text(encoding="utf-8")  # nothing from elsewhere than the index


def test_make_lock_writes_every_lock_file() -> None:
    recipe = (lock.ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlock:")[2].partition("\n\n")[0]
    names = [name.replace("$$major", major) for name in re.findall(r"-o (\S+)", recipe) for major in "12"]
    written = {name for name in names if "$" not in name}
    assert {str(file.relative_to(lock.ROOT)) for file in lock.ALL} == {name.rstrip(";") for name in written}


def test_the_versions_of_the_image_are_those_that_are_tested() -> None:
    image, tests, *more = (
        {line.split()[0] for line in lock.requirements(file)}
        for file in (
            lock.IMAGE,
            lock.ROOT / "tests" / "requirements.txt",
            lock.WITH_TELEMETRY,
            lock.WITH_APPRISE,
            lock.WITH_REDIS,
        )
    )
    assert all(image < each <= tests for each in more)
    assert not any(name.startswith(("opentelemetry", "apprise", "redis")) for name in image)


def test_every_licence_in_the_image_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    licences.main()
    assert "every licence is allowed" in capsys.readouterr().out


def test_every_exception_has_its_reason() -> None:
    for name, exception in licences.RULES["exceptions"].items():
        assert exception["why"], name
        assert exception["licence"] not in licences.RULES["allowed"], name


@pytest.mark.parametrize(
    ("name", "licence", "allowed"),
    [
        ("x", "MIT", True),
        ("x", "MIT License", True),
        ("x", "GPL-3.0-only OR MIT", True),
        ("x", "MIT AND Apache-2.0", True),
        ("x", "GPL-3.0-only", False),
        ("x", "MIT AND GPL-3.0-only", False),
        ("x", "LGPL-3.0-only", False),
        ("psycopg", "LGPL-3.0-only", True),
        ("psycopg", "AGPL-3.0-only", False),
        ("x", "", False),
        ("x", "UNKNOWN", False),
    ],
)
def test_what_a_licence_is_held_against(name: str, licence: str, allowed: bool) -> None:
    assert bool(list(licences.faults_of(name, licence, RULES))) is not allowed


def test_a_package_that_is_not_installed_is_told() -> None:
    assert licences.licence_of(licences.metadata_of("no-such-package")) == ""
