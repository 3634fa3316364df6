"""Secrets of one machine: random passwords, kept in a file, and PostgreSQL logins that have them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

Secrets = dict[str, dict[str, str]]  # the content of each Secret by its name


class Passwords:
    """Random ones by name, in a file that its owner alone may read; the same at every start, as the database is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = secrets.token_urlsafe(24)
            self._file.touch(mode=0o600)
            self._file.write_text(json.dumps(self._known, indent=2))
        return self._known[name]


def create_database(superuser_url: str, passwords: Passwords, *, name: str, owner: str) -> str:
    """Create the owner and the database as a hosted PostgreSQL provides them; returns the owner's URL."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (owner,)).rowcount:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(sql.Identifier(owner)))
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(owner), sql.Literal(passwords[owner]))
        )
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )
    return urlunsplit(urlsplit(login(superuser_url, owner, passwords))._replace(path=f"/{name}"))


def login(url: str, user: str, passwords: Passwords) -> str:
    """The same server and database by another login, which this does not create."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(passwords[user], safe='')}@{address}"))
