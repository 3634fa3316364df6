"""A database of a test's own on the server of the others, for what would disturb them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from tests.support.command_line import prepare

_URLS = ("MIGRATION_DATABASE_URL", "DATABASE_URL", "SYSTEM_DATABASE_URL")
_templates: dict[str, str] = {}  # by the URL of their server's owner


@contextmanager
def own_database(environment: Mapping[str, str], *, template: str = "template1") -> Iterator[dict[str, str]]:
    """The environment of an empty database, which is dropped at the end.

    The logins are the server's, and so are their passwords.
    """
    name = f"fresh_{uuid4().hex}"
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield _at(environment, name)
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def migrated_database(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The same with the schema: a copy of a database that is migrated once for each server."""
    with own_database(environment, template=_template(environment)) as own:
        yield own


def _template(environment: Mapping[str, str]) -> str:
    url = environment["MIGRATION_DATABASE_URL"]
    if url not in _templates:
        name = f"template_{uuid4().hex}"
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(f"CREATE DATABASE {name}")
        prepare(_at(environment, name), "migrate")
        _templates[url] = name
    return _templates[url]


def _at(environment: Mapping[str, str], database: str) -> dict[str, str]:
    there = {each: urlunsplit(urlsplit(environment[each])._replace(path=f"/{database}")) for each in _URLS}
    return {**environment, **there}
