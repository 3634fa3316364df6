"""What the tests of one process share, since making it takes longer than a test: connections, and served functions."""

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import functions_framework
import psycopg
from flask import Flask

from taskmaster.database.store import Database
from taskmaster.settings import Settings

_owners: dict[str, "psycopg.Connection[Any]"] = {}
_databases: dict[tuple[str, str, int, float], Database] = {}
_HAVE_STATE = {"send-reminder"}  # limits of one process, which no test is to leave to the next


def owner(url: str) -> "psycopg.Connection[Any]":
    """The session of a database's owner, in which each statement is a transaction."""
    connection = _owners.get(url)
    if connection is None or connection.closed:
        connection = _owners[url] = psycopg.connect(url, autocommit=True)
    return connection


def database(settings: Settings) -> Database:
    """The functions' sessions of both logins, as these settings have them."""
    key = (
        settings.database_url.get_secret_value(),
        settings.system_database_url.get_secret_value(),
        settings.database_pool_size,
        settings.database_timeout,
    )
    if key not in _databases:
        user_url, system_url, pool_size, timeout = key
        _databases[key] = Database(user_url=user_url, system_url=system_url, pool_size=pool_size, timeout=timeout)
    return _databases[key]


def close_sessions() -> None:
    """Have the next test connect anew: the settings of a login are those of when its session began."""
    for connection in _owners.values():
        connection.close()
    for pools in _databases.values():
        pools.close()
    _owners.clear()
    _databases.clear()


def application(function: str, source: Path) -> tuple[Flask, ModuleType]:
    """A function under functions-framework, and its module."""
    return (_make if function in _HAVE_STATE else _made)(function, source)


def _make(function: str, source: Path) -> tuple[Flask, ModuleType]:
    target = function.replace("-", "_")
    app = functions_framework.create_app(target, str(source))  # type: ignore[no-untyped-call]
    return app, sys.modules[target]


_made = cache(_make)
