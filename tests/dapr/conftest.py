"""Fixtures on a real daprd, scheduler and Redis; what is not on the PATH has its tests skipped, in one line."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from knative.local.dapr.side import missing
from tests.dapr.stage import Stage, staged

KINDS = ("dapr-kafka", "dapr-redis")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/dapr/"):
            with_jobs = "with_jobs" in getattr(item, "fixturenames", ())
            if said := missing(with_redis=True, has_jobs=with_jobs):
                item.add_marker(pytest.mark.skip(reason=said))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskmaster-dapr-") as name:
        Path(name).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        yield Path(name)


@pytest.fixture
def stage(kind: str, state: Path) -> Iterator[Stage]:
    with staged(kind, state) as made:
        yield made
