"""What an operator puts into a cluster's Secrets, made up for one machine: random passwords, kept beside the data.

taskmaster-database         DATABASE_URL, SYSTEM_DATABASE_URL: the two logins of the functions
taskmaster-database-owner   MIGRATION_DATABASE_URL: the owner of the tables, for the migration alone
taskmaster-kafka            KAFKA_BOOTSTRAP_SERVERS, and KAFKA_* as given for a real broker
taskmaster-kafka-source     the same for KafkaSources: their own user where KAFKA_SOURCE_* are given, and ca.crt
taskmaster-kafka-admin      the user who makes topics, where KAFKA_ADMIN_* are given
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from knative.local.fields import ManifestError
from knative.local.net import Net

Secrets = dict[str, dict[str, str]]

_OWNER, _USER, _SYSTEM = "taskmaster_owner", "taskmaster_user", "taskmaster_system"
_DATABASE = "taskmaster"
_SOURCE, _ADMIN = "KAFKA_SOURCE_", "KAFKA_ADMIN_"


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


def create_database(superuser_url: str, passwords: Passwords) -> str:
    """Make the owner and the database as a hosted PostgreSQL would hand them over; returns the owner's URL."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (_OWNER,)).rowcount:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(sql.Identifier(_OWNER)))
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(_OWNER), sql.Literal(passwords[_OWNER]))
        )
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (_DATABASE,)).rowcount:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(_DATABASE), sql.Identifier(_OWNER))
            )
    return urlunsplit(urlsplit(_login(superuser_url, _OWNER, passwords))._replace(path=f"/{_DATABASE}"))


def make_up(owner_url: str, kafka: Mapping[str, str], passwords: Passwords) -> Secrets:
    """The Secrets by name; the migration gives the two logins the passwords that their URLs hold."""
    functions = {name: value for name, value in kafka.items() if not name.startswith((_SOURCE, _ADMIN))}
    source = functions | _own(kafka, _SOURCE)
    if authority := functions.get("KAFKA_SSL_CAFILE"):
        source["ca.crt"] = Path(authority).read_text(encoding="utf-8")
    return {
        "taskmaster-database": {
            "DATABASE_URL": _login(owner_url, _USER, passwords),
            "SYSTEM_DATABASE_URL": _login(owner_url, _SYSTEM, passwords),
        },
        "taskmaster-database-owner": {"MIGRATION_DATABASE_URL": owner_url},
        "taskmaster-kafka": functions,
        "taskmaster-kafka-source": source,
        "taskmaster-kafka-admin": _own(kafka, _ADMIN),
    }


def kafka_client(net: Net | None, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """kafka-python's settings for a KafkaSource: the broker of taskmaster-kafka-source, and its user unless net says.

    Raises ManifestError where net asks for what no Secret has.
    """
    kafka = secrets["taskmaster-kafka-source"]
    servers = kafka["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    if net is not None:
        try:
            return {"bootstrap_servers": servers, **net.client(secrets)}
        except ManifestError as error:
            raise ManifestError(f"{error}; those of a laptop are in knative/local/secrets.py") from None
    settings = {
        "security_protocol": kafka.get("KAFKA_SECURITY_PROTOCOL"),
        "sasl_mechanism": kafka.get("KAFKA_SASL_MECHANISM"),
        "sasl_plain_username": kafka.get("KAFKA_SASL_USERNAME"),
        "sasl_plain_password": kafka.get("KAFKA_SASL_PASSWORD"),
        "ssl_cafile": kafka.get("KAFKA_SSL_CAFILE"),
        "ssl_certfile": kafka.get("KAFKA_SSL_CERTFILE"),
        "ssl_keyfile": kafka.get("KAFKA_SSL_KEYFILE"),
    }
    given = {name: value for name, value in settings.items() if value}
    return {"bootstrap_servers": servers, **given}


def _own(kafka: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {"KAFKA_" + name.removeprefix(prefix): value for name, value in kafka.items() if name.startswith(prefix)}


def _login(url: str, user: str, passwords: Passwords) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(passwords[user], safe='')}@{address}"))
