"""The check-up: every area is asked, and what one of them cannot say does not silence the others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from taskmaster import clock
from taskmaster.broker.groups import PREFIX, Group
from taskmaster.diagnosis import broker, cluster, database, groups, issuer, work
from taskmaster.diagnosis.finding import Finding, Severity
from taskmaster.settings import Settings

AREAS = (database.AREA, work.AREA, broker.AREA, groups.AREA, issuer.AREA, cluster.AREA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked at, and how. `objects` are those of the cluster; None where none reaches it."""

    areas: Collection[str] = AREAS
    prefix: str = PREFIX
    seconds: float = groups.WATCHED_SECONDS
    namespace: str = "NAMESPACE"
    objects: Sequence[Any] | None = None


def examine(settings: Settings, asked: Asked) -> list[Finding]:
    """Every finding, the worst first."""
    found: list[Finding] = []
    if database.AREA in asked.areas:
        found += database.examine(settings)
    if work.AREA in asked.areas:
        found += work.examine(settings, topics=_topics(settings))
    if broker.AREA in asked.areas:
        found += broker.examine(settings)
    consumers: list[Group] = []
    if groups.AREA in asked.areas:
        of_groups, consumers = groups.examine(settings, prefix=asked.prefix, seconds=asked.seconds)
        found += of_groups
    if issuer.AREA in asked.areas:
        found += issuer.examine(settings)
    if cluster.AREA in asked.areas and asked.objects is not None:
        found += cluster.examine(
            asked.objects,
            namespace=asked.namespace,
            now=clock.now(),
            alarm=work.alarm(settings) if settings.system_database_url.get_secret_value() else None,
            alarm_name=settings.reminder_alarm,
            is_bridged=settings.transport == "dapr",
            groups=consumers,
        )
    return sorted(found, key=lambda each: -each.severity)


def worst(found: Collection[Finding]) -> Severity:
    """The exit code of `taskmaster doctor`."""
    return max((each.severity for each in found), default=Severity.NOTE)


def _topics(settings: Settings) -> set[str] | None:
    """What the broker has, where it can be asked: for events that wait for a topic."""
    from kafka.errors import KafkaError

    if not settings.kafka_bootstrap_servers:  # Redis makes a topic with its first record
        return None
    try:
        return broker.topics_of(settings)
    except (KafkaError, OSError):
        return None
