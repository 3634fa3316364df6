"""The KafkaSources' consumer groups: which moves, which nobody reads for, and which waits behind one record."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg

from taskmaster.broker.groups import Group, Stand, groups, moved
from taskmaster.broker.records import NoSuchRecord, obstacle, record_at
from taskmaster.database.queries import named
from taskmaster.diagnosis.database import connect
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.settings import Settings

AREA = "groups"
WATCHED_SECONDS = 8.0  # a KafkaSource commits every five
_SQL = named("diagnosis.sql")
_MUCH = 1_000  # records behind which a partition comes late, though it moves


def examine(settings: Settings, *, prefix: str, seconds: float = WATCHED_SECONDS) -> tuple[list[Finding], list[Group]]:
    """Look twice at what lags, so many seconds apart. The groups are those of the second look; none where refused."""
    if settings.redis_url:
        from taskmaster.diagnosis import redis_groups

        return [*redis_groups.examine(settings, prefix=prefix, seconds=seconds)], []
    from kafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

    if not settings.kafka_bootstrap_servers:
        return [not_looked_at(AREA, "KAFKA_BOOTSTRAP_SERVERS is not set", "run it where the Secrets are")], []
    try:
        before = groups(settings, prefix=prefix)
        after = before
        if any(group.lag for group in before):
            time.sleep(seconds)
            after = groups(settings, prefix=prefix)
        goes_on = moved(before, after)
        found = [each for group in after for each in _of_group(settings, group, goes_on)]
    except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
        mend = "run it as the operator's or the sources' user as well: kafka.sourceSecret in the pod for commands"
        return [not_looked_at(AREA, "this user may not describe the groups or their topics", mend)], []
    except (KafkaError, OSError) as error:
        return [not_looked_at(AREA, f"the broker refused ({type(error).__name__})", "see the broker's findings")], []
    return found, after


def _of_group(settings: Settings, group: Group, goes_on: Any) -> Iterator[Finding]:
    lagging = [stand for stand in group.stands if stand.lag]
    if not lagging:
        return
    still = [stand for stand in lagging if not goes_on[group.name, stand.next.topic, stand.next.partition]]
    if group.members == 0 and still:
        yield Finding(
            code="group-without-members",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{group.name} has {group.lag} records to go, and nobody reads for it",
            why=f"{group.function} is not called: its KafkaSource is missing, stopped or not ready",
            mend=f"kubectl -n NAMESPACE get kafkasource {group.function}; if stopped: kubectl -n NAMESPACE scale"
            f" kafkasource {group.function} --replicas=1; if ready: kubectl -n knative-eventing rollout restart"
            " statefulset kafka-source-dispatcher",
        )
        return
    for stand in still:
        yield _stands_still(settings, group, stand)
    for stand in lagging:
        if stand not in still and stand.lag >= _MUCH:
            yield Finding(
                code="group-behind",
                severity=Severity.NOTE,
                area=AREA,
                what=f"{group.name} has {stand.lag} records to go in partition {stand.next.partition}, and moves",
                why="what is sent now comes late; one record of a partition is under way at a time",
                mend=f"look at functions.{group.function}.maxScale, the database and the function's log",
            )


def _stands_still(settings: Settings, group: Group, stand: Stand) -> Finding:
    from kafka.errors import KafkaError

    place = f"{stand.next.topic}/{stand.next.partition}"
    try:
        record = record_at(settings, stand.next)
    except (NoSuchRecord, KafkaError, OSError) as error:
        record, said = None, f"which cannot be read ({type(error).__name__})"
    if record is not None and (unsendable := obstacle(record)):
        return Finding(
            code="record-unsendable",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{group.name} waits behind {stand.next}, {stand.lag} to go: {unsendable}",
            why="a KafkaSource tries it for four hours and drops it then; everything behind it waits",
            mend=f"kubectl -n NAMESPACE scale kafkasource {group.function} --replicas=0; taskmaster records skip"
            f" {group.name} {stand.next}; kubectl -n NAMESPACE scale kafkasource {group.function} --replicas=1",
        )
    if record is not None:
        said = _attempts(settings, group, record)
    return Finding(
        code="partition-waits",
        severity=Severity.WARNING,
        area=AREA,
        what=f"{group.name} does not move in {place}, {stand.lag} to go: it waits behind {stand.next}, {said}",
        why="ordered delivery has one record of a partition under way: all behind it waits, whoever's it is",
        mend=f"taskmaster records show {stand.next}; kubectl -n NAMESPACE logs -l"
        f" serving.knative.dev/service={group.function} -c user-container",
    )


def _attempts(settings: Settings, group: Group, record: Any) -> str:
    """What the inbox knows of a record, as the end of a sentence."""
    headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    query, event_id = "attempts_of_event", headers.get("ce_id", "")
    if "ce_specversion" not in headers:
        query, event_id = "attempts_of_record", f"partition:{record.partition}/offset:{record.offset}@"
    url = settings.system_database_url.get_secret_value()
    if not url:
        return "of which the inbox could not be asked"
    try:
        with connect(url, settings) as connection:
            row = connection.execute(_SQL[query], {"function": group.function, "id": event_id}).fetchone()
    except psycopg.Error:
        return "of which the inbox could not be asked"
    if row is None:
        return "which the function has never counted: it was not delivered, or the database is away"
    attempts, status, _ = row
    return f"tried {attempts} times" if status is None else f"answered with {status} after {attempts} attempts"
