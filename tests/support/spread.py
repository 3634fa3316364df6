"""Some workers of pytest-xdist begin with the tests that take longest, the others keep the processors busy.

With `--dist worksteal` each worker is given a slice of the tests in their order, and one that has nothing left takes
from the end of another's. So the tests with the mark `long` are put where slices begin, and none is left to the end.
They wait for most of their time: were every worker to begin with them, the processors would have little to do then.
"""

import os
from collections.abc import Sequence
from itertools import groupby, islice

import pytest


def spread(items: Sequence[pytest.Item], workers: int, processors: int = os.cpu_count() or 1) -> list[pytest.Item]:
    """The same tests, a slice for each worker; without workers, as they are.

    Of the slices, as many as there are more workers than processors begin with a share of the long ones, or else one.
    Those of a file stay together, since they share what is set up for it.
    """
    if not workers:
        return list(items)
    long = [list(file) for _, file in groupby((item for item in items if _is_long(item)), key=lambda item: item.path)]
    others = iter([item for item in items if not _is_long(item)])
    waiting = max(1, workers - processors)
    found: list[pytest.Item] = []
    for number in range(workers):
        begun = len(items) * number // workers
        found += islice(others, max(0, begun - len(found)))
        for file in long[number::waiting] if number < waiting else ():
            found += file
    return [*found, *others]


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None
