"""What an operator sets up for taskmaster on a cluster, made up for one machine: Secrets, logins and settings.

This is the only file of the stand-in that knows taskmaster; whatever else it runs and connects, the manifests describe.

taskmaster-database         DATABASE_URL, SYSTEM_DATABASE_URL: the two logins of the functions
taskmaster-database-owner   MIGRATION_DATABASE_URL: the owner of the tables, for the migration alone
taskmaster-identity         whose tokens the functions accept: those of the stand-in's identity provider
taskmaster-kafka            KAFKA_BOOTSTRAP_SERVERS, and KAFKA_* as given for a real broker
taskmaster-kafka-source     the same for KafkaSources: their own user where KAFKA_SOURCE_* are given, and ca.crt
taskmaster-kafka-admin      the user who creates topics, where KAFKA_ADMIN_* are given
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from knative.local import secrets, sign_in
from knative.local.fields import ManifestError
from knative.local.identity_provider import IdentityProvider
from knative.local.net import Net
from knative.local.secrets import Passwords, Secrets

FUNCTIONS = "functions"  # the folder that the image's working directory is
# Variables by which whoever starts the stand-in names a database (its owner's URL) and a broker that run already.
RUNNING_DATABASE, RUNNING_BROKER = "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"
RUNNING_REDIS = "REDIS_URL"  # and a Redis, for the broker dapr-redis
ALARM, DAPR_JOBS = "REMINDER_ALARM", "dapr-jobs"
ALARMS_SOURCE = "reminder-alarm"  # the PingSource that a job of Dapr's stands for
BRIDGE = ("python", "-m", "taskmaster.bridge")

_AUDIENCE = _DATABASE = "taskmaster"
_SCOPE = "tasks:read tasks:write"  # an assistant's token has to name them
_OWNER, _USER, _SYSTEM = "taskmaster_owner", "taskmaster_user", "taskmaster_system"
_LOGINS, _OWNERS_LOGIN = "taskmaster-database", "taskmaster-database-owner"
_IDENTITY, _KAFKA = "taskmaster-identity", "taskmaster-kafka"
_KAFKA_SOURCE, _KAFKA_ADMIN = "taskmaster-kafka-source", "taskmaster-kafka-admin"
_SOURCE_PREFIX, _ADMIN_PREFIX = "KAFKA_SOURCE_", "KAFKA_ADMIN_"


def create_database(superuser_url: str, passwords: Passwords) -> str:
    """Create the database and its owner; returns the owner's URL."""
    return secrets.create_database(superuser_url, passwords, name=_DATABASE, owner=_OWNER)


def broker_of(environ: Mapping[str, str]) -> dict[str, str]:
    """How to connect to a broker, of what the environment says; without RUNNING_BROKER it names none."""
    return {name: value for name, value in environ.items() if name.startswith("KAFKA_") and value}


def database_secrets(owner_url: str, passwords: Passwords) -> Secrets:
    """The Secrets of the database; the migration gives the two logins the passwords that their URLs hold."""
    return {
        _LOGINS: {
            "DATABASE_URL": secrets.login(owner_url, _USER, passwords),
            "SYSTEM_DATABASE_URL": secrets.login(owner_url, _SYSTEM, passwords),
        },
        _OWNERS_LOGIN: {"MIGRATION_DATABASE_URL": owner_url},
    }


def kafka_secrets(kafka: Mapping[str, str]) -> Secrets:
    """The Secrets of the broker, from the variables KAFKA_*."""
    functions = {n: value for n, value in kafka.items() if not n.startswith((_SOURCE_PREFIX, _ADMIN_PREFIX))}
    source = functions | _prefixed(kafka, _SOURCE_PREFIX)
    if authority := functions.get("KAFKA_SSL_CAFILE"):
        source["ca.crt"] = Path(authority).read_text(encoding="utf-8")
    return {_KAFKA: functions, _KAFKA_SOURCE: source, _KAFKA_ADMIN: _prefixed(kafka, _ADMIN_PREFIX)}


def dapr_secrets(*, url: str, token: str, kafka: str, redis_url: str, alarm: str) -> Secrets:
    """The same where Dapr carries the events: daprd for the functions, and Kafka or Redis for the tools alone."""
    dapr = {"TRANSPORT": "dapr", "DAPR_URL": url, "DAPR_API_TOKEN": token, "REDIS_URL": redis_url}
    settings = {RUNNING_BROKER: kafka, **dapr, **({"REMINDER_ALARM": alarm} if alarm else {})}
    return {_KAFKA: settings, _KAFKA_SOURCE: {}, _KAFKA_ADMIN: {}}


def daprd_tokens(*, api: str, app: str) -> dict[str, str]:
    """daprd's environment: the token that it asks of the functions, and the one that it shows to the bridge."""
    return {"DAPR_API_TOKEN": api, "APP_API_TOKEN": app}


