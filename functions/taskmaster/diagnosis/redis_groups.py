"""The consumer groups of the bridge where Dapr keeps the topics on Redis: which moves, and which does not."""

import time
from collections.abc import Iterator

from taskmaster.broker import redis_streams
from taskmaster.broker.transport import Unreadable
from taskmaster.diagnosis.finding import Finding, Severity, not_looked_at
from taskmaster.settings import Settings

AREA = "groups"
_MUCH = 1_000  # records behind which a mailbox comes late, though it moves
_BRIDGE = "kubectl -n NAMESPACE logs deployment/taskmaster-bridge --all-containers"


def examine(settings: Settings, *, prefix: str, seconds: float) -> Iterator[Finding]:
    """Look twice at what waits, so many seconds apart."""
    try:
        before = redis_streams.waiting(settings, prefix)
        after = before
        if any(each.count for each in before.values()):
            time.sleep(seconds)
            after = redis_streams.waiting(settings, prefix)
    except Unreadable as error:
        yield not_looked_at(AREA, f"Redis cannot be read ({error})", "see the broker's findings")
        return
    for function, now in after.items():
        if not now.count or not before[function].count:
            continue
        if not now.place:
            yield Finding(
                code="group-without-members",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"stream {now.topic} has {now.count} records, and no group {now.group} that reads them",
                why=f"{function} is not called: the bridge has never subscribed for it",
                mend=_BRIDGE,
            )
        elif now.place == before[function].place:
            yield Finding(
                code="partition-waits",
                severity=Severity.WARNING,
                area=AREA,
                what=f"{now.group} does not move in {now.topic}, {now.count} to go: it waits behind {now.place}",
                why="the bridge has one record of an ordered mailbox under way: all behind it waits, whoever's it is",
                mend=f"{_BRIDGE}; kubectl -n NAMESPACE logs -l serving.knative.dev/service={function}"
                " -c user-container",
            )
        elif now.count >= _MUCH:
            yield Finding(
                code="group-behind",
                severity=Severity.NOTE,
                area=AREA,
                what=f"{now.group} has {now.count} records to go, and moves",
                why="what is sent now comes late; one record of an ordered mailbox is under way at a time",
                mend=f"look at the database, and at the log of {function}",
            )
