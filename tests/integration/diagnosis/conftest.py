"""A database of a test's own, which it may break."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from tests.support.command_line import at_once

URLS = ("MIGRATION_DATABASE_URL", "DATABASE_URL", "SYSTEM_DATABASE_URL")


@pytest.fixture
def empty(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a database that has nothing in it."""
    name = f"doctor_{uuid4().hex}"
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield {
            **environment,
            **{each: urlunsplit(urlsplit(environment[each])._replace(path=f"/{name}")) for each in URLS},
        }
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own(empty: dict[str, str]) -> dict[str, str]:
    """The same with the schema."""
    assert at_once(empty, "migrate").exit_code == 0
    return empty


@pytest.fixture
def sql(own: dict[str, str]) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """SQL as the owner of that database."""
    with psycopg.connect(own["MIGRATION_DATABASE_URL"], autocommit=True) as connection:

        def run(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

        yield run
