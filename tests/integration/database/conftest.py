"""Sessions of the logins themselves, past the functions."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.function_pack import Pack


@pytest.fixture
def user_login(pack: Pack, environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def system_login(pack: Pack, environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["SYSTEM_DATABASE_URL"], autocommit=True) as connection:
        yield connection
