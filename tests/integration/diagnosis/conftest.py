"""A database of a test's own, which it may break."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.support.own_database import migrated_database, own_database


@pytest.fixture
def empty(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a database that has nothing in it."""
    with own_database(environment) as own:
        yield own


@pytest.fixture
def own(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same with the schema."""
    with migrated_database(environment) as own:
        yield own


@pytest.fixture
def sql(own: dict[str, str]) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """SQL as the owner of that database."""
    with psycopg.connect(own["MIGRATION_DATABASE_URL"], autocommit=True) as connection:

        def run(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

        yield run
