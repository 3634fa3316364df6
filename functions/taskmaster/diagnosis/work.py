"""What is late in the database: events that wait to be published, events that fail again and again, reminders."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from taskmaster import clock
from taskmaster.database.queries import named
from taskmaster.diagnosis.database import Connection, asked, connect
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.events.header_values import flaw
from taskmaster.rfc3339 import to_the_second
from taskmaster.settings import Settings

AREA = "work"
WAITS = timedelta(minutes=5)  # an event in the outbox: the next function that starts should have published it
LATE = timedelta(minutes=2)  # a reminder, after its moment
TICK = timedelta(hours=2)  # without relay-outbox, which is woken every hour
RELAY = "relay-outbox"
_SQL = named("diagnosis.sql")
_LARGEST = 1_000_000  # bytes that every broker takes as shipped
_MANY_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What the dispatcher has said that it will do, and what there is to do. Moments are business time."""

    next_at: datetime | None  # to which moment the alarm was set last
    due_next: datetime | None  # the next armed reminder


def examine(settings: Settings, *, topics: set[str] | None = None) -> Iterator[Finding]:
    """What is late. `topics` are those that the broker has, where it could be asked. Raises nothing of psycopg's."""
    url = settings.system_database_url.get_secret_value()
    if not url:
        yield not_looked_at(AREA, "SYSTEM_DATABASE_URL is not set", "run it where the functions' Secrets are")
        return
    try:
        with connect(url, settings) as connection:
            yield from _outbox(connection, topics)
            yield from _inbox(connection, settings)
            yield from _reminders(connection)
            yield from _tick(connection)
    except psycopg.Error as error:  # what is wrong with the database itself is told by its own area
        yield not_looked_at(AREA, f"the database refused ({type(error).__name__})", "see the findings of the database")


def alarm(settings: Settings) -> Alarm | None:
    """The moments of the alarm; None where the database cannot be asked."""
    url = settings.system_database_url.get_secret_value()
    try:
        with connect(url, settings) as connection:
            _, _, due_next = asked(connection, "reminders", now=clock.now(), late=LATE)
            [(next_at,)] = connection.execute(_SQL["alarm"]).fetchall()
            return Alarm(next_at=next_at, due_next=due_next)
    except psycopg.Error:
        return None


def _outbox(connection: Connection, topics: set[str] | None) -> Iterator[Finding]:
    count, oldest = asked(connection, "outbox_waiting")
    if oldest is None or datetime.now(UTC) - oldest < WAITS:
        return
    stuck = 0
    for headers, to, size, _ in connection.execute(_SQL["outbox_oldest"], {"age": WAITS}).fetchall():
        event_id = str(headers.get("ce_id", ""))
        if flawed := next((f"its header {name} {said}" for name, text in headers.items() if (said := flaw(text))), ""):
            reason = flawed
            mend = (
                "UPDATE outbox SET headers = headers || ..., as docs/troubleshooting.md has it; then taskmaster relay"
            )
        elif absent := sorted(set(to) - topics) if topics is not None else []:
            reason, mend = f"there is no topic {', '.join(absent)}", "taskmaster topics, then taskmaster relay"
        elif size > _LARGEST:
            reason = f"it has {size} bytes, more than a broker takes as shipped"
            mend = "raise max.message.bytes of its topics, then taskmaster relay"
        else:
            continue
        stuck += 1
        yield Finding(
            code="outbox-unsendable",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"event {event_id} cannot be published: {reason}",
            why="everything behind it of the same task or user waits in the outbox as well",
            mend=mend,
        )
    yield Finding(
        code="outbox-waits",
        severity=Severity.WARNING if stuck else Severity.CRITICAL,
        area=AREA,
        what=f"{count} events wait to be published, the oldest since {to_the_second(oldest)}",
        why="functions that they should wake sleep on, and clients are not told",
        mend="taskmaster relay (and see the findings of the broker; the log says publishing waits, and why)",
    )


def _inbox(connection: Connection, settings: Settings) -> Iterator[Finding]:
    for function, count, attempts in connection.execute(_SQL["retried"]).fetchall():
        if attempts < _MANY_TRIES:
            continue
        yield Finding(
            code="events-retried",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{function} has {count} events that failed more than once, one of them {attempts} times",
            why=f"a partition waits behind each; at {settings.max_attempts} attempts they go to the dead letters",
            mend=f"kubectl -n NAMESPACE logs -l serving.knative.dev/service={function} -c user-container",
        )


def _reminders(connection: Connection) -> Iterator[Finding]:
    now = clock.now()
    late, oldest, _ = asked(connection, "reminders", now=now, late=LATE)
    if late:
        yield Finding(
            code="reminders-late",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{late} reminders should have been fired, the oldest at {to_the_second(oldest)}",
            why="nobody woke dispatch-due-reminders, or it fails",
            mend="taskmaster relay calls it; then see the alarm among the findings of the cluster, and its log",
        )
    count, since = asked(connection, "under_way", now=now, late=WAITS)
    if count:
        yield Finding(
            code="deliveries-late",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{count} reminders were fired and are neither sent nor failed, since {to_the_second(since)} at most",
            why="send-reminder is not called or fails, or their topic waits behind a record",
            mend="see the group of send-reminder and the dead letters; taskmaster trace REMINDER_ID tells one of them",
        )


def _tick(connection: Connection) -> Iterator[Finding]:
    row = connection.execute(_SQL["last_tick"], {"function": RELAY}).fetchone()
    if row is not None and datetime.now(UTC) - row[0] > TICK:
        yield Finding(
            code="no-tick",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{RELAY} has not run since {to_the_second(row[0])}",
            why="nobody publishes what a dead function left, looks for missed reminders, or purges the inbox",
            mend=f"kubectl -n NAMESPACE describe pingsource {RELAY}; meanwhile taskmaster relay",
        )
