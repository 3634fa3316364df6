"""Publishing: every committed event goes to its topics at least once, those of one task in commit order.

Every publisher runs the same loop: claim the oldest row of each key, hold those row locks until the broker
acknowledges, delete what was acknowledged, commit. For a moment the keys that were just published go on by themselves,
with many rows of a key at once, under the lock of its first. Where one dies half-way, the next one publishes its rows.
A row that cannot be sent blocks its own key alone. Users take turns: each round has rows of several users, however many
rows one of them has.
"""

import logging
import math
import time

from taskmaster.broker.transport import Broker, BrokerUnavailable
from taskmaster.database.store import Database
from taskmaster.database.system_transaction import Claimed
from taskmaster.telemetry import spans
from taskmaster.telemetry.trace_context import TraceContext

log = logging.getLogger(__name__)

BATCH = 500
_BEHIND = 2000  # rows of one claim, of the keys that were just published
_DELAYED = 5.0  # seconds that an event has waited for; above it a line is logged, since a part was unavailable
_FEW = 50  # rows of a round: behind fewer the next one waits for more, since a round costs what many rows do
_GATHER = 0.003  # seconds
_FOLLOWED = 0.1  # seconds in which only the keys that were just published go on, before the others have their turn


def publish(database: Database, broker: Broker, *, seconds: float = math.inf) -> int:
    """Publish until nothing is left to claim, or for so many seconds. How many events were published.

    Raises BrokerUnavailable when the broker did not answer, Unavailable when the database did not. An event that cannot
    be sent stays in the outbox, is left out of this run and logged.
    """
    if not broker.is_connected:
        with database.as_system() as transaction:
            if transaction.is_outbox_empty():
                return 0
        broker.connect()  # before rows are locked: it takes a moment, and other publishers may be connected
    published = 0
    ends_at = time.monotonic() + seconds
    oldest = 0.0
    failed: dict[int, Exception] = {}
    keys: list[str] = []  # of the events that were just published
    others_at = 0.0  # monotonic seconds when the other keys have their turn
    while True:
        with database.as_system() as transaction:
            now = time.monotonic()
            if not keys or now >= others_at:
                keys, others_at = [], now + _FOLLOWED
            rows = transaction.claim_outbox(BATCH, list(failed), behind=keys, most_behind=_BEHIND)
            if not rows or time.monotonic() > ends_at:
                if oldest > _DELAYED:
                    log.warning("published %d events, of which the oldest had waited %.0f s", published, oldest)
                return published
            began = time.time_ns()
            acknowledged, failures = broker.send(_records(rows))
            _trace(rows, failures, began, system=broker.system)
            if acknowledged:
                transaction.delete_outbox(sorted(acknowledged))
        published += len(acknowledged)
        if len(rows) < _FEW:
            time.sleep(_GATHER)
        oldest = max(oldest, *(row.waited for row in rows if row.id in acknowledged), 0.0)
        stuck = {row.key for row in rows if row.id in failures}
        keys = list(dict.fromkeys(row.key for row in rows if row.id in acknowledged and row.key not in stuck))
        for row in rows:
            if (failure := failures.get(row.id)) is None:
                continue
            if isinstance(failure, BrokerUnavailable):
                raise failure
            failed[row.id] = failure
            log.error("event %s cannot be published: %s", row.headers.get("ce_id"), failure)


def _records(rows: list[Claimed]) -> list[tuple[int, tuple[str, str, dict[str, str], bytes]]]:
    return [(row.id, (topic, row.key, row.headers, bytes(row.value))) for row in rows for topic in row.topics]


def _trace(rows: list[Claimed], failures: dict[int, Exception], began: int, *, system: str) -> None:
    """Record a span for each record that was sent, in the trace of its event, whichever process made that."""
    if not spans.is_on():
        return
    ended = time.time_ns()
    for row in rows:
        trace = TraceContext.read(row.headers.get("ce_traceparent"), row.headers.get("ce_tracestate"))
        for topic in row.topics:
            span = spans.start(f"send {topic}", "producer", parent=trace, began=began)
            span.set(
                {
                    "messaging.system": system,
                    "messaging.operation.name": "send",
                    "messaging.operation.type": "send",
                    "messaging.destination.name": topic,
                    "messaging.message.id": row.headers.get("ce_id", ""),
                    "cloudevents.event_type": row.headers.get("ce_type", ""),
                    "taskmaster.outbox.waited": round(row.waited, 3),  # seconds, until it was claimed
                }
            )
            if failure := failures.get(row.id):
                span.fail(type(failure).__name__)
            span.end(ended=ended)
