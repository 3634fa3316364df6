"""The two stores that a contract is held against: the one in memory, and the one on PostgreSQL."""

from collections.abc import Iterator

import pytest

from taskmaster.database.store import Database
from taskmaster.settings import read
from tests.support.fake_store import FakeStore


@pytest.fixture(params=["memory", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[FakeStore | Database]:
    if request.param == "memory":
        yield FakeStore()
        return
    settings = read(request.getfixturevalue("environment"))
    database = Database(
        user_url=settings.database_url.get_secret_value(),
        system_url=settings.system_database_url.get_secret_value(),
        pool_size=2,
        timeout=5,
    )
    yield database
    with database.as_system() as transaction:  # those of other tests on this server would ring here
        transaction._session.later("UPDATE reminder SET closed_at = now() WHERE closed_at IS NULL")
        transaction._session.later("UPDATE alarm SET next_at = NULL")
    database.close()
