"""The settings: every environment variable that configures the pack, typed, with its default and what it means.

A process reads them once, at its start or at its first request, and refuses a wrong value by its name. Secrets are
SecretStr, so that no log and no traceback shows one. Not here are variables of others: what starts a server
(FUNCTION_TARGET, HOST, PORT, THREADS: serve.py), proxies and authorities (outbound/http_get.py), and, because business
time is below the settings, CLOCK_OFFSET_FILE a second time (clock.py).
"""

from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from taskmaster.setting_values import (
    DaprdUrl,
    KeysUrl,
    MailServer,
    McpUrl,
    PublicKeys,
    RedisUrl,
    Sender,
    TopicNames,
    Words,
)
from taskmaster.trusted_hosts import may_serve_keys

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

DAPR_JOBS = "dapr-jobs"  # as REMINDER_ALARM: a name that no PingSource of ours has


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
    stream_seconds: float = Field(
        50.0, gt=0, le=3600, description="how long a stream of changes lasts; below the Service's timeoutSeconds"
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
    kafka_topics: TopicNames = Field(
        {}, description='topics that have other names here, as JSON: {"task-events": "prod.task-events"}'
    )

    transport: Literal["kafka", "dapr"] = Field(
        "kafka", description="what carries the events: Kafka's protocol, or Dapr's, by the daprd of the bridge"
    )
    dapr_url: DaprdUrl = Field(
        "", description="the HTTP API of the bridge's daprd, such as http://taskmaster-bridge:3500"
    )
    dapr_api_token: SecretStr = Field(SecretStr(""), description="the token that daprd asks of its callers")
    dapr_pubsub: str = Field(
        "pubsub", description="the Component of Dapr that events are published to", pattern=r"^[A-Za-z0-9._-]{1,253}$"
    )
    redis_url: RedisUrl = Field(
        SecretStr(""), description="the Redis of that Component, redis://; for the tools alone, which read topics there"
    )

    oidc_issuer: str = Field("", description="who signs people's tokens, exactly as their claim iss has it")
    oidc_audience: str = Field("", description="for whom people's tokens must be (claim aud)")
    oidc_jwks_url: KeysUrl = Field(
        "", description="where the issuer's keys are; empty: as OIDC_ISSUER/.well-known/openid-configuration says"
    )
    oidc_jwks: PublicKeys = Field(
        "", description="the issuer's public keys themselves, a JWK set; instead of an address"
    )
    oidc_user_claim: str = Field("sub", description="the claim that is the user id", pattern=r"^[\w:./-]+$")

    oidc_client_id: str = Field(
        "", description="the page at that issuer, a public client; empty: the page takes a signed-in link alone"
    )
    oidc_scopes: str = Field(
        "openid",
        description="the scopes that the page asks for, separated by blanks; offline_access for a refresh token",
    )

    mcp_url: McpUrl = Field(
        "",
        description="where assistants reach call-tools, such as https://tasks.example.com/mcp; an audience of their "
        "tokens beside OIDC_AUDIENCE; empty: call-tools' own host",
    )

    pack_viewers: Words = Field(
        (),
        description="the users who see the pack at work on the page, and may put dead letters back; empty: nobody",
    )

    event_hosts: Words = Field(
        (),
        description="hosts that /events believes beside *.svc and *.svc.cluster.local; localhost, for a plain run",
    )
    event_oidc_issuer: str = Field("", description="who signs the tokens that Knative's sources send with their events")
    event_oidc_audience: str = Field("", description="the audience of the sources' sinks")
    event_oidc_jwks_url: KeysUrl = Field(
        "",
        description="where that issuer's keys are; a cluster's own are given: EVENT_OIDC_JWKS",
    )
    event_oidc_jwks: PublicKeys = Field(
        "",
        description="that issuer's public keys themselves, a JWK set: what `kubectl get --raw /openid/v1/jwks` prints",
    )
    event_oidc_subjects: Words = Field(
        (),
        description="who may send events: system:serviceaccount:NAMESPACE:*, for the sources of one namespace",
    )
    event_oidc_required: bool = Field(False, description="whether /events believes nothing but such a token")

    reminder_alarm: str = Field(
        "reminder-alarm",
        description="the PingSource that wakes dispatch-due-reminders; dapr-jobs: a job of Dapr's instead; off: it"
        " looks at every tick of ten minutes",
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
    smtp_url: MailServer = Field(
        SecretStr(""), description="mail server, smtp://user:password@host:587 or smtps://; empty: no mail is sent"
    )
    mail_from: Sender = Field("", description="sender of the mails, such as reminders@example.com")

    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="a collector of traces and metrics, by OTLP over HTTP, such as http://jaeger:4318; empty: none",
        pattern=r"^(https?://[!-~]+)?$",
    )

    max_attempts: int = Field(10, ge=1, le=1000, description="attempts at one event before it goes to the dead letters")
    user_calls_per_second: float = Field(
        10.0,
        ge=0,
        le=10_000,
        description="calls of one user that a pod handles each second, after a burst of five times as many; a long call"
        " counts as several; the next ones wait up to 2 s for their turn, further ones are answered 429; 0: no limit",
    )
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

    @property
    def redis_address(self) -> str:
        """host:port of REDIS_URL, without what is secret in it; '' where there is none."""
        parts = urlsplit(self.redis_url.get_secret_value())
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else ""


# What a process needs for its part, by what carries the events: a setting, or one of several.
BROKER = "broker"  # to publish
TOPICS = "topics"  # to read topics
_NEEDED = {
    ("kafka", BROKER): ("kafka_bootstrap_servers",),
    ("kafka", TOPICS): ("kafka_bootstrap_servers",),
    ("dapr", BROKER): ("dapr_url",),
    ("dapr", TOPICS): ("kafka_bootstrap_servers", "redis_url"),
}


def read(environ: Mapping[str, str], *, needs: tuple[str, ...] = ()) -> Settings:
    """Read the settings; each name in `needs` must be there, or what the transport takes for BROKER or TOPICS.

    A secret that is given as dapr://STORE/KEY is read from there. Raises WrongSetting, naming every variable at fault.
    """
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper(), "") != ""}
    faults = [f"{' or '.join(map(str.upper, names))} is not set: {said}" for names, said in _missing(given, needs)]
    faults += _take_from_stores(given)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            said = problem["msg"].removeprefix("Value error, ")
            faults.append(f"{str(problem['loc'][0]).upper()} is wrong: {said}")
        settings = None
    if settings:
        faults += [*_broker_faults(settings, given, needs), *_dapr_faults(settings), *_issuer_faults(settings)]
    if environ.get("DEV_TOKEN_SECRET"):
        faults.append(
            "DEV_TOKEN_SECRET is no longer read: take it away, and set OIDC_ISSUER and OIDC_AUDIENCE"
            " (without an identity provider: see `taskmaster keys new --help`)"
        )
    if faults or not settings:
        raise WrongSetting("\n".join(["taskmaster cannot start:", *(f"  {fault}" for fault in faults)]))
    return settings


