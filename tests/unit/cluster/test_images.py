"""Images are built on another base where no registry is reached, and otherwise as their Dockerfile says."""

import re
from pathlib import Path

import pytest

from tests.cluster.images import ROOT, changed

HELLO = ROOT / "tests" / "cluster" / "hello"


@pytest.mark.parametrize("folder", [ROOT, HELLO], ids=["ours", "hello"])
def test_another_base_takes_the_place_of_the_one_with_a_digest(folder: Path, tmp_path: Path) -> None:
    file = (changed(folder, tmp_path, "localhost/python:3.13-slim") / "Dockerfile").read_text()
    assert re.findall(r"^FROM \S+", file, re.MULTILINE)[0] == "FROM localhost/python:3.13-slim"
    assert "@sha256" not in file
    for name, default in re.findall(r"^ARG (\w+)=(\S+)$", file, re.MULTILINE):
        file = file.replace(f"${{{name}}}", default)
    wanted = re.findall(r"^COPY (?!--)(\S+) ", file, re.MULTILINE)
    assert wanted
    assert all(list(tmp_path.glob(name)) for name in wanted)


def test_the_packages_of_an_image_may_be_others(tmp_path: Path) -> None:
    file = (changed(ROOT, tmp_path, requirements="requirements-redis.txt") / "Dockerfile").read_text()
    assert "\nARG REQUIREMENTS=requirements-redis.txt\n" in file
    assert file.count("requirements.txt") == (ROOT / "Dockerfile").read_text().count("requirements.txt") - 1
    assert (tmp_path / "functions" / "requirements-redis.txt").exists()
