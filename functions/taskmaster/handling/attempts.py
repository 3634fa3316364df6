"""Attempts at an event in the inbox: counted before it is decoded, parked past the limit, answered or left open.

Each method is one transaction of the system's login, apart from the transaction in which the command is handled.
"""

import logging
from contextlib import suppress

from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.session import Busy, TooSlow, Unavailable
from taskmaster.database.store import Database
from taskmaster.database.system_transaction import SystemTransaction
from taskmaster.handling.answers import Answer, problem
from taskmaster.handling.arrival import Arrival, DecodedCommand
from taskmaster.handling.idempotency import KEEP_EVENTS, Mismatch, first_answer, is_decoded, is_same, parked
from taskmaster.log import note
from taskmaster.settings import Settings

log = logging.getLogger(__name__)


class Attempts:
    """The inbox rows of one function's events."""

    def __init__(self, function: str, settings: Settings, database: Database) -> None:
        self.function = function
        self.settings = settings
        self.database = database

    def count(self, arrival: Arrival) -> Answer | InboxRow:
        """Count an attempt, before the event is decoded. An answer where there is nothing left to do.

        The row may be that of another command under the same id, which shows once this one is decoded. Raises
        Malformed.
        """
        row = self._count(arrival.key, arrival.digest)
        note(attempt=row.attempts)
        if is_same(row, *arrival.digests) or not is_decoded(row):
            try:
                if (first := first_answer(row, *arrival.digests)) is not None:
                    return first
            except Mismatch as error:
                return mismatch(error)
        if row.status is None and row.attempts > self.settings.max_attempts:
            return self._park(arrival, arrival.key, row.attempts - 1)
        return row

    def count_inside(self, arrival: Arrival, decoded: DecodedCommand) -> Answer | None:
        """Count an attempt at the event inside a wrapped record. An answer where there is nothing left to do.

        Raises Mismatch.
        """
        row = self._count(decoded.key, arrival.digest + decoded.digest)
        if (first := first_answer(row, *arrival.digests, decoded.digest)) is not None:
            return first
        if row.attempts > self.settings.max_attempts:
            return self._park(arrival, decoded.key, row.attempts - 1)
        return None

    def count_again(self, arrival: Arrival, decoded: DecodedCommand) -> None:
        """Write a counted row again that a crash of the database took: its commit was not flushed."""
        self._count(decoded.key, arrival.digest + decoded.digest)

    def settle(self, key: InboxKey, answer: Answer) -> Answer:
        """Remember an answer that needs no transaction of the user's.

        Flushed: the event does not come again, and a crash that took the answer would leave its attempt open for good.
        """
        with self.database.as_system() as transaction:
            return _answer(transaction, key, answer)

    def forget(self, key: InboxKey) -> None:
        """Delete the row of a wrapped record whose event has a row of its own. Flushed, for the same reason."""
        with self.database.as_system() as transaction:
            transaction.forget_inbox(key)

    def note_failure(self, arrival: Arrival, decoded: DecodedCommand | None, error: Exception) -> None:
        """Keep the digest of the command in a row that stays open, so that a repeat in another form is recognized.

        A known outage is not the event's fault, and is uncounted. Where the database takes neither, the limit leaves
        room for it.
        """
        is_outage = isinstance(error, (Unavailable, Busy)) and not isinstance(error, TooSlow)
        with suppress(Unavailable, Busy), self.database.as_system() as transaction:
            transaction.without_flush()
            if decoded and decoded.key == arrival.key:
                transaction.note_command(arrival.key, arrival.digest + decoded.digest)
            if is_outage:
                transaction.uncount_attempt(arrival.key)
                if decoded and decoded.key != arrival.key:
                    transaction.uncount_attempt(decoded.key)

    def _count(self, key: InboxKey, digest: bytes) -> InboxRow:
        """Count an attempt. It has committed when this returns, in one round trip."""
        with self.database.as_system() as transaction:
            transaction.without_flush()
            return transaction.count_attempt_and_commit(key, digest, KEEP_EVENTS)

    def _park(self, arrival: Arrival, key: InboxKey, attempts: int) -> Answer:
        """Give an event up: into the outbox, for the dead letters, and answered, in one transaction."""
        why = f"failed {attempts} times"
        event = arrival.received.as_dead_letter(knativeerrordest=self.function, reason=why)
        event = event._replace(topics=tuple(map(self.settings.topic, event.topics)))
        with self.database.as_system() as transaction:
            row = transaction.lock_inbox(key)
            if row and row.status is not None:  # another attempt has been answered meanwhile
                return Answer.recalled(row.status, row.answer)
            transaction.insert_outbox(event)
            answer = _answer(transaction, key, parked(why))
        log.error("an event failed %d times and goes to the dead letters", attempts)
        return answer


def mismatch(error: Mismatch) -> Answer:
    """422 for an event whose id another command has."""
    return problem(422, "Another command came under this id", str(error))


def _answer(transaction: SystemTransaction, key: InboxKey, answer: Answer) -> Answer:
    transaction.answer_inbox(key, answer.status, {"reason": answer.reason} if answer.reason else None)
    return answer