def _names_of(need: str, transport: str) -> tuple[str, ...]:
    """The settings of which one has to be there for a need."""
    return _NEEDED.get((transport, need)) or _NEEDED.get(("kafka", need)) or (need,)


def _missing(given: Mapping[str, str], needs: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is needed and not there: names of which one would do, and what the first of them is."""
    for need in needs:
        names = _names_of(need, given.get("transport", "kafka"))
        if not any(name in given for name in names):
            yield names, Settings.model_fields[names[0]].description or ""


def _take_from_stores(given: dict[str, str]) -> list[str]:
    """Put secrets in the place of those that are named in a secret store of Dapr; what went wrong, as sentences."""
    named = {
        name: value
        for name, value in given.items()
        if value.startswith("dapr://") and isinstance(Settings.model_fields[name].default, SecretStr)
    }
    if not named:
        return []
    from taskmaster.outbound.dapr_secrets import NoSecret, SecretStores

    token = given.get("dapr_api_token", "")
    stores = SecretStores(given.get("dapr_url", ""), "" if "dapr_api_token" in named else token)
    faults = []
    for name, address in named.items():
        try:
            if name == "dapr_api_token":
                raise NoSecret("that is what opens the stores: give the token itself")
            given[name] = stores.read(address)
        except NoSecret as error:
            del given[name]
            faults.append(f"{name.upper()} is {address}, but {error}")
    return faults


def _broker_faults(settings: Settings, given: Mapping[str, str], needs: tuple[str, ...]) -> Iterator[str]:
    needed = {name for need in needs for name in _names_of(need, settings.transport)}
    if not settings.kafka_security_protocol.startswith("SASL") or "kafka_bootstrap_servers" not in needed:
        return
    for name in ("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"):
        if name not in given:
            yield f"{name.upper()} is not set, but KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}"


def _dapr_faults(settings: Settings) -> Iterator[str]:
    """What the settings of Dapr say against each other, and against those of Kafka."""
    if settings.redis_url and settings.transport == "kafka":
        yield "REDIS_URL is set, but TRANSPORT is kafka: topics are on Redis where Dapr carries the events alone"
    elif settings.redis_url and settings.kafka_bootstrap_servers:
        yield "REDIS_URL and KAFKA_BOOTSTRAP_SERVERS are both set: topics are in one place"
    if settings.dapr_api_token and not settings.dapr_url:
        yield "DAPR_URL is not set, but DAPR_API_TOKEN is"
    if settings.reminder_alarm == DAPR_JOBS and not settings.dapr_url:
        yield f"DAPR_URL is not set, but REMINDER_ALARM is {DAPR_JOBS}"


def _issuer_faults(settings: Settings) -> Iterator[str]:
    """What the settings of an issuer say against each other, for people's tokens and for events' alike."""
    for prefix in ("oidc", "event_oidc"):
        issuer, audience, url, keys = (
            getattr(settings, f"{prefix}_{name}") for name in ("issuer", "audience", "jwks_url", "jwks")
        )
        name = prefix.upper()
        if (audience or url or keys) and not issuer:
            yield f"{name}_ISSUER is not set, but {name}_AUDIENCE or its keys are"
        if issuer and not audience:
            yield f"{name}_AUDIENCE is not set, but {name}_ISSUER is: whoever has any token of it could sign in"
        if url and keys:
            yield f"{name}_JWKS_URL and {name}_JWKS are both set: keys come from one place"
        if issuer and not (url or keys or may_serve_keys(issuer)):
            yield f"{name}_ISSUER is wrong: it must be an https address, unless {name}_JWKS_URL or {name}_JWKS is set"
    if settings.event_oidc_required and not settings.event_oidc_issuer:
        yield "EVENT_OIDC_ISSUER is not set, but EVENT_OIDC_REQUIRED is"
