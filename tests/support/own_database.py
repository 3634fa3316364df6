"""A database of a test's own on the server of the others, for what would disturb them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

_URLS = ("MIGRATION_DATABASE_URL", "DATABASE_URL", "SYSTEM_DATABASE_URL")


@contextmanager
def own_database(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment of an empty database, which is dropped at the end.

    The logins are the server's, and so are their passwords.
    """
    name = f"fresh_{uuid4().hex}"
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name}")
        try:
            yield {**environment, **{each: _with_database(environment[each], name) for each in _URLS}}
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
