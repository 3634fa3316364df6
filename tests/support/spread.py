"""Every worker of pytest-xdist begins with some of the tests that take longest.

With `--dist worksteal` each worker is given a slice of the tests in their order, and one that has nothing left takes
from the end of another's. So the tests with the mark `long` are put where slices begin, and none is left to the end.
"""

from collections.abc import Sequence
from itertools import groupby, islice
from pathlib import Path

import pytest


def spread(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests, where each of as many slices begins with a share of the long ones. Without workers, as they are.

    Those of a file stay together, since they share what is set up for it, unless the mark says `apart=True`.
    """
    if not workers:
        return list(items)
    long = [list(group) for _, group in groupby((item for item in items if _mark(item)), key=_group)]
    others = iter([item for item in items if not _mark(item)])
    found: list[pytest.Item] = []
    for number in range(workers):
        begun = len(items) * number // workers
        found += islice(others, max(0, begun - len(found)))
        for group in long[number::workers]:
            found += group
    return [*found, *others]


def _mark(item: pytest.Item) -> pytest.Mark | None:
    return item.get_closest_marker("long")


def _group(item: pytest.Item) -> str | Path:
    mark = _mark(item)
    return item.nodeid if mark and mark.kwargs.get("apart") else item.path
