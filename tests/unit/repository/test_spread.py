"""Every worker begins with a share of the long tests, and no test is left out or run twice."""

from pathlib import Path

import pytest

from tests.support.spread import spread

TESTS = """
import pytest

@pytest.mark.long
def test_one(): ...

@pytest.mark.long
def test_two(): ...

@pytest.mark.long(apart=True)
def test_three(): ...

@pytest.mark.long(apart=True)
def test_four(): ...

@pytest.mark.parametrize("number", range(8))
def test_short(number): ...
"""


@pytest.fixture
def items(request: pytest.FixtureRequest, tmp_path: Path) -> list[pytest.Item]:
    path = tmp_path / "test_some.py"
    path.write_text(TESTS)
    module = pytest.Module.from_parent(request.session, path=path)
    return [*request.session.genitems(module)]


def names(items: list[pytest.Item]) -> list[str]:
    return [item.name.removeprefix("test_") for item in items]


def test_each_slice_begins_with_some_of_the_long_ones(items: list[pytest.Item]) -> None:
    short = [f"short[{number}]" for number in range(8)]
    assert names(spread(items, 3)) == ["one", "two", *short[:2], "three", *short[2:5], "four", *short[5:]]


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_every_test_is_there_once(items: list[pytest.Item], workers: int) -> None:
    assert sorted(names(spread(items, workers))) == sorted(names(items))


def test_without_workers_the_order_stays(items: list[pytest.Item]) -> None:
    assert spread(items, 0) == items
