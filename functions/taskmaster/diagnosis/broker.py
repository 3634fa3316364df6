"""The broker: whether it answers, the topics and how long they keep records, what this user may do, dead letters."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from taskmaster.broker.topics import Admin, count_of_unknown_retention, differences, wanted
from taskmaster.broker.transport import ReadingForbidden, Unreadable
from taskmaster.broker.transports import address, reading
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.events import routes
from taskmaster.settings import Settings

AREA = "broker"
LETTERS_SINCE = timedelta(hours=24)
_PARTITIONS = 1  # as few as there may be: how many there should be is a matter of taste
_REASON = 120  # characters


def topics_of(settings: Settings) -> set[str]:
    """The topics that the broker shows to this user. Raises kafka's errors, and OSError."""
    admin = Admin(settings)
    try:
        return set(admin.existing(wanted(settings)))
    finally:
        admin.close()


def recent_dead_letters(settings: Settings) -> list[DeadLetter]:
    """Those of the last 24 hours. Raises Unreadable and OSError."""
    with reading(settings, [settings.topic(routes.DEAD_LETTERS)]) as topics:
        return [DeadLetter.read(each) for each in topics.read(since=datetime.now(UTC) - LETTERS_SINCE)]


def examine(settings: Settings) -> Iterator[Finding]:
    """What is wrong there; what cannot be asked is a finding of its own. Raises nothing of kafka's."""
    if settings.redis_url:
        yield from _redis(settings)
        return
    from kafka.errors import KafkaError

    if not settings.kafka_bootstrap_servers:
        yield not_looked_at(AREA, "KAFKA_BOOTSTRAP_SERVERS is not set", "run it where the functions' Secrets are")
        return
    try:
        admin = Admin(settings)
    except (KafkaError, OSError) as error:
        yield _unreachable(settings, error)
        return
    try:
        yield from _topics(settings, admin)
        yield from _rights(settings, admin)
    except (KafkaError, OSError) as error:
        yield _unreachable(settings, error)
        return
    finally:
        admin.close()
    yield from _dead_letters(settings)


def _redis(settings: Settings) -> Iterator[Finding]:
    """What is wrong where Dapr keeps the topics on Redis: streams make themselves, and nobody but us trims them."""
    from taskmaster.broker import redis_streams

    try:
        kept = redis_streams.kept_too_long(settings)
    except Unreadable as error:
        yield Finding(
            code="broker-unreachable",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{address(settings)}: {error}"[:300],
            why="calls succeed, but nothing that follows from them happens: events wait in the outbox",
            mend="check REDIS_URL, and the Component of Dapr that names the same Redis",
        )
        return
    for name, days in kept.items():
        yield Finding(
            code="topic-kept-too-long",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{name} has records of {days:.1f} days, longer than the inbox remembers them",
            why="a bridge that starts anew from the oldest record would have commands take effect twice",
            mend="taskmaster topics, once a day",
        )
    yield from _dead_letters(settings)


def _unreachable(settings: Settings, error: Exception) -> Finding:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    kind = type(error).__name__
    mend = "check the address, the network policy (networkPolicy.kafkaPorts) and kafka.securityProtocol"
    if "Sasl" in kind or "Authentication" in kind:
        mend = "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM in the Secret"
    if "disconnected" in said:  # which is all that a broker may say to whom it does not know
        mend = "check kafka.securityProtocol (TLS on one side only?), then KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and"
        mend += " KAFKA_SASL_MECHANISM in the Secret"
    if "CERTIFICATE" in said:
        mend = "set kafka.ca.secret to the Secret of the broker's CA"
    return Finding(
        code="broker-unreachable",
        severity=Severity.CRITICAL,
        area=AREA,
        what=f"{', '.join(settings.kafka_bootstrap_servers)}: {kind}: {said}"[:300],
        why="calls succeed, but nothing that follows from them happens: events wait in the outbox",
        mend=mend,
    )


def _topics(settings: Settings, admin: Admin) -> Iterator[Finding]:
    names = wanted(settings)
    existing = admin.existing(names)
    for change in differences(names, existing, partitions=_PARTITIONS):
        if change.action == "create":
            yield Finding(
                code="topic-missing",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"there is no topic {change.topic}, or this user may not see it",
                why="events for it stay in the outbox, and what follows on the same key with them",
                mend="taskmaster topics (as the admin's user); then taskmaster relay",
            )
        elif change.action == "retention":
            yield Finding(
                code="topic-kept-too-long",
                severity=Severity.WARNING,
                area=AREA,
                what=f"{change.topic} {change.fault}",
                why="a source that starts anew from the oldest record would have commands take effect twice",
                mend="taskmaster topics (as the admin's user)",
            )
    if count := count_of_unknown_retention(existing):
        yield Finding(
            code="retention-untold",
            severity=Severity.NOTE,
            area=AREA,
            what=f"of {count} topics the broker does not say how long they keep records",
            why="it has to be less than 8 days, for which the inbox remembers commands",
            mend="taskmaster topics --dry-run, as the admin's user",
        )


def _rights(settings: Settings, admin: Admin) -> Iterator[Finding]:
    """What the broker says that this user may do (KIP-430); many brokers, and all without ACLs, say nothing."""
    for name, allowed in sorted(admin.allowed(wanted(settings)).items()):
        if allowed and not {"WRITE", "ALL"} & allowed:
            yield Finding(
                code="acl-missing",
                severity=Severity.NOTE if "READ" in allowed else Severity.CRITICAL,
                area=AREA,
                what=f"this user may not write to {name}, only {', '.join(sorted(allowed)).lower()}",
                why="if it is the functions' user, events for this topic stay in the outbox",
                mend="taskmaster acls --role functions prints the commands that a superuser runs",
            )


def _dead_letters(settings: Settings) -> Iterator[Finding]:
    name = settings.topic(routes.DEAD_LETTERS)
    try:
        letters = recent_dead_letters(settings)
    except ReadingForbidden:
        yield not_looked_at(AREA, f"this user may not read {name}", "run it as the operator's user as well")
        return
    except (Unreadable, OSError) as error:
        kind = type(error.__cause__ or error).__name__
        yield not_looked_at(AREA, f"{name} cannot be read ({kind})", "see the other findings here")
        return
    reasons = Counter((letter.function or "a function", letter.reason[:_REASON]) for letter in letters)
    for (function, reason), count in reasons.most_common(10):
        yield Finding(
            code="dead-letters",
            severity=Severity.WARNING,
            area=AREA,
            what=f"{count} dead letters of {function} within a day: {_printable(reason)}",
            why="these commands had no effect",
            mend=f"taskmaster dead-letters list --function {function} --since 24h; mend the reason; then replay",
        )


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
