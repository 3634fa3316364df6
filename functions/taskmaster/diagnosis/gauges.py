"""What there is to measure without a process that stays awake: asked of the database and the broker at one moment."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg

from taskmaster import clock
from taskmaster.broker.groups import PREFIX, groups
from taskmaster.database.queries import named
from taskmaster.diagnosis.broker import recent_dead_letters
from taskmaster.diagnosis.database import Connection, asked, connect
from taskmaster.diagnosis.openmetrics import Gauge
from taskmaster.diagnosis.work import LATE, RELAY, WAITS
from taskmaster.settings import Settings

_SQL = named("diagnosis.sql")
_REASONS = 20  # label values: the rarest are counted together
_LONGEST_REASON = 80  # characters


def collect(settings: Settings, *, prefix: str = PREFIX) -> list[Gauge]:
    """Every gauge. What cannot be asked has no samples, and says so in taskmaster_source_up."""
    up = Gauge(name="taskmaster_source_up", help="Whether what the other gauges come from could be asked.")
    gauges = [up]
    for source, ask in (("database", _database), ("groups", _groups), ("dead_letters", _dead_letters)):
        found, is_up = _answered(ask, settings, prefix)
        gauges += found
        up.set(float(is_up), source=source)
    return gauges


def _answered(
    ask: Callable[[Settings, str], Iterator[Gauge]], settings: Settings, prefix: str
) -> tuple[list[Gauge], bool]:
    from kafka.errors import KafkaError

    from taskmaster.broker.transport import Unreadable

    try:
        return list(ask(settings, prefix)), True
    except (psycopg.Error, KafkaError, Unreadable, OSError):
        return [], False


def _database(settings: Settings, prefix: str) -> Iterator[Gauge]:
    with connect(settings.system_database_url.get_secret_value(), settings) as connection:
        yield from _outbox(connection)
        yield from _inbox(connection)
        yield from _reminders(connection)
        tick = Gauge(
            name="taskmaster_last_tick_timestamp_seconds",
            unit="seconds",
            help="When a function that is woken by the hour last ran, in Unix time.",
        )
        for (at,) in connection.execute(_SQL["last_tick"], {"function": RELAY}).fetchall():
            tick.set(at.timestamp(), function=RELAY)
        yield tick


def _outbox(connection: Connection) -> Iterator[Gauge]:
    count, oldest = asked(connection, "outbox_waiting")
    events = Gauge(name="taskmaster_outbox_events", help="Committed events that wait to be published.")
    age = Gauge(
        name="taskmaster_outbox_oldest_age_seconds",
        unit="seconds",
        help="How long the oldest of them has waited; 0 where there is none.",
    )
    events.set(count)
    age.set((datetime.now(UTC) - oldest).total_seconds() if oldest else 0)
    yield from (events, age)


def _inbox(connection: Connection) -> Iterator[Gauge]:
    retried = Gauge(
        name="taskmaster_inbox_retried_events", help="Events that failed more than once and are not answered."
    )
    most = Gauge(name="taskmaster_inbox_attempts_max", help="The most attempts at one of them.")
    for function, count, attempts in connection.execute(_SQL["retried"]).fetchall():
        retried.set(count, function=function)
        most.set(attempts, function=function)
    yield from (retried, most)


def _reminders(connection: Connection) -> Iterator[Gauge]:
    now = clock.now()
    overdue, oldest, _ = asked(connection, "reminders", now=now, late=LATE)
    stuck, _ = asked(connection, "under_way", now=now, late=WAITS)
    late = Gauge(
        name="taskmaster_reminders_overdue", help="Reminders that nobody fired within two minutes of their moment."
    )
    lateness = Gauge(
        name="taskmaster_reminders_lateness_seconds",
        unit="seconds",
        help="How late the oldest reminder is that was not fired yet; 0 where none is due.",
    )
    stuck_ones = Gauge(
        name="taskmaster_reminders_undelivered",
        help="Reminders that were fired five minutes ago or earlier and are neither sent nor failed.",
    )
    late.set(overdue)
    lateness.set((now - oldest).total_seconds() if oldest else 0)
    stuck_ones.set(stuck)
    yield from (late, lateness, stuck_ones)


def _groups(settings: Settings, prefix: str) -> Iterator[Gauge]:
    lag = Gauge(
        name="taskmaster_consumer_group_lag_records",
        unit="records",
        help="Records that a KafkaSource's group has yet to handle, by partition.",
    )
    members = Gauge(
        name="taskmaster_consumer_group_members", help="Consumers of a group, where the broker says how many."
    )
    if settings.redis_url:
        from taskmaster.broker import redis_streams

        for each in redis_streams.waiting(settings, prefix).values():
            lag.set(each.count, group=each.group, topic=each.topic, partition="0")
        yield lag
        return
    for group in groups(settings, prefix=prefix):
        for stand in group.stands:
            place = {"topic": stand.next.topic, "partition": str(stand.next.partition)}
            lag.set(stand.lag, group=group.name, **place)
        if group.members is not None:
            members.set(group.members, group=group.name)
    yield from (lag, members)


def _dead_letters(settings: Settings, prefix: str) -> Iterator[Gauge]:
    letters = recent_dead_letters(settings)
    counted = Counter((letter.function or "unknown", _kind(letter.reason)) for letter in letters)
    rare = counted.total() - sum(count for _, count in counted.most_common(_REASONS))
    gauge = Gauge(name="taskmaster_dead_letters", help="Dead letters of the last 24 hours, by function and reason.")
    for (function, reason), count in counted.most_common(_REASONS):
        gauge.set(count, function=function, reason=reason)
    if rare:
        gauge.set(rare, function="any", reason="other")
    yield gauge


def _kind(reason: str) -> str:
    """A reason without the numbers and ids in it, so that there are few of them."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "N", reason)[:_LONGEST_REASON]
