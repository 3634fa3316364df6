"""Some workers begin with a share of the long tests, and no test is left out or run twice."""

from pathlib import Path

import pytest

from tests.support.spread import spread

FILES = {
    "test_a.py": """
import pytest

@pytest.mark.long
def test_one(): ...

@pytest.mark.long
def test_two(): ...

@pytest.mark.parametrize("number", range(8))
def test_short(number): ...
""",
    "test_b.py": """
import pytest
pytestmark = pytest.mark.long

def test_three(): ...
""",
    "test_c.py": """
import pytest
pytestmark = pytest.mark.long

def test_four(): ...
""",
}


@pytest.fixture
def items(request: pytest.FixtureRequest, tmp_path: Path) -> list[pytest.Item]:
    found: list[pytest.Item] = []
    for name, text in FILES.items():
        path = tmp_path / name
        path.write_text(text)
        found += request.session.genitems(pytest.Module.from_parent(request.session, path=path))
    return found


def names(items: list[pytest.Item]) -> list[str]:
    return [item.name.removeprefix("test_") for item in items]


SHORT = [f"short[{number}]" for number in range(8)]


@pytest.mark.parametrize(
    ("processors", "order"),
    [
        (0, ["one", "two", *SHORT[:2], "three", *SHORT[2:5], "four", *SHORT[5:]]),
        (1, ["one", "two", "four", *SHORT[:1], "three", *SHORT[1:]]),
        (2, ["one", "two", "three", "four", *SHORT]),
        (8, ["one", "two", "three", "four", *SHORT]),
    ],
)
def test_slices_of_the_workers_that_wait_begin_with_long_ones(
    items: list[pytest.Item], processors: int, order: list[str]
) -> None:
    assert names(spread(items, 3, processors)) == order


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_every_test_is_there_once(items: list[pytest.Item], workers: int) -> None:
    assert sorted(names(spread(items, workers))) == sorted(names(items))


def test_without_workers_the_order_stays(items: list[pytest.Item]) -> None:
    assert spread(items, 0) == items
