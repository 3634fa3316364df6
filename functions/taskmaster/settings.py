"""The environment, read once: every setting a function has, typed, with its default and what it means.

Secrets are SecretStr, so that no log and no traceback shows one. A wrong value is refused at start by its name.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, SecretStr, ValidationError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Words = Annotated[
    tuple[str, ...], BeforeValidator(lambda text: tuple(filter(None, map(str.strip, text.split(",")))) if text else ())
]


class WrongSetting(SystemExit):
    """A setting is missing or wrong. Ends the process with exit code 1 and a sentence for each."""


class Settings(BaseModel):
    """One field an environment variable, of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL, as login taskmaster_user: tasks, under row-level security"
    )
    system_database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL, as login taskmaster_system: inbox, publishing, purge"
    )
    migration_database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL, as the owner of the tables, by a direct endpoint; for `taskmaster migrate` alone",
    )
    database_pool_size: int = Field(
        8, ge=1, le=64, description="connections of one pod to the database, per login, at most"
    )
    database_timeout: float = Field(
        5.0, gt=0, le=60, description="seconds to wait for a connection before answering 503"
    )

    kafka_bootstrap_servers: Words = Field((), description="brokers, host:port, separated by commas")
    kafka_security_protocol: SecurityProtocol = Field(
        "PLAINTEXT",
        description="Redpanda Cloud and Confluent: SASL_SSL; Strimzi with client certificates: SSL",
    )
    kafka_sasl_mechanism: SaslMechanism | None = Field(
        None, description="Redpanda Cloud: SCRAM-SHA-256; Confluent: PLAIN"
    )
    kafka_sasl_username: str = Field("", description="the broker's user")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="the broker's password")
    kafka_ssl_cafile: str = Field(
        "", description="PEM file of the CA that signed the broker's certificate; empty: the public CAs"
    )
    kafka_ssl_certfile: str = Field("", description="PEM file of the client certificate (Strimzi)")
    kafka_ssl_keyfile: str = Field("", description="PEM file of the client certificate's key (Strimzi)")
    kafka_request_timeout: float = Field(10.0, gt=0, le=120, description="seconds until one request to a broker fails")
    kafka_delivery_timeout: float = Field(
        30.0,
        gt=0,
        le=60,
        description="seconds until an event that no broker acknowledges stays in the outbox for the next publisher",
    )
    kafka_topics: Json[dict[str, str]] = Field(
        {}, description='topics that have other names here, as JSON: {"task-events": "prod.task-events"}'
    )

    dev_token_secret: SecretStr = Field(
        SecretStr(""),
        description="key of the development tokens that `taskmaster token` signs; empty: no such token is accepted",
    )
    event_hosts: Words = Field(
        (),
        description="hosts that /events believes beside *.svc and *.svc.cluster.local; localhost, for a plain run",
    )

    reminder_alarm: str = Field(
        "reminder-alarm",
        description="the PingSource that wakes dispatch-due-reminders; off: it looks at every tick of ten minutes",
    )
    kubernetes_api_url: str = Field(
        "https://kubernetes.default.svc", description="where the alarm is set; the stand-in sets its own"
    )
    reminder_stale_hours: float = Field(
        24.0, gt=0, le=8760, description="hours after which a reminder that nobody could send fails instead of ringing"
    )

    webhook_allow: Words = Field(
        (),
        description="networks beside the public ones that webhooks may reach, also by http: 127.0.0.0/8, for a laptop",
    )
    smtp_url: SecretStr = Field(
        SecretStr(""), description="mail server, smtp://user:password@host:587 or smtps://; empty: no mail is sent"
    )
    mail_from: str = Field("", description="sender of the mails, such as reminders@example.com")

    max_attempts: int = Field(10, ge=1, le=1000, description="attempts at one event before it goes to the dead letters")
    max_body_bytes: int = Field(262_144, ge=1024, le=10_485_760, description="largest request body")
    clock_offset_file: str = Field(
        "", description="a file with the seconds by which business time is moved; on a laptop only"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe log line that is written"
    )

    def topic(self, name: str) -> str:
        """What a topic of ours is called on this broker."""
        return self.kafka_topics.get(name, name)


def read(environ: Mapping[str, str], *, needs: tuple[str, ...] = ()) -> Settings:
    """Read the settings; each name in `needs` must be there. Raises WrongSetting, naming every variable at fault."""
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper(), "") != ""}
    faults = [
        f"{name.upper()} is not set: {Settings.model_fields[name].description}" for name in needs if name not in given
    ]
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            faults.append(f"{str(problem['loc'][0]).upper()} is wrong: {problem['msg']}")
        settings = None
    if settings and settings.kafka_security_protocol.startswith("SASL") and "kafka_bootstrap_servers" in needs:
        faults += [
            f"{name.upper()} is not set, but KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}"
            for name in ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
            if name not in given
        ]
    if faults or not settings:
        raise WrongSetting("\n".join(["taskmaster cannot start:", *(f"  {fault}" for fault in faults)]))
    return settings


@cache
def current() -> Settings:
    """The settings of this process."""
    return read(os.environ)
