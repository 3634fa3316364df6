"""Publishing: every committed event goes to its topics at least once, those of one task in commit order.

Every publisher runs the same loop: claim the oldest row of each key, hold those row locks until the broker
acknowledges, delete what was acknowledged, commit. Whoever dies half-way leaves its rows to the next. A row that cannot
be sent holds up its own key, and nobody else's.
"""

import logging
import threading
import time

from taskmaster.broker import Broker, BrokerUnavailable
from taskmaster.store import Busy, Claimed, Database, Unavailable

log = logging.getLogger(__name__)

BATCH = 500
_RETRY_AFTER = (0.2, 0.5, 1, 2, 5, 10)  # seconds between tries while the broker or the database is away


def publish(database: Database, broker: Broker) -> int:
    """Publish until nothing is left to claim, and say how many events went out.

    Raises BrokerUnavailable when the broker did not answer, Unavailable when the database did not. What cannot be sent
    as it is stays in the outbox, is left out of this run and logged.
    """
    published = 0
    failed: dict[int, Exception] = {}
    while True:
        with database.as_system() as transaction:
            rows = transaction.claim_outbox(BATCH, list(failed))
            if not rows:
                return published
            acknowledged, failures = broker.send(_records(rows))
            if acknowledged:
                transaction.delete_outbox(sorted(acknowledged))
        published += len(acknowledged)
        for row in rows:
            if (failure := failures.get(row.id)) is None:
                continue
            if isinstance(failure, BrokerUnavailable):
                raise failure
            failed[row.id] = failure
            log.error("event %s cannot be published: %s", row.headers.get("ce_id"), failure)


def _records(rows: list[Claimed]) -> list[tuple[int, tuple[str, str, dict[str, str], bytes]]]:
    return [(row.id, (topic, row.key, row.headers, bytes(row.value))) for row in rows for topic in row.topics]


class Publisher:
    """The loop in a thread of its own, behind a function's answers. Asleep until it is woken."""

    def __init__(self, database: Database, broker: Broker, *, gather: float = 0.0) -> None:
        self._database = database
        self._broker = broker
        self._gather = gather
        self._work = threading.Event()
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def wake(self) -> None:
        """There may be something to publish. Returns at once."""
        self._work.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
                    self._thread.start()

    def drain(self, timeout: float) -> None:
        """Publish what was woken for, then stop; at most `timeout` seconds. What is left stays in the outbox."""
        self._leaving.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join(timeout)
        self._broker.close()

    def _run(self) -> None:
        failures = 0
        while True:
            self._work.wait()
            if self._gather and not self._leaving.is_set():
                time.sleep(self._gather)  # a burst shares one claim
            self._work.clear()
            try:
                publish(self._database, self._broker)
                failures = 0
            except (BrokerUnavailable, Unavailable, Busy) as error:
                log.warning("publishing waits: %s", error)
                if not self._leaving.is_set():
                    self._leaving.wait(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)])
                    failures += 1
                    self._work.set()
            except Exception:
                log.exception("publishing failed; the events stay in the outbox")
            if self._leaving.is_set() and not self._work.is_set():
                return
