"""Whoever runs the tests reads in one line a reason what was skipped."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = """
import pytest

needs_it = pytest.mark.skipif(True, reason="it is not installed: make it")

@needs_it
@pytest.mark.parametrize("number", range(3))
def test_one(number): ...

@needs_it
def test_two(): ...

def test_three(): pytest.skip("another reason")

def test_four(): ...
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_summary_has_one_line_for_each_reason(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -rfExX\n")
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "tests.support.skipped", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "-n", workers, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # of which this test needs none
    )
    said = [line for line in ran.stdout.splitlines() if "SKIPPED" in line]
    assert said == ["SKIPPED [4] it is not installed: make it", "SKIPPED [1] another reason"]


def test_the_options_of_this_project_leave_the_skipped_to_it() -> None:
    options = (ROOT / "pyproject.toml").read_text()
    assert 'addopts = "-rfExX ' in options
    assert "pytest_terminal_summary" in (ROOT / "tests" / "conftest.py").read_text()