def bridge_settings(*, port: int, app_token: str, pubsub: str, gateway: str, token_file: Path) -> dict[str, str]:
    """The bridge's environment: where it listens for daprd, and how it reaches the functions."""
    return {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "APP_API_TOKEN": app_token,
        "NAMESPACE": "default",
        "DAPR_PUBSUB": pubsub,
        "FUNCTION_GATEWAY": gateway,
        "EVENT_TOKEN_FILE": str(token_file),
    }


def has_jobs(environ: Mapping[str, str]) -> bool:
    """Whether the environment has the alarm be a job of Dapr's."""
    return environ.get(ALARM) == DAPR_JOBS


def identity_provider(key_file: Path, *, issuer: str) -> IdentityProvider:
    """The stand-in's identity provider, with the audience of the functions."""
    return IdentityProvider(key_file, issuer=issuer, audience=_AUDIENCE, scope=_SCOPE)


def identity_secret(provider: IdentityProvider) -> Secrets:
    """The Secret by which the functions accept this provider's tokens."""
    return {_IDENTITY: identity_settings(provider)}


def identity_settings(provider: IdentityProvider) -> dict[str, str]:
    """The settings by which the functions accept this provider's tokens. Nothing in them is secret."""
    return {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_AUDIENCE": provider.audience,
        "OIDC_CLIENT_ID": sign_in.CLIENT,
        "MCP_URL": f"{provider.issuer}/mcp",
    }


def settings(*, clock_file: Path, kubernetes_api: str, viewer: str = "") -> dict[str, str]:
    """What every function and Job gets beside what its manifest names: the stand-in's clock, API and loopback.

    `viewer` is the user who sees the pack at work; without one nobody does.
    """
    return {
        "CLOCK_OFFSET_FILE": str(clock_file),
        "KUBERNETES_API_URL": kubernetes_api,
        "PACK_VIEWERS": viewer,
        "WEBHOOK_ALLOW": "127.0.0.0/8,::1/128",  # receivers that people try out on a laptop listen there
    }


def commands_environment(made_up: Secrets) -> dict[str, str]:
    """The environment of commands that run beside the functions, such as `taskmaster dead-letters list`."""
    return {key: value for name in (_LOGINS, _KAFKA, _IDENTITY) for key, value in made_up[name].items()}


def issuer_of(environment: Mapping[str, str]) -> str:
    """Whose tokens the functions accept, by the environment of their commands."""
    return environment["OIDC_ISSUER"]


def bootstrap_servers(made_up: Secrets) -> str:
    """'' where the events are on Redis."""
    return made_up[_KAFKA][RUNNING_BROKER]


def redis_url(made_up: Secrets) -> str:
    """'' where the events are on Kafka."""
    return made_up[_KAFKA].get(RUNNING_REDIS, "")


def daprd_settings(made_up: Secrets) -> tuple[str, str]:
    """The address and the token of daprd's HTTP API; two empty texts where there is none."""
    settings = made_up[_KAFKA]
    return settings.get("DAPR_URL", ""), settings.get("DAPR_API_TOKEN", "")


def database_urls(made_up: Secrets) -> dict[str, str]:
    """By login: owner, user, system."""
    logins = made_up[_LOGINS]
    return {
        "owner": made_up[_OWNERS_LOGIN]["MIGRATION_DATABASE_URL"],
        "user": logins["DATABASE_URL"],
        "system": logins["SYSTEM_DATABASE_URL"],
    }


def kafka_client(net: Net | None, made_up: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """kafka-python's settings for a KafkaSource: the broker of taskmaster-kafka-source, and its user unless net says.

    Raises ManifestError where net asks for what no Secret has.
    """
    kafka = made_up[_KAFKA_SOURCE]
    servers = kafka["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    if net is not None:
        try:
            return {"bootstrap_servers": servers, **net.client(made_up)}
        except ManifestError as error:
            raise ManifestError(f"{error}; those of a laptop are in knative/local/taskmaster_setup.py") from None
    given = {
        "security_protocol": kafka.get("KAFKA_SECURITY_PROTOCOL"),
        "sasl_mechanism": kafka.get("KAFKA_SASL_MECHANISM"),
        "sasl_plain_username": kafka.get("KAFKA_SASL_USERNAME"),
        "sasl_plain_password": kafka.get("KAFKA_SASL_PASSWORD"),
        "ssl_cafile": kafka.get("KAFKA_SSL_CAFILE"),
        "ssl_certfile": kafka.get("KAFKA_SSL_CERTFILE"),
        "ssl_keyfile": kafka.get("KAFKA_SSL_KEYFILE"),
    }
    return {"bootstrap_servers": servers, **{name: value for name, value in given.items() if value}}


def _prefixed(kafka: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {"KAFKA_" + name.removeprefix(prefix): value for name, value in kafka.items() if name.startswith(prefix)}
